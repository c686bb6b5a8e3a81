"""Record changes that operators make: the intent before, the outcome after."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NotRequired

from typing_extensions import TypedDict

from genai_voice.audit.rows import AuditRow
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import Refused
from genai_voice.foundation.model import add_optional
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
def record_change(
    app: str, actor: str, command: str, arguments: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Record a change of the app that is made within the `with`: the intent before it, so that no crash hides
    it, and the outcome after it. What is put into the dictionary that is yielded, counts mostly, is the
    result.

    Arguments hold no secret; long texts in them are recorded by their length.
    """
    row, result = AuditRow.of_new(app), dict[str, Any]()
    row.actor, row.command, row.outcome = actor, command, "begun"
    row.arguments = json.dumps({name: _shorten(value) for name, value in arguments.items()})
    row.save()
    try:
        yield result
    except BaseException as reason:  # Ctrl-C too: each is told, and goes on its way
        _finish(row, _describe(reason), result)
        raise
    _finish(row, "done", result)


def list_newest(app: str, limit: int) -> Iterator[AuditView]:
    """List the records of an app, newest first."""
    return map(_view, AuditRow.list_newest(app, limit))


def _finish(row: AuditRow, outcome: str, result: Mapping[str, Any]) -> None:
    actions: list[Action] = [AuditRow.outcome.set(outcome), AuditRow.finished_at.set(get_now_ms())]
    if result:
        actions.append(AuditRow.result.set(json.dumps(result)))
    row.change(actions)


def _describe(reason: BaseException) -> str:
    """Describe why a change has ended. Only messages that are made to be told are quoted: others may hold
    anything.
    """
    if isinstance(reason, Refused):
        return f"refused: {reason}"
    return f"failed: {type(reason).__name__}" if isinstance(reason, Exception) else "interrupted"


def _shorten(value: Any) -> Any:
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
    result = None if row.result is None else json.loads(row.result)
    return add_optional(view, result=result, finishedAt=row.finished_at)
