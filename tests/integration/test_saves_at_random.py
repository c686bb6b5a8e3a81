"""Conversations that three writers save at once, late and over connections that break: nothing that was
acknowledged is lost, and nothing is stored more often than it was said. A seed is one conversation; SEED=n
makes a run begin with the n-th.
"""

import json
import os
from collections import Counter
from contextlib import AbstractContextManager, suppress
from typing import Any

import pytest

from tests.conftest import STRICT
from tests.support.savers import Conversation, Line, Save, get_name, plan_conversation
from tests.support.service import Client, create_app, record_calls
from tests.support.wire import Cut, cut, lose_answer

FIRST = int(os.environ.get("SEED", "0"))
COUNT = 200 if STRICT else 9_800 if os.environ.get("SOAK") else 1_800 if os.environ.get("CI") else 600
AT_ONCE = 25
"""Conversations of one test: the workers of pytest share tests, not what is in them."""


def test_at_least_a_third_of_all_saves_is_late() -> None:
    saves = [save for seed in range(100) for save in plan_conversation(seed).saves]
    assert sum(save.is_late for save in saves) >= len(saves) / 3


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, AT_ONCE))
def test_nothing_that_was_acknowledged_is_lost(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # nobody else saves meanwhile
    app = create_app()
    for seed in range(first, first + AT_ONCE):
        try:
            play(app, str(seed), plan_conversation(seed))
        except Exception as wrong:
            wrong.add_note(f"Again: SEED={seed} pytest -x -n 0 tests/integration/test_saves_at_random.py")
            raise


def play(app: Client, session: str, planned: Conversation) -> None:
    acknowledged: set[tuple[str, str]] = set()
    for save in planned.saves:
        if save.breaks_at:  # and the client sends it again
            with suppress(Cut), break_connection(save):
                send(app, session, save.lines, save.status)
        send(app, session, save.lines, save.status)
        acknowledged |= {(line["role"], line["content"]) for line in save.lines}
    stored = read(app, session)
    lines = json.loads(stored["transcript"])
    for role, wording in acknowledged:
        assert any(line["role"] == role and line["content"].startswith(wording) for line in lines), wording
    for name, count in Counter(map(get_name, lines)).items():
        assert count <= planned.most[name], f"{count} times {name}"
    assert stored["messageCount"] == len(lines)
    assert stored["status"] == max(save.status for save in planned.saves)
    with record_calls() as calls:
        send(app, session, lines, "active")
    assert calls.operations == ["UpdateItem"], "what the row tells of its lines is not told of these"


def break_connection(save: Save) -> AbstractContextManager[Any]:
    if save.is_repeated:
        return lose_answer(save.breaks_at)
    return cut(save.breaks_at, after=save.breaks_after)


def send(app: Client, session: str, lines: list[Line], status: str) -> None:
    reply = app.post("/api/conversations", {"sessionId": session, "status": status, "messages": lines})
    assert reply.status == 200, reply.text


def read(app: Client, session: str) -> dict[str, Any]:
    (found,) = app.get("/api/conversations", sessionId=session).json["conversations"]
    return dict(found)
