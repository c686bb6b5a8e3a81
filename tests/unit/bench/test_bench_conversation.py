"""The conversation that is priced is the one that the figures are quoted for."""

import json
from collections import Counter
from itertools import pairwise

from bench.conversation import Conversation, Request, read_turns

REQUESTS = Conversation("demo-dentist", "a secret", "session-1", 1_760_000_000_000).list_requests()


def to(path: str) -> list[Request]:
    return [request for request in REQUESTS if request.path == path]


def test_it_takes_five_minutes_with_60_saves_40_messages_100_events_and_6_tool_calls() -> None:
    messages = [each for request in to("/api/messages") for each in (request.body or {})["messages"]]
    events = [each for request in to("/api/events") for each in (request.body or {})["events"]]
    assert len(to("/api/conversations")) == 60
    assert len(messages) == 2 * len(read_turns()) == 40
    assert len(events) == 100
    assert len(to("/api/tools/execute")) == 6
    assert [request.at_s for request in (REQUESTS[0], REQUESTS[-1])] == [0, 300]


def test_persona_tools_and_session_token_are_asked_for_once() -> None:
    once = Counter(request.path for request in REQUESTS)
    assert [once[path] for path in ("/api/persona", "/api/tools", "/api/auth/session")] == [1, 1, 1]


def test_each_save_has_all_that_was_said_until_then_and_the_last_one_ends_it() -> None:
    saved = [request.body or {} for request in to("/api/conversations")]
    said = [[each["content"] for each in body["messages"]] for body in saved]
    assert said[0] == []
    assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(said))
    assert len(said[-1]) == 40
    assert [body["status"] for body in saved[-2:]] == ["active", "resolved"]


def test_nothing_is_sent_before_it_happened_and_the_order_is_that_of_time() -> None:
    assert [request.at_s for request in REQUESTS] == sorted(request.at_s for request in REQUESTS)
    for request in to("/api/messages"):
        assert all(
            each["createdAt"] <= 1_760_000_000_000 + request.at_s * 1000 for each in request.body["messages"]
        )
    for request in to("/api/events"):
        assert all(json.loads(each["data"])["traceId"] for each in request.body["events"])
