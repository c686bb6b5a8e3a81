"""Changes are recorded: the intent before, the outcome after."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NotRequired

from typing_extensions import TypedDict

from genai_voice.audit.rows import AuditRow
from genai_voice.foundation.clock import now_ms
from genai_voice.foundation.errors import Refused
from genai_voice.foundation.table import Action

_LONGEST = 200  # characters of a text that is recorded whole


class AuditView(TypedDict):
    at: float
    """Epoch ms, as all times."""
    actor: str
    command: str
    arguments: dict[str, Any]
    outcome: str
    """begun, done, refused: and why, failed: and of what kind, or interrupted. What is `begun` for long was
    cut off, and may or may not have changed something.
    """
    result: NotRequired[dict[str, Any]]
    finishedAt: NotRequired[float]


@contextmanager
def recorded(app: str, actor: str, command: str, arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Records a change of the app that is made within: the intent before it, so that no crash hides it, and
    the outcome after. What is put into the yielded dictionary, counts mostly, is the result.

    Arguments hold no secret; long texts in them are recorded by their length.
    """
    row, result = AuditRow.new(app), dict[str, Any]()
    row.actor, row.command, row.outcome = actor, command, "begun"
    row.arguments = json.dumps({name: _short(value) for name, value in arguments.items()})
    row.save()
    try:
        yield result
    except BaseException as reason:  # Ctrl-C too: each is told, and goes on its way
        _finish(row, _why(reason), result)
        raise
    _finish(row, "done", result)


def newest(app: str, limit: int) -> Iterator[AuditView]:
    """The newest records first."""
    return map(_view, AuditRow.newest(app, limit))


def _finish(row: AuditRow, outcome: str, result: Mapping[str, Any]) -> None:
    actions: list[Action] = [AuditRow.outcome.set(outcome), AuditRow.finished_at.set(now_ms())]
    if result:
        actions.append(AuditRow.result.set(json.dumps(result)))
    row.change(actions)


def _why(reason: BaseException) -> str:
    """Only what is made to be told is quoted: other messages may hold anything."""
    if isinstance(reason, Refused):
        return f"refused: {reason}"
    return f"failed: {type(reason).__name__}" if isinstance(reason, Exception) else "interrupted"


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"({len(value)} characters)"
    return value


def _view(row: AuditRow) -> AuditView:
    view: AuditView = {
        "at": row.created_at or 0,
        "actor": row.actor,
        "command": row.command,
        "arguments": json.loads(row.arguments),
        "outcome": row.outcome,
    }
    if row.result is not None:
        view["result"] = json.loads(row.result)
    if row.finished_at is not None:
        view["finishedAt"] = row.finished_at
    return view
