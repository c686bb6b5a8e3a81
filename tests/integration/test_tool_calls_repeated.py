"""A tool call that is sent again with its `toolCallId` is carried out once: by a demo tool, by an endpoint,
under threads, and when the process dies.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from zlib import compress

import pytest
import time_machine
from genai_voice.conversations.rows import ConversationRow
from genai_voice.demos.rows import StateRow, StoredState
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields
from genai_voice.tools import registry
from genai_voice.tools.rows import CallRow, ToolRow

from tests.support.https import Behaviour, Names, Server, send_raw, send_reply
from tests.support.service import Client, Reply, create_app, read_rows, record_calls
from tests.support.wire import Cut, act_before_call, answer_calls, cut, lose_answer

HOST = "tools.example"
CANCEL = {"toolName": "cancel_appointment", "parameters": {"appointmentId": "A"}}
OPEN = {"toolName": "open_door", "parameters": {"room": "1"}}
WAIT_FOR_THREADS_S = 10


@pytest.fixture(autouse=True)
def _tools_example_is_here(names: Names) -> None:
    names.resolve(HOST, ["127.0.0.1"])


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time that only tests move. It begins at the present, where certificates are valid."""
    with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
        yield traveller


def with_endpoint(server: Server, app: Client | None = None) -> Client:
    """An app whose tool `open_door` is at this server, which numbers its answers."""
    app = app or create_app()
    server.act = numbered(server)
    tool = {"name": "open_door", "description": "x", "parametersSchema": "{}"}
    assert app.post("/api/tools", tool | {"endpoint": server.make_url(HOST)}).status == 200
    return app


def numbered(server: Server) -> Behaviour:
    return lambda wire: send_reply(200, str(len(server.requests)).encode())(wire)


def with_appointment(app: Client | None = None) -> Client:
    """An app whose demo tool `cancel_appointment` can do something."""
    app = app or create_app()
    registry.put_tool(app.slug, "cancel_appointment", description="", parameters_schema="{}")
    state = {"appointments": [{"id": "A", "date": "2026-04-07", "time": "9:00 AM", "status": "confirmed"}]}
    StateRow.of(app.slug).change(
        [
            StateRow.state.set(compress(json.dumps(state).encode())),
            StateRow.updated_at.set(1),
            StateRow.version.add(1),
        ]
    )
    return app


def send(app: Client, what: dict[str, Any], call_id: str | None = "call-1", **more: Any) -> Reply:
    return app.post("/api/tools/execute", {"sessionId": "s", "toolCallId": call_id, **what, **more})


def audited(app: Client) -> list[Any]:
    return list(app.get("/api/tools/executions").json["executions"])


def version(app: Client) -> int:
    stored = StoredState.find(app.slug).newest
    assert stored
    return int(stored.version or 0)


def claims(app: Client, session: str = "s") -> list[dict[str, Any]]:
    return [row for row in read_rows(app.slug, session) if row["kind"] == "tool_call"]


def begun(app: Client, what: dict[str, Any] = OPEN) -> None:
    """A process has taken the call and died while it called the endpoint."""
    with pytest.raises(Cut), cut(3, after=False):  # BatchGetItem, UpdateItem, then the transaction
        send(app, what)


# -- the first result --------------------------------------------------------------------------------------


def test_a_demo_tool_that_is_called_again_answers_as_before_and_does_nothing() -> None:
    app = with_appointment()
    first = send(app, CANCEL)
    before = read_rows(app.slug, "s")

    with record_calls() as calls:
        again = send(app, CANCEL)

    assert first.json["data"]["status"] == "cancelled"
    assert (again.status, again.text) == (first.status, first.text)
    assert read_rows(app.slug, "s") == before
    assert calls.operations == ["BatchGetItem", "BatchGetItem"]


