"""An endpoint that does not answer is left alone for a while, and then tried by one call."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from genai_voice.tools.circuit import LIMIT, REST_MS
from genai_voice.tools.rows import ToolRow

from tests.support.https import Behaviour, Names, Server, send_forever, send_raw, send_reply, serve_https
from tests.support.service import Client, create_app, read_rows, record_calls
from tests.support.wire import act_before_call

HOST = "tools.example"
ELSEWHERE = "elsewhere.tools.example"
REFUSED = {"success": False, "error": 'The endpoint of "open_door" is not answering'}
BROKEN = send_raw(b"")
WELL = send_reply(200, b"{}")
OPENED = {"success": True, "data": {}}
REST_S = REST_MS / 1000
WAIT_FOR_THREADS_S = 10


@pytest.fixture(autouse=True)
def _tools_example_is_here(names: Names) -> None:
    for host in (HOST, ELSEWHERE):
        names.resolve(host, ["127.0.0.1"])


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """Time that only tests move. It begins at the present, where certificates are valid."""
    with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
        yield traveller


def with_tool(server: Server, app: Client | None = None, host: str = HOST) -> Client:
    """An app whose tool `open_door` is at this server."""
    app = app or create_app()
    tool = {"name": "open_door", "description": "x", "parametersSchema": "{}"}
    assert app.post("/api/tools", tool | {"endpoint": server.make_url(host)}).status == 200
    return app


def execute(app: Client, call_id: str | None = None) -> Any:
    asked = {"sessionId": "s", "toolName": "open_door", "toolCallId": call_id}
    answer = app.post("/api/tools/execute", asked)
    assert answer.status == 200, answer.text
    return answer.json


def fail(app: Client, server: Server, times: int = LIMIT) -> None:
    """So many calls have no answer."""
    server.act = BROKEN
    for _ in range(times):
        assert execute(app) not in (REFUSED, OPENED)
    server.act = WELL
    server.requests.clear()


def stored(app: Client) -> dict[str, Any]:
    [row] = [row for row in read_rows(app.slug) if row["kind"] == "tool"]
    return row


# -- what counts -------------------------------------------------------------------------------------------


def _refuse_connections(server: Server, names: Names) -> None:
    names.resolve(HOST, ["127.0.0.2"])


def _have_no_name(server: Server, names: Names) -> None:
    names.resolve(HOST, ["not a name"])


UNANSWERED: dict[str, Callable[[Server, Names], None]] = {
    "refused": _refuse_connections,
    "no such name": _have_no_name,
    "broken off": lambda server, names: setattr(server, "act", BROKEN),
    "broken off in the answer": lambda server, names: setattr(
        server, "act", send_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
    ),
    "no HTTP": lambda server, names: setattr(server, "act", send_raw(b"hello\r\n\r\n")),
}


@pytest.mark.parametrize("make", UNANSWERED.values(), ids=UNANSWERED.keys())
def test_an_endpoint_that_has_not_answered_five_times_running_is_left_alone_for_30_s(
    server: Server, names: Names, clock: time_machine.Traveller, make: Callable[[Server, Names], None]
) -> None:
    app = with_tool(server)
    make(server, names)
    for _ in range(5):
        assert execute(app)["error"] != REFUSED["error"]
    server.act = WELL
    names.resolve(HOST, ["127.0.0.1"])
    server.requests.clear()

    clock.shift(29.9)
    assert [execute(app), execute(app)] == [REFUSED, REFUSED]
    assert server.requests == []
    clock.shift(0.2)
    assert [execute(app), execute(app)] == [OPENED, OPENED]

    last, first, *_ = (json.loads(each["result"]) for each in audited(app)[1:])
    assert (last, first) == (OPENED, REFUSED)
    assert {each["status"] for each in audited(app)[2:]} == {"error"}


def audited(app: Client) -> list[Any]:
    return list(app.get("/api/tools/executions").json["executions"])


def test_a_certificate_of_another_name_is_no_answer(authority: Any, trusted: None) -> None:
    with serve_https(authority, hosts=["other.example"]) as server:
        app = with_tool(server)
        errors = [execute(app)["error"] for _ in range(6)]
    assert errors == ["The certificate of the host is not valid."] * 5 + [REFUSED["error"]]


ANSWERS: dict[str, Behaviour] = {
    "500": send_reply(500, b"{}"),
    "503 without JSON": send_reply(503, b"<html>"),
    "429": send_reply(429, b"{}"),
    "redirect": send_reply(302, b"{}", {"Location": "https://tools.example/"}),
    "too long": send_forever(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65_536),
    "no JSON": send_reply(200, b"hello"),
}


@pytest.mark.parametrize("act", ANSWERS.values(), ids=ANSWERS.keys())
def test_whatever_an_endpoint_answers_it_answers(server: Server, act: Behaviour) -> None:
    app = with_tool(server)
    before = stored(app)
    server.act = act
    for _ in range(LIMIT + 1):
        execute(app)
    assert len(server.requests) == LIMIT + 1
    assert stored(app) == before


def test_what_our_own_rules_refuse_is_no_call(server: Server, names: Names) -> None:
    app = with_tool(server)
    names.resolve(HOST, ["10.0.0.1"])
    assert [execute(app)["error"] for _ in range(LIMIT + 1)] == ["The host must be public."] * (LIMIT + 1)
    names.resolve(HOST, ["127.0.0.1"])
    server.act = WELL
    assert execute(app) == OPENED


@pytest.mark.parametrize("times", range(1, LIMIT))
def test_an_answer_begins_the_count_anew(server: Server, times: int) -> None:
    app = with_tool(server)
    before = stored(app)
    for _ in range(3):
        fail(app, server, times)
        assert execute(app) == OPENED
        assert stored(app) == before


def test_apps_and_tools_are_counted_by_themselves(server: Server) -> None:
    app = with_tool(server)
    fail(app, server)
    other = {"name": "close_door", "description": "x", "parametersSchema": "{}"}
    app.post("/api/tools", other | {"endpoint": server.make_url(HOST)})
    called = app.post("/api/tools/execute", {"sessionId": "s", "toolName": "close_door"})
    assert called.json == execute(with_tool(server)) == OPENED
    assert execute(app) == REFUSED


# -- what it costs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("call_id", "begun"), [(None, []), ("c", ["UpdateItem"])], ids=["plain", "named"])
def test_calls_ask_the_table_at_most_four_times_whatever_the_endpoint_does(
    server: Server, clock: time_machine.Traveller, call_id: str | None, begun: list[str]
) -> None:
    """Read and place in the window are the first two; a healthy endpoint costs nothing."""
    app = with_tool(server, create_app(max_actions_per_turn=50))
    end = ["TransactWriteItems"] if call_id else ["PutItem"]
    number = iter(range(100))

    def count() -> list[str]:
        app.get("/api/tools")  # the caller is known
        with record_calls() as calls:
            execute(app, call_id and f"{call_id}{next(number)}")
        assert calls.operations[:2] == ["BatchGetItem", "UpdateItem"]
        return calls.operations[2:]

    server.act = WELL
    assert count() == [*begun, *end]
    server.act = BROKEN
    for _ in range(LIMIT):
        assert count() == [*begun, "TransactWriteItems"]
    assert count() == ["PutItem"]
    clock.shift(REST_S + 1)
    probe = ["TransactWriteItems"] if call_id else ["UpdateItem"]
    assert count() == [*probe, "TransactWriteItems"]  # no answer
    clock.shift(REST_S + 1)
    server.act = WELL
    assert count() == [*probe, "TransactWriteItems"]
    assert count() == [*begun, *end]


# -- one call probes ---------------------------------------------------------------------------------------


def test_a_probe_without_an_answer_is_followed_by_30_s_more(
    server: Server, clock: time_machine.Traveller
) -> None:
    app = with_tool(server)
    fail(app, server)
    for _ in range(3):
        clock.shift(REST_S + 1)
        fail(app, server, 1)
        clock.shift(REST_S - 1)
        assert execute(app) == REFUSED


def test_while_one_call_probes_no_other_is_made(server: Server, clock: time_machine.Traveller) -> None:
    app = with_tool(server)
    fail(app, server)
    clock.shift(REST_S + 1)
    others: list[Any] = []

    def answer_after_others(wire: Any) -> None:
        others.append(execute(app))
        WELL(wire)

    server.act = answer_after_others
    assert execute(app) == OPENED
    assert others == [REFUSED]
    server.act = WELL
    assert execute(app) == OPENED


@pytest.mark.parametrize("call_id", [None, "c"], ids=["plain", "named"])
def test_of_two_that_would_probe_at_the_same_time_one_does(
    server: Server, clock: time_machine.Traveller, call_id: str | None
) -> None:
    app = with_tool(server)
    fail(app, server)
    clock.shift(REST_S + 1)
    server.act = BROKEN
    inner: list[Any] = []
    operation = "TransactWriteItems" if call_id else "UpdateItem"
    with act_before_call(operation, lambda _: inner.append(execute(app)), at=(1,)):
        outer = execute(app, call_id)
    assert (len(server.requests), outer) == (1, REFUSED)
    assert inner != [REFUSED]


def test_a_probe_whose_process_dies_is_followed_by_another(
    server: Server, clock: time_machine.Traveller
) -> None:
    app = with_tool(server)
    fail(app, server)
    clock.shift(REST_S + 1)
    [row] = ToolRow.list_in_app(app.slug)
    now = int(datetime.now(UTC).timestamp() * 1000)
    row.change([ToolRow.rests_until.set(now + REST_MS)])  # what the one that died has left
    assert execute(app) == REFUSED
    clock.shift(REST_S + 1)
    assert execute(app) == OPENED


def test_of_twenty_at_the_same_time_one_probes(
    server: Server, clock: time_machine.Traveller, strict: None
) -> None:
    app = with_tool(server)
    fail(app, server)
    clock.shift(REST_S + 1)
    go = threading.Event()

    def wait_and_answer(wire: Any) -> None:
        go.wait(WAIT_FOR_THREADS_S)
        WELL(wire)

    server.act = wait_and_answer
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(execute, app) for _ in range(20)]
        while sum(each.done() for each in calls) < 19:
            go.wait(0.01)
        go.set()
        results = [each.result() for each in calls]
    assert len(server.requests) == 1
    assert (results.count(OPENED), results.count(REFUSED)) == (1, 19)


def test_twenty_that_hang_at_the_same_time_are_enough_and_all_are_audited(
    server: Server, strict: None
) -> None:
    app = with_tool(server)
    together = threading.Barrier(20)

    def break_off_together(wire: Any) -> None:
        together.wait(WAIT_FOR_THREADS_S)

    server.act = break_off_together
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda _: execute(app), range(20)))
    assert REFUSED not in results
    server.act = WELL
    assert execute(app) == REFUSED
    assert len(audited(app)) == 21


# -- the endpoint is moved ---------------------------------------------------------------------------------


def _register(app: Client, endpoint: str) -> None:
    tool = {"name": "open_door", "description": "another", "parametersSchema": "{}"}
    assert app.post("/api/tools", tool | {"endpoint": endpoint}).status == 200


def _update(app: Client, endpoint: str) -> None:
    assert app.patch("/api/tools", {"name": "open_door", "endpoint": endpoint}).status == 200


either_way = pytest.mark.parametrize("move", [_register, _update])


@either_way
def test_an_endpoint_that_is_registered_elsewhere_begins_anew(
    server: Server, move: Callable[[Client, str], None]
) -> None:
    app = with_tool(server)
    fail(app, server)
    move(app, server.make_url(ELSEWHERE))
    fail(app, server, LIMIT - 1)
    assert execute(app) == OPENED
    fail(app, server)
    assert execute(app) == REFUSED


@either_way
def test_an_endpoint_that_is_registered_again_where_it_was_stays_alone(
    server: Server, move: Callable[[Client, str], None]
) -> None:
    app = with_tool(server)
    fail(app, server)
    move(app, server.make_url(HOST))
    assert execute(app) == REFUSED


def test_a_call_that_ends_when_the_tool_was_moved_says_nothing_of_its_new_endpoint(server: Server) -> None:
    app = with_tool(server)
    fail(app, server, LIMIT - 1)
    server.act = lambda wire: _update(app, server.make_url(ELSEWHERE))
    assert execute(app)["success"] is False
    server.act = WELL
    assert execute(app) == OPENED
    assert len(audited(app)) == LIMIT + 1


def test_a_call_that_ends_when_the_tool_was_removed_does_not_bring_it_back(server: Server) -> None:
    app = with_tool(server)
    server.act = lambda wire: _remove(app)
    assert execute(app)["success"] is False
    assert [row for row in read_rows(app.slug) if row["kind"] == "tool"] == []
    assert len(audited(app)) == 1


def _remove(app: Client) -> None:
    assert app.delete("/api/tools", {"name": "open_door"}).status == 200


# -- what was not sent is not remembered -------------------------------------------------------------------


def test_a_named_call_that_was_refused_is_made_when_it_is_sent_again(
    server: Server, clock: time_machine.Traveller
) -> None:
    app = with_tool(server)
    fail(app, server)
    assert execute(app, "c") == REFUSED
    clock.shift(REST_S + 1)
    assert [execute(app, "c"), execute(app, "c")] == [OPENED, OPENED]
    assert len(server.requests) == 1


NOT_SENT: dict[str, Callable[[Names], None]] = {
    "no connection": lambda names: names.resolve(HOST, ["127.0.0.2"]),
    "no such name": lambda names: names.resolve(HOST, ["not a name"]),
    "refused by policy": lambda names: names.resolve(HOST, ["10.0.0.1"]),
}


@pytest.mark.parametrize("hinder", NOT_SENT.values(), ids=NOT_SENT.keys())
@pytest.mark.parametrize("times", [1, 3])
def test_a_named_call_of_which_nothing_was_sent_is_made_when_it_is_sent_again(
    server: Server, names: Names, hinder: Callable[[Names], None], times: int
) -> None:
    app = with_tool(server)
    server.act = WELL
    hinder(names)
    for _ in range(times):
        assert execute(app, "c")["success"] is False
    names.resolve(HOST, ["127.0.0.1"])
    assert [execute(app, "c"), execute(app, "c")] == [OPENED, OPENED]
    assert len(server.requests) == 1
    assert len(audited(app)) == times + 1
