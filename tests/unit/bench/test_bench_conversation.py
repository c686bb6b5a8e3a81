"""The conversation that is priced is the one that the figures are quoted for."""

import json
import zlib
from collections import Counter
from itertools import pairwise
from statistics import fmean

from bench.composing import compose_turns
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


def test_a_longer_one_begins_like_it_and_saves_as_often() -> None:
    longer = Conversation(
        "demo-dentist", "a secret", "session-1", 1_760_000_000_000, minutes=60
    ).list_requests()
    saves = [request for request in longer if request.path == "/api/conversations"]
    assert (len(saves), saves[-1].at_s) == (720, 3600)
    said = [len((request.body or {})["messages"]) for request in saves]
    assert (said, said[-1]) == (sorted(said), 8 * 60)
    assert saves[58].body == to("/api/conversations")[58].body


def test_what_is_composed_is_always_the_same_and_says_nothing_twice_in_so_many_lines_as_are_packed() -> None:
    lines = list_lines(220)
    assert lines == list_lines(220)
    for start in range(len(lines)):
        sentences = [each for line in lines[start : start + 36] for each in line.split(". ")]
        assert len(set(sentences)) == len(sentences)


def test_what_is_composed_is_as_long_and_packs_no_better_than_what_was_recorded() -> None:
    recorded = [turn[who] for turn in read_turns() for who in ("caller", "agent")]
    composed = list_lines(220)
    assert 0.9 < fmean(map(len, composed)) / fmean(map(len, recorded)) < 1.1
    assert measure_packed(composed) > 0.95 * measure_packed(recorded)


def list_lines(pairs: int) -> list[str]:
    return [turn[who] for turn in compose_turns(pairs) for who in ("caller", "agent")]


def measure_packed(lines: list[str], together: int = 16) -> float:
    """The bytes that a character takes where so many lines are compressed together."""
    texts = [
        "\n".join(lines[start : start + together]) for start in range(0, len(lines) - together, together)
    ]
    return sum(len(zlib.compress(text.encode(), 6)) for text in texts) / sum(map(len, texts))