def test_an_endpoint_that_is_called_again_is_not_called(server: Server) -> None:
    app = with_endpoint(server)
    replies = [send(app, OPEN) for _ in range(3)]
    assert [each.json for each in replies] == [{"success": True, "data": 1}] * 3
    assert len(server.requests) == len(audited(app)) == 1


@pytest.mark.parametrize(
    ("what", "status"),
    [
        pytest.param({"toolName": "unknown"}, "error", id="unknown tool"),
        pytest.param({"toolName": "strict"}, "validation_error", id="bad parameters"),
        pytest.param({"toolName": "nothing"}, "error", id="nothing carries it out"),
    ],
)
def test_a_failure_is_a_result_like_others(what: dict[str, str], status: str) -> None:
    app = create_app()
    registry.put_tool(app.slug, "strict", description="", parameters_schema='{"required": ["x"]}')
    registry.put_tool(app.slug, "nothing", description="", parameters_schema="{}")
    first = send(app, what)
    registry.put_tool(app.slug, what["toolName"], description="", parameters_schema='{"required": ["y"]}')
    assert send(app, what).json == first.json
    assert first.json["success"] is False
    assert [each["status"] for each in audited(app)] == [status]


def test_an_endpoint_that_failed_is_not_called_again_under_the_same_id(server: Server) -> None:
    app = with_endpoint(server)
    server.act = send_raw(b"")
    first = send(app, OPEN)
    server.act = numbered(server)
    assert send(app, OPEN).json == first.json
    assert first.json["success"] is False
    assert send(app, OPEN, "call-2").json["success"] is True


def test_without_an_id_each_call_is_a_call_of_its_own(server: Server) -> None:
    app = with_endpoint(server)
    assert [send(app, OPEN, None).json["data"] for _ in range(2)] == [1, 2]
    assert claims(app) == []


def test_ids_of_other_sessions_and_apps_are_other_calls_also_for_the_provider(server: Server) -> None:
    one, two = with_endpoint(server), with_endpoint(server)
    for app, session in ((one, "s"), (one, "t"), (two, "s"), (one, "s")):
        assert send(app, OPEN, sessionId=session).status == 200
    assert len(server.requests) == 3
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 3


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"toolName": "another"}, id="tool"),
        pytest.param({"parameters": {"room": "2"}}, id="parameters"),
        pytest.param({"parameters": {}}, id="no parameters"),
    ],
)
def test_an_id_that_comes_with_another_call_is_refused(server: Server, other: dict[str, Any]) -> None:
    app = with_endpoint(server)
    send(app, OPEN)
    before = read_rows(app.slug, "s")

    refused = send(app, OPEN | other)

    assert (refused.status, refused.json) == (
        409,
        {"error": "toolCallId belongs to another call: the tool or its parameters differ"},
    )
    assert read_rows(app.slug, "s") == before
    assert len(server.requests) == 1


def test_the_id_goes_before_a_stored_header_of_that_name(server: Server) -> None:
    app = with_endpoint(server)
    app.patch("/api/tools", {"name": "open_door", "headers": '{"Idempotency-Key": "always the same"}'})
    for call_id in ("a", "b", None):
        send(app, OPEN, call_id)
    sent = [request.headers["idempotency-key"] for request in server.requests]
    assert len(set(sent)) == 3
    assert sent[2] == "always the same"


def test_the_order_of_keys_in_parameters_makes_no_other_call() -> None:
    app = with_appointment()
    keys = [
        {"appointmentId": "A", "reason": {"a": 1, "b": 2}},
        {"reason": {"b": 2, "a": 1}, "appointmentId": "A"},
    ]
    assert [send(app, CANCEL | {"parameters": each}).status for each in keys] == [200, 200]


def test_trace_and_span_do_not_make_another_call() -> None:
    app = with_appointment()
    assert [send(app, CANCEL, spanId=span, traceId=span).status for span in ("1", "2")] == [200, 200]
    assert len(audited(app)) == 1


