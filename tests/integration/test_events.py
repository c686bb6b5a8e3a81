"""Events: a batch is one item, at most 100, the same batch once (contract 3.2)."""

import json
import random
from typing import Any

import pytest
from genai_voice.telemetry.rows import EventsRow

from tests.support.service import Client, create_app, read_partition, record_calls


def happened(number: float = 1, **fields: Any) -> dict[str, Any]:
    return {"eventType": "user_state_changed", "ts": number, **fields}


def send(app: Client, events: list[Any], session: str = "s", **headers: str) -> int:
    """Answers how many were stored; the rest must be said to be dropped."""
    reply = app.post("/api/events", {"sessionId": session, "events": events}, **headers)
    assert reply.status == 200, reply.text
    inserted = int(reply.json["inserted"])
    dropped = {"dropped": len(events) - inserted} if len(events) > 100 else {}
    assert reply.json == {"inserted": inserted, **dropped}
    return inserted


def stored(app: Client, session: str = "s") -> list[EventsRow]:
    pk = f"APP#{app.slug}#SESSION#{session}#"
    return list(EventsRow.query(pk, EventsRow.sk.startswith("EVENTS#"), consistent_read=True))


def test_a_batch_is_stored_as_it_was_sent_in_one_item() -> None:
    app = create_app()
    events = [happened(1, data='{"state":"listening"}'), happened(2), happened(3.5, data="")]
    assert send(app, events, **{"x-trace-id": "trace-1"}) == 3
    (row,) = stored(app)
    assert json.loads(row.events) == events
    assert (row.session_id, row.trace_id, row.event_count) == ("s", "trace-1", 3)


def test_only_the_first_hundred_are_stored_and_the_reply_says_so() -> None:
    app = create_app()
    assert send(app, [happened(number) for number in range(101)]) == 100
    assert [each["ts"] for each in json.loads(stored(app)[0].events)] == list(range(100))


def test_what_comes_after_the_hundredth_is_not_even_looked_at() -> None:
    assert send(create_app(), [*(happened(number) for number in range(100)), "no event"]) == 100


def test_no_events_are_fine_and_cost_nothing() -> None:
    app = create_app()
    app.open_session()
    with record_calls() as calls:
        assert send(app, []) == 0
    assert not calls.written


def test_the_same_batch_sent_again_is_stored_once() -> None:
    app = create_app()
    for _ in range(3):
        send(app, [happened(), happened(2)])
    assert len(stored(app)) == 1
    send(app, [happened(), happened(2), happened(3)])
    assert len(stored(app)) == 2


def test_equal_events_of_one_batch_are_each_stored() -> None:
    app = create_app()
    pressed = happened(data='{"digit":"1"}')
    assert send(app, [pressed, pressed, happened(2), pressed]) == 4
    [row] = stored(app)
    assert row.event_count == 4
    kept = json.loads(row.events)
    assert [event.pop("nth", 1) for event in kept] == [1, 2, 1, 3]
    assert kept == [pressed, pressed, happened(2), pressed]


def test_extra_keys_and_null_data_are_dropped() -> None:
    app = create_app()
    send(app, [happened(data=None, more={"a": 1})])
    assert [
        {k: v for k, v in each.items() if v is not None} for each in json.loads(stored(app)[0].events)
    ] == [happened()]


def test_a_batch_that_no_item_holds_is_split_and_nothing_is_lost() -> None:
    app = create_app()
    noise = random.Random(3)  # noqa: S311 - only has to be incompressible
    events = [happened(number, data=noise.randbytes(50_000).hex()) for number in range(10)]
    assert send(app, events) == 10
    found = [each for row in stored(app) for each in json.loads(row.events)]
    assert sorted(found, key=lambda each: each["ts"]) == events
    assert len(stored(app)) > 1


@pytest.mark.parametrize(
    ("events", "error"),
    [
        (None, "Missing required fields"),
        ({}, "Missing required fields"),
        ("x", "Missing required fields"),
        ([5], "Invalid field: events[0]"),
        ([{"eventType": "x"}], "Invalid field: events[0].ts"),
        ([{"ts": 1}], "Invalid field: events[0].eventType"),
        ([{"eventType": "", "ts": 1}], "Invalid field: events[0].eventType"),
        ([happened(), happened(data={"a": 1})], "Invalid field: events[1].data"),
        ([happened(-1)], "Invalid field: events[0].ts"),
        ([happened(data="x" * (256 * 1024 + 1))], "Invalid field: events[0].data (over 262,144 bytes)"),
    ],
    ids=str,
)
def test_a_wrong_event_is_named_and_nothing_is_stored(events: Any, error: str) -> None:
    app = create_app()
    reply = app.post("/api/events", {"sessionId": "s", "events": events})
    assert (reply.status, reply.json["error"]) == (400, error)
    assert not list(read_partition(f"APP#{app.slug}#SESSION#s#"))
