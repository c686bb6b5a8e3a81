"""Traces: everything that happened under one trace id, in the order of time (contract 3.16)."""

import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from genai_voice.foundation.clock import make_time_ordered_id
from genai_voice.foundation.transactions import put_all
from genai_voice.guardrails.rows import ViolationRow
from genai_voice.telemetry.rows import EventsRow
from genai_voice.tools import registry
from genai_voice.tools.rows import ExecutionRow

from bench.consumed import count_consumption
from tests.support.service import Client, create_app, read_pages, read_partition, record_calls, to_plain
from tests.support.wire import answer_calls

MEGABYTE = 1024 * 1024
TRACE = "trace-1"


def happened(ts: float, kind: str = "e", **fields: Any) -> dict[str, Any]:
    return {"eventType": kind, "ts": ts, **fields}


def send(app: Client, *events: dict[str, Any], session: str = "s", trace: str = TRACE) -> None:
    reply = app.post("/api/events", {"sessionId": session, "events": list(events)}, **{"x-trace-id": trace})
    assert reply.json == {"inserted": len(events)}


def say(app: Client, content: str, created_at: float, trace: str = TRACE, **fields: Any) -> None:
    message = {
        "sessionId": "s",
        "participantIdentity": "caller",
        "role": "user",
        "content": content,
        "isFinal": True,
        "createdAt": created_at,
        **fields,
    }
    assert app.post("/api/messages", {"messages": [message]}, **{"x-trace-id": trace}).status == 200


def act(app: Client, tool: str = "unknown", **fields: Any) -> None:
    body = {"sessionId": "s", "toolName": tool, "traceId": TRACE, **fields}
    assert app.post("/api/tools/execute", body).status == 200


def read(app: Client, trace: str = TRACE, **query: str) -> list[dict[str, Any]]:
    reply = app.get("/api/traces", traceId=trace, **query).json
    assert reply["traceId"] == trace
    return list(reply["timeline"])


def order(timeline: list[dict[str, Any]]) -> list[tuple[str, float]]:
    return [(entry["type"], entry["timestamp"]) for entry in timeline]


# -- what is shown -----------------------------------------------------------------------------------------


def test_a_timeline_shows_each_type_with_its_own_keys() -> None:
    app = create_app("demo-dentist")
    registry.put_tool(app.slug, "check_availability", description="", parameters_schema="{}")
    with time_machine.travel(1_800_000_002, tick=False):
        act(app, "check_availability", parameters={"startDate": "2026-04-07"}, spanId="span-1")
    say(app, "When?", 1_800_000_001_000.5, language="en")
    send(app, happened(1_800_000_000_000, "state_changed", data='{"state":"listening"}'))
    event, message, execution = read(app)
    assert event.pop("data").pop("id")
    assert event == {"type": "event", "timestamp": 1_800_000_000_000}
    assert message["data"].pop("id")
    assert message == {
        "type": "message",
        "timestamp": 1_800_000_001_000.5,
        "data": {"role": "user", "content": "When?", "participantIdentity": "caller", "language": "en"},
    }
    assert execution["data"].pop("id")
    assert execution["data"].pop("durationMs") >= 0
    assert execution["data"]["result"].pop("data")
    assert execution == {
        "type": "tool_execution",
        "timestamp": 1_800_000_002_000,
        "data": {
            "toolName": "check_availability",
            "parameters": {"startDate": "2026-04-07"},
            "result": {"success": True},
            "status": "success",
            "spanId": "span-1",
        },
    }


def test_what_is_absent_is_left_out_and_data_alone_is_null() -> None:
    app = create_app()
    send(app, happened(1))
    say(app, "hi", 2)
    act(app)
    event, message, execution = (entry["data"] for entry in read(app))
    assert sorted(event) == ["data", "eventType", "id", "sessionId"]
    assert event["data"] is None
    assert sorted(message) == ["content", "id", "participantIdentity", "role"]
    assert sorted(execution) == ["durationMs", "id", "parameters", "result", "status", "toolName"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [('{"a":1}', {"a": 1}), ("null", None), (None, None), ("{oops", "{oops"), ("", ""), ("NaN", "NaN")],
)
def test_the_data_of_an_event_is_parsed_or_passed_on(text: str | None, shown: Any) -> None:
    app = create_app()
    send(app, happened(1, data=text))
    assert read(app)[0]["data"]["data"] == shown