def test_an_id_is_forgotten_after_a_day(server: Server, clock: time_machine.Traveller) -> None:
    app = with_endpoint(server)
    send(app, OPEN)
    [claim] = claims(app)
    assert claim["expires_at"] == int(time.time()) + 24 * 3600

    clock.shift(24 * 3600 - 1)
    assert send(app, OPEN).json["data"] == 1
    clock.shift(3)  # DynamoDB may take days to delete what has expired
    assert [send(app, OPEN).json for _ in range(2)] == [{"success": True, "data": 2}] * 2


# -- the rate limit ----------------------------------------------------------------------------------------


def test_a_repeat_does_not_count_and_a_refused_call_leaves_no_claim(
    server: Server, clock: time_machine.Traveller
) -> None:
    app = with_endpoint(server, create_app(max_actions_per_turn=2))
    assert [send(app, OPEN, "a").status for _ in range(3)] == [200] * 3
    assert [send(app, OPEN, "b").status for _ in range(3)] == [200] * 3
    assert send(app, OPEN, "c").status == 429
    assert len(claims(app)) == len(audited(app)) == 2

    clock.shift(61)

    assert [send(app, OPEN, call_id).json["data"] for call_id in ("a", "b", "c")] == [1, 2, 3]


def test_a_call_that_died_after_it_was_counted_counts_once() -> None:
    app = with_appointment(create_app(max_actions_per_turn=2))
    app.get("/api/tools")
    with pytest.raises(Cut), cut(2, after=True):  # the window is written, nothing else
        send(app, CANCEL)
    assert send(app, CANCEL).json["success"] is True
    assert send(app, CANCEL, "call-2").status == 200
    assert send(app, CANCEL, "call-3").status == 429


# -- in flight ---------------------------------------------------------------------------------------------


def test_a_repeat_while_the_first_is_in_flight_waits_for_its_result(server: Server) -> None:
    app = with_endpoint(server)
    arrived, go = threading.Event(), threading.Event()

    def answer_when_told(wire: Any) -> None:
        arrived.set()
        go.wait(WAIT_FOR_THREADS_S)
        send_reply(200, b'"of the first"')(wire)

    server.act = answer_when_told
    with ThreadPoolExecutor() as pool:
        first = pool.submit(send, app, OPEN)
        assert arrived.wait(WAIT_FOR_THREADS_S)
        with act_before_call("GetItem", lambda _: go.set(), at=(1,)):  # it has looked once, and looks again
            again = send(app, OPEN)

    assert again.text == first.result().text == '{"success":true,"data":"of the first"}'
    assert len(server.requests) == len(audited(app)) == 1


def test_who_waits_too_long_is_told_so(server: Server, clock: time_machine.Traveller) -> None:
    app = with_endpoint(server)
    begun(app)
    with act_before_call("GetItem", lambda _: clock.shift(7), at=(1, 2)):
        waiting = send(app, OPEN)
    assert (waiting.status, waiting.json) == (503, {"error": "This tool call is still running: try again"})
    assert audited(app) == []


@pytest.mark.parametrize("meanwhile", ["nothing", "the tool is removed", "a person takes over"])
def test_a_result_that_the_table_did_not_take_is_written_again_and_not_asked_for_again(
    server: Server, meanwhile: str
) -> None:
    """Others' transactions were in the way, six times."""
    app = with_endpoint(server)
    apps.update_app(app.slug, AppFields.model_validate({"muteAgentAfterHandoff": True}))
    app.get("/api/tools")
    changed = meanwhile != "nothing"

    def answer_and_remove(wire: Any) -> None:
        if meanwhile == "the tool is removed":
            ToolRow.of(app.slug, "open_door").delete()
        elif meanwhile == "a person takes over":
            row = ConversationRow.of(app.slug, "s")
            row.change([ConversationRow.status.set("handed_off")])
        numbered(server)(wire)

    server.act = answer_and_remove
    reasons = [{"Code": "TransactionConflict", "Message": "conflict"}, {"Code": "None"}]
    refused = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled [TransactionConflict, None]",
        "CancellationReasons": reasons,
    }

    with answer_calls(*[None] * (2 + changed), *[(400, refused)] * 6):
        result = send(app, OPEN)

    assert result.json == {"success": True, "data": 1}
    assert len(server.requests) == len(audited(app)) == 1
    assert send(app, OPEN).json == result.json


