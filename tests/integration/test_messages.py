"""Messages: batches that are sent again, order, pages (contract 3.3)."""

import json
import random
from typing import Any

import pytest

from tests.support.service import Client, create_app, read_pages

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


def paged(app: Client, session: str = "s") -> list[list[dict[str, Any]]]:
    return list(read_pages(app, "/api/messages", "messages", sessionId=session))


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
    [
        *({"participantIdentity": "agent"}, {"role": "agent"}, {"createdAt": 2.001}, {"content": "hello "}),
        {"sessionId": "t"},
    ],
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


def test_a_batch_has_no_limit_but_that_of_its_body() -> None:
    app = create_app()
    send(app, *(message(created_at=number) for number in range(501)))
    assert len(read(app)) == 501
    large = [message("x" * 60_000, number, sessionId="t") for number in range(87)]
    assert 4.9 * MEGABYTE < len(json.dumps({"messages": large})) < 5 * MEGABYTE
    send(app, *large)
    assert [each["createdAt"] for page in paged(app, "t") for each in page] == list(range(87))
    reply = app.post("/api/messages", {"messages": [*large, message("x" * 60_000)]})
    assert (reply.status, reply.json) == (413, {"error": "Request body too large: at most 5 MB"})


@pytest.mark.parametrize("letter", ["x", "é", "あ", "\U0001f697"])
def test_content_is_kept_up_to_65_536_characters_whatever_bytes_they_take(letter: str) -> None:
    app = create_app()
    names: dict[str, Any] = {"sessionId": "s", "participantIdentity": letter * 1_000, "role": letter * 1_000}
    long = message(letter * 65_536, **names, roomName=letter * 1_000, language=letter * 1_000)
    send(app, long, message("", 1))
    first, stored = read(app)
    assert (first["content"], "truncated" in first) == ("", False)
    assert stored["content"] == long["content"]
    assert "truncated" not in stored


def test_longer_content_is_cut_and_says_so() -> None:
    app = create_app()
    for _ in range(2):
        send(app, message("é" * 65_537))
    (stored,) = read(app)
    assert (stored["content"], stored["truncated"]) == ("é" * 65_536, True)


@pytest.mark.parametrize(
    "body", [{}, {"messages": []}, {"messages": None}, {"messages": "x"}, {"messages": {}}], ids=str
)
def test_no_messages_are_missing(body: dict[str, Any]) -> None:
    reply = create_app().post("/api/messages", body)
    assert (reply.status, reply.json["error"]) == (400, "Missing or empty messages array")


@pytest.mark.parametrize("query", [{}, {"sessionId": ""}], ids=str)
def test_reading_needs_a_session(query: dict[str, str]) -> None:
    reply = create_app().get("/api/messages", **query)
    assert (reply.status, reply.json["error"]) == (400, "Missing sessionId")


def test_a_long_session_is_read_page_by_page_and_none_exceeds_what_lambda_takes() -> None:
    app = create_app()
    for start in range(0, 800, 50):
        send(app, *(message('"' * 5_000 + "x" * 5_000, created_at=start + number) for number in range(50)))
    found = paged(app)
    assert len(found) > 2
    assert [each["createdAt"] for page in found for each in page] == list(range(800))
    for page in found:
        assert len(json.dumps({"body": json.dumps({"messages": page})})) < 6 * MEGABYTE


def test_app_slug_counts_only_with_all() -> None:
    app = create_app()
    send(app, message())
    assert len(app.get("/api/messages", sessionId="s", appSlug="other").json["messages"]) == 1
    assert app.get("/api/messages", sessionId="s", appSlug="other", all="true").json["messages"] == []