def test_the_parameters_and_the_result_of_a_tool_that_cannot_be_parsed_are_passed_on() -> None:
    app = create_app()
    act(app)
    (row,) = ExecutionRow.list_newest(app.slug, None, 1)
    row.change([ExecutionRow.parameters.set("{oops"), ExecutionRow.result.set("timed out")])
    data = read(app)[0]["data"]
    assert (data["parameters"], data["result"]) == ("{oops", "timed out")


def test_only_final_messages_are_shown() -> None:
    app = create_app()
    say(app, "hel", 1, isFinal=False)
    say(app, "hello", 2)
    assert [entry["data"]["content"] for entry in read(app)] == ["hello"]


def test_it_is_ascending_by_time_and_at_the_same_moment_by_type() -> None:
    app = create_app()
    with time_machine.travel(0.005, tick=False):
        act(app)
    say(app, "a", 5)
    say(app, "b", 4.5)
    send(app, happened(9), happened(5), happened(1))
    send(app, happened(4), happened(8))
    expected = [
        *(("event", 1), ("event", 4), ("message", 4.5)),
        *(("event", 5), ("message", 5), ("tool_execution", 5)),
        *(("event", 8), ("event", 9)),
    ]
    assert order(read(app)) == expected


def test_the_same_moment_has_the_same_order_every_time() -> None:
    app = create_app()
    send(app, *(happened(1, f"e{number}") for number in range(20)))
    first = read(app)
    send(app, *(happened(1, f"e{number}") for number in reversed(range(20))))
    assert read(app) == first
    assert first == sorted(first, key=lambda entry: str(entry["data"]["id"]))


# -- what comes twice --------------------------------------------------------------------------------------


def test_a_batch_that_is_sent_again_and_has_grown_shows_no_event_twice() -> None:
    app = create_app()
    events = [happened(number, data=f'{{"n":{number}}}') for number in range(30)]
    for start, end in [(0, 10), (0, 20), (5, 30), (0, 10), (29, 30)]:
        send(app, *events[start:end])
    assert [entry["timestamp"] for entry in read(app)] == list(range(30))


def test_equal_events_of_one_batch_are_each_shown_also_where_it_is_sent_again_and_has_grown() -> None:
    app = create_app()
    pressed = [happened(1, "dtmf", data='{"digit":"1"}')] * 2
    send(app, *pressed)
    first = [entry["data"]["id"] for entry in read(app)]
    send(app, *pressed)
    send(app, *pressed, happened(1.0, "dtmf", data='{"digit":"1"}'), happened(2))
    then = [entry["data"]["id"] for entry in read(app)]
    assert (len(first), len(then)) == (2, 4)
    assert set(first) < set(then)


def test_an_event_of_a_batch_has_the_id_that_it_has_alone() -> None:
    app = create_app()
    send(app, happened(1))
    [alone] = read(app)
    send(app, happened(1), happened(1))
    assert alone in read(app)


def test_equal_events_of_a_batch_that_no_item_holds_are_each_shown() -> None:
    app = create_app()
    noise = random.Random(5)  # noqa: S311 - only has to be incompressible
    equal = happened(1, data="x")
    send(app, equal, *(happened(2 + each, data=noise.randbytes(50_000).hex()) for each in range(10)), equal)
    assert len(list(read_partition(f"APP#{app.slug}#SESSION#s#", "EVENTS#"))) > 1
    assert [entry["timestamp"] for entry in read(app)] == [1, 1, *range(2, 12)]


DIFFERENT: dict[str, dict[str, Any]] = {
    "its time": {"ts": 1.0001},
    "its type": {"eventType": "f"},
    "its data": {"data": "y"},
    "no data": {"data": None},
    "empty data": {"data": ""},
    "data that means the same": {"data": " x"},
}


