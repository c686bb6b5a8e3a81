"""Messages: batches that are sent again, order, pages (contract 3.3)."""

import json
import random
from typing import Any

import pytest

from tests.support.service import Client, create_app, read_pages, read_rows

MEGABYTE = 1024 * 1024


def message(content: str = "hello", created_at: float = 1_767_225_600_000, **fields: Any) -> dict[str, Any]:
    return {
        "sessionId": "s",
        "participantIdentity": "user",
        "role": "user",
        "content": content,
        "isFinal": True,
        "createdAt": created_at,
        **fields,
    }


def send(app: Client, *messages: dict[str, Any], **headers: str) -> None:
    reply = app.post("/api/messages", {"messages": list(messages)}, **headers)
    assert (reply.status, reply.json) == (200, {"ok": True, "count": len(messages)}), reply.text


def read(app: Client, session: str = "s") -> list[dict[str, Any]]:
    return list(app.get("/api/messages", sessionId=session).json["messages"])


def test_a_message_comes_back_as_it_was_sent() -> None:
    app = create_app()
    sent = message(roomName="room", language="en-US", isFinal=False, createdAt=1_767_225_600_000.25)
    send(app, sent, **{"x-trace-id": "trace-1"})
    reply = app.get("/api/messages", sessionId="s").json
    (stored,) = reply["messages"]
    assert stored.pop("_id")
    assert stored == {
        **sent,
        "appSlug": app.slug,
        "_creationTime": 1_767_225_600_000.25,
        "traceId": "trace-1",
    }
    assert reply["recordings"] == {"user": None, "agent": None, "conversation": None}


def test_what_is_absent_is_left_out() -> None:
    app = create_app()
    send(app, message(roomName=None, language=None))
    assert not {"roomName", "language", "traceId"} & set(read(app)[0])


def test_a_batch_that_is_sent_again_is_stored_once_also_when_it_has_grown() -> None:
    app = create_app()
    batch = [message(f"line {number}", number) for number in range(30)]
    for upto in (10, 10, 20, 30):
        send(app, *batch[:upto])
    assert [each["content"] for each in read(app)] == [f"line {number}" for number in range(30)]


def test_equal_messages_in_one_batch_are_one_and_count_says_what_was_sent() -> None:
    app = create_app()
    send(app, message(), message(), message(participantIdentity="agent"))
    assert len(read(app)) == 2


@pytest.mark.parametrize(
    "other",
    [{"participantIdentity": "agent"}, {"createdAt": 2.001}, {"content": "hello "}, {"sessionId": "t"}],
    ids=str,
)
def test_messages_that_differ_in_what_identifies_them_are_different(other: dict[str, Any]) -> None:
    app = create_app()
    first = message(created_at=2)
    send(app, first, {**first, **other})
    assert len(read(app)) + len(read(app, "t")) == 2


def test_they_come_by_time_of_creation_then_id_however_they_arrived() -> None:
    app = create_app()
    sent = [message(f"{number}", number // 3 + 0.5 * (number % 2)) for number in range(60)]
    random.Random(7).shuffle(sent)  # noqa: S311 - an order that can be had again
    send(app, *sent)
    stored = read(app)
    assert stored == sorted(stored, key=lambda each: (each["createdAt"], each["_id"]))
    assert len({each["_id"] for each in stored}) == 60


def test_ids_that_would_climb_into_other_sessions_do_not() -> None:
    app = create_app()
    sessions = ["a", "a#MESSAGE#", "a#", "a%23", "A", "a/b", "a b", "é", "\0", "a" * 1000, "a" * 999]
    for session in sessions:
        send(app, message(session, sessionId=session))
    for session in sessions:
        assert [each["content"] for each in read(app, session)] == [session]


def test_500_messages_are_stored_and_501_are_refused() -> None:
    app = create_app()
    send(app, *(message(created_at=number) for number in range(500)))
    assert len(read(app)) == 500
    refused = app.post("/api/messages", {"messages": [message(created_at=number) for number in range(501)]})
    assert (refused.status, refused.json) == (400, {"error": "Invalid field: messages (over 500 items)"})


@pytest.mark.parametrize("content", ["x" * 10_240, "é" * 5_120, ""])
def test_content_up_to_10_kb_is_stored(content: str) -> None:
    app = create_app()
    send(app, message(content))
    assert read(app)[0]["content"] == content


@pytest.mark.parametrize("content", ["x" * 10_241, "é" * 5_121])
def test_longer_content_is_refused_and_nothing_of_the_batch_is_stored(content: str) -> None:
    app = create_app()
    reply = app.post("/api/messages", {"messages": [message(), message(content)]})
    assert (reply.status, reply.json) == (
        400,
        {"error": "Invalid field: messages[1].content (over 10,240 bytes)"},
    )
    assert {row["kind"] for row in read_rows(app.slug, "s")} == {"app", "credential"}


@pytest.mark.parametrize(
    "field", ["sessionId", "participantIdentity", "role", "content", "isFinal", "createdAt"]
)
def test_a_field_that_an_item_lacks_is_named(field: str) -> None:
    broken = message()
    del broken[field]
    reply = create_app().post("/api/messages", {"messages": [message(), broken]})
    assert (reply.status, reply.json) == (400, {"error": f"Invalid field: messages[1].{field}"})


@pytest.mark.parametrize(
    "body", [{}, {"messages": []}, {"messages": None}, {"messages": "x"}, {"messages": {}}], ids=str
)
def test_no_messages_are_missing(body: dict[str, Any]) -> None:
    reply = create_app().post("/api/messages", body)
    assert (reply.status, reply.json) == (400, {"error": "Missing or empty messages array"})


@pytest.mark.parametrize("query", [{}, {"sessionId": ""}], ids=str)
def test_reading_needs_a_session(query: dict[str, str]) -> None:
    reply = create_app().get("/api/messages", **query)
    assert (reply.status, reply.json) == (400, {"error": "Missing sessionId"})


def test_a_long_session_is_read_page_by_page_and_none_exceeds_what_lambda_takes() -> None:
    app = create_app()
    for start in range(0, 800, 50):
        send(app, *(message('"' * 5_000 + "x" * 5_000, created_at=start + number) for number in range(50)))
    found = list(read_pages(app, "/api/messages", "messages", sessionId="s"))
    assert len(found) > 2
    assert [each["createdAt"] for page in found for each in page] == list(range(800))
    for page in found:
        assert len(json.dumps({"body": json.dumps({"messages": page})})) < 6 * MEGABYTE


def test_app_slug_counts_only_with_all() -> None:
    app = create_app()
    send(app, message())
    assert len(app.get("/api/messages", sessionId="s", appSlug="other").json["messages"]) == 1
    assert app.get("/api/messages", sessionId="s", appSlug="other", all="true").json["messages"] == []