def test_another_call_under_the_id_of_one_in_flight_is_refused_at_once(server: Server) -> None:
    app = with_endpoint(server)
    begun(app)
    assert send(app, OPEN | {"parameters": {}}).status == 409


def test_who_looked_before_the_first_had_begun_does_not_call_as_well(
    server: Server, clock: time_machine.Traveller
) -> None:
    app = with_endpoint(server)
    with (
        act_before_call("UpdateItem", lambda _: begun(app), at=(1,)),
        act_before_call("GetItem", lambda _: clock.shift(7), at=(1, 2)),
    ):
        second = send(app, OPEN)
    assert second.status == 503
    assert len(server.requests) == 1


# -- the process dies --------------------------------------------------------------------------------------


def test_a_call_whose_process_died_is_made_again_after_the_lease_under_the_same_key(
    server: Server, clock: time_machine.Traveller
) -> None:
    app = with_endpoint(server)
    begun(app)
    clock.shift(31)

    result = send(app, OPEN)

    assert result.json == {"success": True, "data": 2}
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
    assert len(server.requests) == 2
    assert len(audited(app)) == 1
    assert send(app, OPEN).json == result.json


def test_another_call_under_the_id_of_one_that_died_is_refused_as_long_as_the_id_is_remembered(
    server: Server, clock: time_machine.Traveller
) -> None:
    """The endpoint may have seen the first under the `Idempotency-Key` that this would have."""
    app = with_endpoint(server)
    begun(app)
    other = OPEN | {"parameters": {"room": "2"}}

    clock.shift(31)
    assert send(app, other).status == 409
    clock.shift(24 * 3600)

    assert send(app, other).json == {"success": True, "data": 2}


def test_who_comes_back_after_another_has_taken_over_answers_as_the_other_and_audits_nothing(
    server: Server, clock: time_machine.Traveller
) -> None:
    """The first is slow, not dead: its answer comes when the lease is over and the call was made again."""
    app = with_endpoint(server)

    def overtake(_: int) -> None:
        clock.shift(31)
        assert send(app, OPEN).json["data"] == 2

    with act_before_call("TransactWriteItems", overtake, at=(1,)):
        late = send(app, OPEN)

    assert late.json["data"] == 2
    assert len(audited(app)) == 1


def test_two_that_take_over_at_the_same_time_are_one(server: Server, clock: time_machine.Traveller) -> None:
    app = with_endpoint(server)
    begun(app)
    clock.shift(31)

    inner: list[Reply] = []
    with act_before_call("UpdateItem", lambda _: inner.append(send(app, OPEN)), at=(1,)):
        outer = send(app, OPEN)

    assert outer.text == inner[0].text
    assert outer.json["data"] == 2
    assert len(server.requests) == 2
    assert len(audited(app)) == 1


