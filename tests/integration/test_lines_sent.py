"""Transcripts as other stacks send them, from the request to the list (contract, amendment 2)."""

import json
from typing import Any

from tests.support.service import Client, create_app

MS = 1_767_225_600_000
CALL = {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}", "ts": MS}


def say(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def read_transcript(app: Client, of: str = "conversations") -> Any:
    (shown,) = app.get(f"/api/{of}").json[of]
    return json.loads(shown["transcript"])


def test_a_save_of_odd_items_stores_what_is_said_and_counts_the_rest() -> None:
    app = create_app()
    sent = [
        {"id": "i1", "type": "message", **say(["Guten", "Tag"], ts=1767225600.12)},
        CALL,
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1"}]},
        {"role": "model", "parts": [{"text": "Hallo"}], "ts": "2026-01-01T00:00:01Z"},
        say("Tschüss", ts=(MS + 2_000) * 1_000),
        None,
    ]
    reply = app.post("/api/conversations", {"sessionId": "s", "messages": sent})
    assert (reply.status, reply.json) == (200, {"ok": True, "ignored": 2})
    assert read_transcript(app) == [
        {"role": "user", "content": "Guten Tag", "ts": 1767225600.12},
        {"role": "assistant", "content": "", "ts": 1767225600.12},
        {"role": "model", "content": "Hallo", "ts": MS + 1_000},
        {"role": "user", "content": "Tschüss", "ts": MS + 2_000},
    ]
    assert app.get("/api/conversations").json["conversations"][0]["messageCount"] == 4


def test_a_save_of_lines_as_they_should_be_says_nothing_of_it() -> None:
    reply = create_app().post("/api/conversations", {"sessionId": "s", "messages": [say("Hi", ts=1)]})
    assert (reply.status, reply.json) == (200, {"ok": True})


def test_the_first_line_without_a_time_has_the_start() -> None:
    app = create_app()
    app.post("/api/conversations", {"messages": [say("Hi")], "sessionId": "s", "startedAt": MS})
    assert read_transcript(app) == [say("Hi", ts=MS)]


def test_a_save_of_nothing_usable_is_a_save_without_messages() -> None:
    app = create_app()
    app.post("/api/conversations", {"sessionId": "s", "messages": [say("kept", ts=1)]})
    body = {"sessionId": "s", "messages": [CALL, {"role": ""}], "status": "resolved"}
    reply = app.post("/api/conversations", body)
    assert (reply.status, reply.json) == (200, {"ok": True, "ignored": 2})
    (conversation,) = app.get("/api/conversations").json["conversations"]
    assert (conversation["status"], conversation["messageCount"]) == ("resolved", 1)
    assert read_transcript(app) == [say("kept", ts=1)]


def test_a_handoff_has_what_was_said_and_counts_the_rest() -> None:
    app = create_app()
    body = {"sessionId": "s", "reason": "r", "transcript": [say(["Hilfe!"], ts="2026-01-01T00:00:00Z"), CALL]}
    reply = app.post("/api/handoffs", body)
    assert (reply.status, reply.json["ignored"], reply.json.keys()) == (200, 1, {"id", "ignored"})
    assert read_transcript(app, "handoffs") == [say("Hilfe!", ts=MS)]
    assert read_transcript(app) == [say("Hilfe!", ts=MS)]


def test_a_handoff_of_lines_as_they_should_be_answers_its_id_alone() -> None:
    reply = create_app().post(
        "/api/handoffs", {"sessionId": "s", "reason": "r", "transcript": [say("x", ts=1)]}
    )
    assert (reply.status, list(reply.json)) == (200, ["id"])