@pytest.mark.parametrize("other", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_an_event_is_known_by_its_time_type_and_data(other: dict[str, Any]) -> None:
    app = create_app()
    event = happened(1, data="x")
    send(app, event, event | other)
    entries = read(app)
    assert len(entries) == 2
    assert len({entry["data"]["id"] for entry in entries}) == 2


def test_the_same_event_under_two_sessions_is_two() -> None:
    app = create_app()
    for session in ("a", "b", "a"):
        send(app, happened(1), session=session)
    assert sorted(entry["data"]["sessionId"] for entry in read(app)) == ["a", "b"]


# -- whose it is -------------------------------------------------------------------------------------------


def test_the_same_trace_of_another_app_is_another_trace() -> None:
    mine, theirs = create_app(), create_app()
    for app in (mine, theirs):
        send(app, happened(1, data=f'"{app.slug}"'))
        say(app, app.slug, 2)
        act(app, parameters={"said": app.slug})
    for app, other in ((mine, theirs), (theirs, mine)):
        timeline = read(app)
        assert [entry["type"] for entry in timeline] == ["event", "message", "tool_execution"]
        assert other.slug not in json.dumps(timeline)
    assert read(mine, appSlug=theirs.slug) == read(mine, appSlug=theirs.slug, all="true") == []
    assert len(read(mine, appSlug=mine.slug, all="true")) == 3


def test_ids_that_would_climb_into_other_traces_do_not() -> None:
    app = create_app()
    traces = ["t", "t#EVENTS#", "t#", "t%23", "T", "t/b", "é", "t" * 1000, "t" * 999]
    for trace in traces:
        send(app, happened(1, data=json.dumps(trace)), trace=trace)
    for trace in traces:
        assert [entry["data"]["data"] for entry in read(app, trace)] == [trace]


@pytest.mark.parametrize("query", [{}, {"traceId": ""}, {"sessionId": "s"}], ids=str)
def test_a_trace_id_is_needed(query: dict[str, str]) -> None:
    reply = create_app().get("/api/traces", **query)
    assert (reply.status, reply.json["error"]) == (400, "Missing required parameter: traceId")


def test_an_unknown_trace_is_empty_also_with_a_session() -> None:
    app = create_app()
    send(app, happened(1))
    reply = app.get("/api/traces", traceId="unknown", sessionId="s")
    assert (reply.status, reply.json) == (200, {"traceId": "unknown", "timeline": []})


# -- how much ----------------------------------------------------------------------------------------------


def test_a_trace_of_10_000_events_is_answered_in_few_calls() -> None:
    app = create_app()
    for start in range(0, 10_000, 100):
        send(app, *(happened(start + number) for number in range(100)))
    with record_calls() as calls:
        timeline = read(app)
    assert [entry["timestamp"] for entry in timeline] == list(range(10_000))
    assert calls.operations == ["Query"] * 5


def test_a_long_trace_is_read_page_by_page_and_none_exceeds_what_lambda_takes() -> None:
    app = create_app()
    for start in range(0, 120, 6):
        batch = [happened(start + number, data=json.dumps('"\\' * 20_000)) for number in range(6)]
        send(app, *batch)
        send(app, *batch[3:], happened(start + 0.5))
    found = list(read_pages(app, "/api/traces", "timeline", traceId=TRACE))
    assert len(found) > 2
    times = [entry["timestamp"] for page in found for entry in page]
    assert times == sorted([*range(120), *(start + 0.5 for start in range(0, 120, 6))])
    for page in found:
        reply = {"traceId": TRACE, "timeline": page, "cursor": "x" * 500}
        assert len(json.dumps({"body": json.dumps(reply)})) < 6 * MEGABYTE


def test_a_cursor_of_one_trace_opens_no_other() -> None:
    app = create_app()
    for start in range(0, 60, 5):
        send(app, *(happened(start + number, data="x" * 190_000) for number in range(5)))
    cursor = app.get("/api/traces", traceId=TRACE).json["cursor"]
    assert app.get("/api/traces", traceId=TRACE, cursor=cursor).status == 200
    assert app.get("/api/traces", traceId="another", cursor=cursor).status == 400
    assert create_app().get("/api/traces", traceId=TRACE, cursor=cursor).status == 400


# -- what a page reads -------------------------------------------------------------------------------------


def large(number: int, size: int = 200_000) -> str:
    """A text that compression makes half as large at best."""
    return random.Random(number).randbytes(size // 2).hex()  # noqa: S311 - any text


def send_large(app: Client, *times: float) -> None:
    send(app, *(happened(ts, data=large(int(ts))) for ts in times))


def log_large(app: Client, at: float) -> None:
    body = {"sessionId": "s", "toolName": "t", "status": "success", "executedAt": at, "traceId": TRACE}
    text = large(int(at), 130_000)
    assert app.post("/api/tools/log", body | {"parameters": text, "result": text}).status == 200


def read_counted(app: Client, **query: str) -> Iterator[tuple[dict[str, Any], float]]:
    """Every page, and the read units that it took."""
    cursor: dict[str, str] = {}
    while True:
        with count_consumption() as consumed:
            page = app.get("/api/traces", traceId=TRACE, **query, **cursor).json
        yield page, consumed.read
        if "cursor" not in page:
            return
        cursor = {"cursor": page["cursor"]}


def test_a_page_costs_at_most_400_units_and_says_that_it_is_truncated(strict: None) -> None:
    app = create_app()
    for number in range(0, 200, 4):
        send_large(app, number, number + 2, number + 3)
        log_large(app, number + 1)
    for start in range(0, 2_000, 500):
        batch = [
            {"sessionId": "s", "participantIdentity": "c", "role": "user", "content": "x", "isFinal": True}
            | {"createdAt": 1_000 + start + number}
            for number in range(500)
        ]
        reply = app.post("/api/messages", {"messages": batch}, **{"x-trace-id": TRACE})
        assert reply.status == 200
    pages = list(read_counted(app))
    assert max(units for _, units in pages) <= 400
    assert [page.get("truncated") for page, _ in pages] == [True] * (len(pages) - 1) + [None]
    times = [entry["timestamp"] for page, _ in pages for entry in page["timeline"]]
    assert times == [*range(200), *range(1_000, 3_000)]


def test_batches_that_overlap_for_longer_than_a_page_are_all_reached(strict: None) -> None:
    app = create_app()
    for number in range(30):
        send_large(app, number, 1_000 + number, 2_000 + number)
    pages = list(read_counted(app))
    assert max(units for _, units in pages) <= 400
    assert len(pages) <= 12
    times = [entry["timestamp"] for page, _ in pages for entry in page["timeline"]]
    assert sorted(times) == sorted(start + number for start in (0, 1_000, 2_000) for number in range(30))


def test_rows_of_before_whose_size_no_index_knows_are_read_within_the_same_bound(strict: None) -> None:
    app = create_app()
    for number in range(0, 60, 2):
        happen_before(app, *(happened(ts, data=large(int(ts))) for ts in (number, number + 1)))
    pages = list(read_counted(app))
    assert max(units for _, units in pages) <= 400
    assert [entry["timestamp"] for page, _ in pages for entry in page["timeline"]] == list(range(60))


def test_a_batch_of_before_whose_first_event_is_not_its_earliest_is_shown_whole() -> None:
    app = create_app()
    happen_before(app, *(happened(ts, data=large(int(ts))) for ts in (61, 1, 2)))
    for number in range(10, 100, 4):
        send_large(app, number, number + 2)
    pages = read_pages(app, "/api/traces", "timeline", traceId=TRACE)
    found = [each["timestamp"] for page in pages for each in page]
    assert sorted(found) == sorted([61, 1, 2, *range(10, 101, 2)])


def test_violations_and_handoffs_of_a_session_are_read_page_by_page_too(strict: None) -> None:
    app = create_app(guardrails_enabled=True)
    app.post("/api/guardrails/rules", {"type": "keyword", "pattern": "gun", "action": "log"})
    rows = []
    for number in range(700):
        row = ViolationRow.from_ids(app.slug, "s", "r", f"{make_time_ordered_id(number)}-00")
        row.type, row.action, row.direction, row.content, row.created_at = "k", "log", "input", "x", number
        rows.append(row)
    put_all(rows)
    for number in range(3):
        told = {"customerData": {"x": large(number, 40_000)}}
        body = {"sessionId": "s", "reason": "x", "transcript": [], **told}
        assert app.post("/api/handoffs", body).status == 200
    pages = list(read_counted(app, sessionId="s"))
    assert len(pages) > 1
    assert max(units for _, units in pages) <= 400
    types = [entry["type"] for page, _ in pages for entry in page["timeline"]]
    assert types == ["guardrail_violation"] * 700 + ["handoff"] * 3


def test_a_row_that_a_replica_does_not_have_yet_is_asked_for_again() -> None:
    app = create_app()
    act(app)
    nothing: dict[str, Any] = {"Responses": {os.environ["TABLE_NAME"]: []}, "UnprocessedKeys": {}}
    with answer_calls(*[None] * 5, (200, nothing)) as calls:
        assert [entry["type"] for entry in read(app)] == ["tool_execution"]
    assert calls


def test_an_execution_tells_its_size_to_the_index_whatever_trace_it_is_of() -> None:
    app = create_app()
    act(app, parameters={"z": "z" * 5_000})
    act(app, parameters={"z": "z" * 5_000}, traceId=None)
    rows = [row for each in ExecutionRow.list_partitions(app.slug) for row in read_partition(each)]
    assert len(rows) == 2
    assert min(to_plain(row["transcript_bytes"]) for row in rows) > 5_000


# -- what a trace knows ------------------------------------------------------------------------------------


def list_known(app: Client, trace: str = TRACE) -> list[str]:
    """The sessions that a trace knows."""
    return [to_plain(row["session_id"]) for row in read_partition(f"APP#{app.slug}#TRACE#{trace}#")]


WRITES: dict[str, Callable[[Client], None]] = {
    "events": lambda app: send(app, happened(1)),
    "messages": lambda app: say(app, "hello", 1),
    "a tool": act,
    "a tool that an agent has run": lambda app: log_large(app, 1),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_trace_knows_a_session_before_anything_of_it_is_stored_and_is_told_once(
    write: Callable[[Client], None],
) -> None:
    app = create_app()
    app.get("/api/tools")
    with record_calls() as calls:
        write(app)
    first, then = calls.operations, record_operations(lambda: write(app))
    assert first.index("BatchWriteItem") == 0
    assert first[1:] == then
    assert list_known(app) == ["s"]
    assert [entry["data"]["id"] for entry in read(app)]


def record_operations(act: Callable[[], None]) -> list[str]:
    with record_calls() as calls:
        act()
    return calls.operations


def test_a_session_that_a_trace_could_not_be_told_of_is_told_the_next_time() -> None:
    app = create_app()
    app.get("/api/tools")
    body = {"sessionId": "s", "events": [happened(1)]}
    with answer_calls(*[(400, throttled())] * 20):
        assert app.post("/api/events", body, **{"x-trace-id": TRACE}).status == 503
    assert not list(read_partition(f"APP#{app.slug}#SESSION#s#"))
    send(app, happened(1))
    assert len(read(app)) == 1


def throttled() -> dict[str, Any]:
    return {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slower"}


def test_a_trace_is_told_again_after_ten_minutes() -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False) as now:
        send(app, happened(1))
        for minutes, told in ((9, 0), (11, 1)):
            now.move_to(1_800_000_000 + minutes * 60)
            app.get("/api/tools")
            assert record_operations(lambda: send(app, happened(1))).count("BatchWriteItem") == told


def test_a_batch_of_messages_of_several_sessions_is_in_the_trace_as_a_whole() -> None:
    app = create_app()
    said = {"participantIdentity": "c", "role": "user", "isFinal": True}
    batch = [said | {"sessionId": f"s{n % 3}", "content": str(n), "createdAt": n} for n in range(9)]
    assert app.post("/api/messages", {"messages": batch}, **{"x-trace-id": TRACE}).status == 200
    assert [entry["data"]["content"] for entry in read(app)] == [str(n) for n in range(9)]
    assert list_known(app) == ["s0", "s1", "s2"]


def test_what_came_without_the_header_is_in_no_trace_nor_is_what_came_with_another() -> None:
    app = create_app()
    for trace in (TRACE, "", "trace-2"):
        send(app, happened(1, data=f'"{trace}"'), trace=trace)
        say(app, f"of {trace}", 2, trace=trace)
        act(app, traceId=trace, parameters={"of": trace})
    shown = [entry["data"] for entry in read(app)]
    assert [shown[0]["data"], shown[1]["content"]] == [TRACE, f"of {TRACE}"]
    assert [shown[2]["parameters"], len(shown)] == [{"of": TRACE}, 3]


def test_nothing_is_in_the_index_of_traces_any_more_and_a_session_takes_a_write_unit(strict: None) -> None:
    app = create_app()
    app.get("/api/tools")
    for number in range(2):
        with count_consumption() as consumed:
            send(app, happened(number))
            say(app, "hello", number)
        assert (consumed.written, consumed.indexed) == (3 - number, 0)


def test_entries_of_several_sessions_are_in_one_order_and_paged_so(strict: None) -> None:
    app = create_app()
    for number in range(0, 120, 2):
        text = large(number)
        send(app, happened(number, data=text), happened(number + 5, data=text), session=f"s{number % 7}")
        say(app, "x", number + 1, sessionId=f"s{number % 5}")
    pages = list(read_counted(app))
    assert len(pages) > 2
    assert max(units for _, units in pages) <= 400
    times = [entry["timestamp"] for page, _ in pages for entry in page["timeline"]]
    assert times == sorted(each for n in range(0, 120, 2) for each in (n, n + 1, n + 5))


# -- messages that came in several ways --------------------------------------------------------------------


def test_a_message_is_in_every_trace_that_any_of_its_copies_came_with() -> None:
    app = create_app()
    for trace in (TRACE, "", "trace-2"):
        say(app, "hello", 1, trace=trace)
    assert [len(read(app, trace)) for trace in (TRACE, "trace-2")] == [1, 1]


def test_what_two_roles_say_in_the_same_words_at_once_is_two_messages_each_with_its_own_traces() -> None:
    app = create_app()
    say(app, "hello", 1, role="user")
    say(app, "hello", 1, role="agent", trace="trace-2")
    assert [entry["data"]["role"] for entry in read(app)] == ["user"]
    assert [entry["data"]["role"] for entry in read(app, "trace-2")] == ["agent"]


@pytest.mark.parametrize(("of_interim", "of_final"), [(TRACE, ""), ("", TRACE), (TRACE, "trace-2")])
@pytest.mark.parametrize("is_late", [False, True], ids=["interim first", "interim late"])
def test_a_message_is_final_in_a_trace_where_its_session_has_it_final(
    of_interim: str, of_final: str, is_late: bool
) -> None:
    app = create_app()
    copies = [(False, of_interim), (True, of_final)]
    for is_final, trace in reversed(copies) if is_late else copies:
        say(app, "hello", 1, trace=trace, isFinal=is_final)
    assert [entry["data"]["content"] for entry in read(app)] == ["hello"]


# -- rows of before ----------------------------------------------------------------------------------------


def happen_before(app: Client, *events: dict[str, Any], session: str = "s") -> None:
    """Store a batch as it was when each had an entry in the index of traces."""
    row = EventsRow.of(app.slug, session, events[0]["ts"], json.dumps(events), TRACE)
    row.event_count, row.created_at = len(events), 1
    row.gsi2pk, row.gsi2sk = f"APP#{app.slug}#TRACE#{TRACE}#", row.sk
    row.save()


def test_rows_of_before_are_found_by_the_index_of_traces() -> None:
    app = create_app()
    happen_before(app, happened(1))
    assert list_known(app) == []
    assert order(read(app)) == [("event", 1)]


def test_a_row_that_is_found_both_ways_is_shown_once() -> None:
    app = create_app()
    happen_before(app, happened(1), happened(3))
    send(app, happened(2))
    assert order(read(app)) == [("event", 1), ("event", 2), ("event", 3)]


def test_a_row_of_before_is_shown_once_also_where_its_session_comes_long_after_it() -> None:
    app = create_app()
    said = {"participantIdentity": "c", "role": "user", "isFinal": True, "content": "x"}
    batch = [said | {"sessionId": f"s{n:03}", "createdAt": n} for n in range(102)]
    assert app.post("/api/messages", {"messages": batch}, **{"x-trace-id": TRACE}).status == 200
    happen_before(app, happened(1), session="s101")
    pages = list(read_pages(app, "/api/traces", "timeline", traceId=TRACE))
    assert len(pages) == 2
    assert sorted(entry["type"] for page in pages for entry in page) == ["event", *["message"] * 102]


# -- many sessions -----------------------------------------------------------------------------------------


def test_a_trace_of_300_sessions_is_read_page_by_page(strict: None) -> None:
    app = create_app()
    said = {"participantIdentity": "c", "role": "user", "isFinal": True, "content": "x"}
    batch = [said | {"sessionId": f"s{n % 300}", "createdAt": n} for n in range(900)]
    for start in range(0, 900, 300):
        body = {"messages": batch[start : start + 300]}
        assert app.post("/api/messages", body, **{"x-trace-id": TRACE}).status == 200
    pages = list(read_counted(app))
    assert max(units for _, units in pages) <= 400
    for page, _ in pages:
        times = [entry["timestamp"] for entry in page["timeline"]]
        assert times == sorted(times)
    times = [entry["timestamp"] for page, _ in pages for entry in page["timeline"]]
    assert sorted(times) == list(range(900))


def test_sessions_that_become_too_much_to_read_together_are_all_read(strict: None) -> None:
    app = create_app()
    for session in range(20):
        send(app, happened(session), session=f"s{session:02}")
    for number in range(3):
        for session in range(20):
            at = 100 + number * 100 + session
            send(
                app, happened(at, data=large(at)), happened(at + 50, data=large(at)), session=f"s{session:02}"
            )
    pages = list(read_counted(app))
    assert max(units for _, units in pages) <= 400
    assert all(len(page.get("cursor", "")) < 5_000 for page, _ in pages)
    times = [entry["timestamp"] for page, _ in pages for entry in page["timeline"]]
    assert sorted(times) == sorted(
        [*range(20), *(100 + n * 100 + s + later for n in range(3) for s in range(20) for later in (0, 50))]
    )


def test_a_session_with_many_rows_of_other_traces_ends_a_page_early_and_shows_all_of_this_one(
    strict: None,
) -> None:
    app = create_app()
    send(app, happened(0))
    for number in range(1, 90):
        send(app, happened(number, data=large(number, 260_000)), trace="another")
    send(app, happened(100))
    pages = list(read_counted(app))
    assert len(pages) > 2
    assert max(units for _, units in pages) <= 400
    assert [page.get("truncated") for page, _ in pages] == [True] * (len(pages) - 1) + [None]
    assert [entry["timestamp"] for page, _ in pages for entry in page["timeline"]] == [0, 100]


def test_executions_of_other_traces_are_read_within_the_same_bound(strict: None) -> None:
    app = create_app()
    for number in range(900):
        act(app, traceId="another" if number % 300 else TRACE, parameters={})
    pages = list(read_counted(app))
    assert len(pages) > 1
    assert max(units for _, units in pages) <= 400
    assert [len(page["timeline"]) for page, _ in pages] == [2, 1]