WORK: dict[str, tuple[dict[str, Any], Callable[[Server, Client], Client]]] = {
    "demo tool": (CANCEL, lambda server, app: with_appointment(app)),
    "endpoint": (OPEN, with_endpoint),
    "unknown tool": ({"toolName": "unknown"}, lambda server, app: app),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("limited", [{}, {"max_actions_per_turn": 1}], ids=["unlimited", "limited"])
@pytest.mark.parametrize(("what", "made"), WORK.values(), ids=WORK.keys())
def test_a_process_that_dies_at_any_call_has_acted_once_when_the_client_has_sent_again(
    server: Server,
    clock: time_machine.Traveller,
    what: dict[str, Any],
    made: Callable[[Server, Client], Client],
    limited: dict[str, Any],
    after: bool,
) -> None:
    counted = made(server, create_app(**limited))
    counted.get("/api/tools")
    with record_calls() as calls:
        assert send(counted, what).status == 200
    for number in range(1, len(calls.operations) + 1):
        victim = made(server, create_app(**limited))
        victim.get("/api/tools")
        with pytest.raises(Cut), cut(number, after=after):
            send(victim, what)
        clock.shift(31)  # whoever has the call is dead

        replies = [send(victim, what) for _ in range(3)]

        assert [each.status for each in replies] == [200] * 3
        assert len({each.text for each in replies}) == 1
        assert len(audited(victim)) == 1
        if what is CANCEL:
            assert version(victim) == 2


@pytest.mark.usefixtures("strict")  # moto forgets the ClientRequestToken
@pytest.mark.parametrize(("what", "made"), WORK.values(), ids=WORK.keys())
def test_an_answer_of_the_table_that_is_lost_changes_nothing(
    server: Server, what: dict[str, Any], made: Callable[[Server, Client], Client]
) -> None:
    counted = made(server, create_app(max_actions_per_turn=1))
    counted.get("/api/tools")
    with record_calls() as calls:
        send(counted, what)
    for number in range(1, len(calls.operations) + 1):
        victim = made(server, create_app(max_actions_per_turn=1))
        victim.get("/api/tools")
        before = len(server.requests)
        with lose_answer(number):
            first = send(victim, what)
        assert first.status == 200
        assert send(victim, what).text == first.text
        assert len(audited(victim)) == 1
        assert len(server.requests) - before == (what is OPEN)


def test_a_result_that_somebody_has_erased_is_not_made_again(server: Server) -> None:
    app = with_endpoint(server)
    send(app, OPEN)
    for row in read_rows(app.slug):
        if row["kind"] == "execution":
            CallRow(row["pk"], row["sk"]).delete()
    assert send(app, OPEN).status == 409
    assert len(server.requests) == 1


# -- races -------------------------------------------------------------------------------------------------


def at_once(count: int, work: Callable[[int], Reply]) -> list[Reply]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("limited", [{}, {"max_actions_per_turn": 1}], ids=["unlimited", "limited"])
def test_twenty_that_send_one_call_at_the_same_time_call_the_endpoint_once(
    server: Server, limited: dict[str, Any]
) -> None:
    app = with_endpoint(server, create_app(**limited))

    def slow(wire: Any) -> None:
        time.sleep(0.3)
        numbered(server)(wire)

    server.act = slow
    replies = at_once(20, lambda _: send(app, OPEN))

    assert [(each.status, each.json) for each in replies] == [(200, {"success": True, "data": 1})] * 20
    assert len(server.requests) == len(audited(app)) == 1


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("limited", [{}, {"max_actions_per_turn": 1}], ids=["unlimited", "limited"])
def test_twenty_that_send_one_call_at_the_same_time_change_the_state_once(limited: dict[str, Any]) -> None:
    app = with_appointment(create_app(**limited))

    replies = at_once(20, lambda _: send(app, CANCEL))

    assert [each.status for each in replies] == [200] * 20
    assert len({each.text for each in replies}) == 1
    assert (version(app), len(audited(app))) == (2, 1)


@pytest.mark.usefixtures("strict")
def test_of_twenty_named_calls_at_the_same_time_exactly_as_many_pass_as_the_limit_says(
    server: Server,
) -> None:
    """Each is sent twice at once: ten calls, a limit of four."""
    app = with_endpoint(server, create_app(max_actions_per_turn=4))

    replies = at_once(20, lambda number: send(app, OPEN, f"call-{number // 2}"))

    assert sorted(each.status for each in replies) == [200] * 8 + [429] * 12
    assert len(server.requests) == len(audited(app)) == len(claims(app)) == 4
