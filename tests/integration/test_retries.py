"""What the network and DynamoDB do to a call, and what is left of it: nothing lost, nothing doubled."""

import json
import random
import time
import zlib
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import time_machine
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from genai_voice.conversations.rows import ConversationRow
from genai_voice.demos.rows import StateRow, StoredState
from genai_voice.foundation.connection import CONNECT_S, READ_S
from genai_voice.foundation.errors import Busy
from genai_voice.foundation.table import forget_connection
from genai_voice.foundation.transactions import Change, put_all, write_together
from genai_voice.telemetry.rows import EventsRow
from genai_voice.tools import registry

from tests.support.service import Client, Reply, create_app, read_partition, record_calls
from tests.support.wire import (
    Cut,
    answer_calls,
    cut,
    fail_attempts,
    leave_unprocessed,
    lose_answer,
    register_hook,
)

PLAIN_CONFLICT = (
    400,
    {"__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException", "message": "conflict"},
)
CANCELLED = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"


def cancelled(*codes: str) -> tuple[int, dict[str, Any]]:
    reasons = [{"Code": code, "Message": None if code == "None" else "why"} for code in codes]
    message = (
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]"
    )
    return 400, {"__type": CANCELLED, "Message": message, "CancellationReasons": reasons}


@pytest.fixture
def app(engine: None) -> Client:
    app = create_app()
    app.get("/api/tools")  # its credentials are known from here on
    return app


# -- TransactionConflict -----------------------------------------------------------------------------------


@pytest.mark.parametrize("conflicts", [1, 3, 5])
def test_a_plain_write_that_meets_a_transaction_is_sent_again(app: Client, conflicts: int) -> None:
    with answer_calls(*[PLAIN_CONFLICT] * conflicts) as sent:
        reply = app.post("/api/conversations", {"sessionId": "s", "messages": []})
    assert reply.status == 200
    assert len(sent) == conflicts + 1
    assert all(body == sent[0] for body in sent)
    assert len(app.get("/api/conversations").json["conversations"]) == 1


def test_after_five_more_tries_the_caller_is_told_to_try_again(app: Client) -> None:
    with answer_calls(*[PLAIN_CONFLICT] * 10) as sent:
        reply = app.post("/api/conversations", {"sessionId": "s", "messages": []})
    assert reply.status == 503
    assert "try again" in reply.json["error"]
    assert len(sent) == 6


def change(app: Client, condition: Any = None) -> Change:
    return Change(StateRow.of(app.slug), [StateRow.version.add(1)], condition)


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_a_table_that_throttles_is_no_bug(app: Client, code: str) -> None:
    throttled = (400, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "inner detail"})
    with answer_calls(*[throttled] * 50):
        replies = [send_events(app), app.get("/api/tools")]
    for reply in replies:
        assert (reply.status, reply.json) == (503, {"error": "The table is busy: try again"})


def test_a_cancelled_transaction_is_sent_again_with_the_same_token(app: Client) -> None:
    with answer_calls(cancelled("TransactionConflict"), cancelled("TransactionConflict")) as sent:
        assert write_together([change(app)])
    assert len(sent) == 3
    assert len({body["ClientRequestToken"] for body in sent}) == 1
    stored = StateRow.find(StateRow.of(app.slug).pk, StateRow.of(app.slug).sk)
    assert stored is not None
    assert stored.version == 1


THROTTLED = [cancelled("None", "ThrottlingError"), cancelled("ProvisionedThroughputExceeded", "None")]


@pytest.mark.parametrize("throttled", THROTTLED, ids=["throttled", "too much for a partition"])
def test_a_transaction_that_is_throttled_is_sent_again_and_is_no_bug(
    app: Client, throttled: tuple[int, dict[str, Any]]
) -> None:
    with answer_calls(None, throttled, throttled) as sent:  # the first call reads the app
        assert change_persona(app).status == 200
    assert ["TransactItems" in body for body in sent] == [False, True, True, True]
    with answer_calls(None, *[throttled] * 50):
        reply = app.patch("/api/persona", {"personaTone": "brisk"})
    assert (reply.status, reply.json) == (503, {"error": "The table is busy: try again"})


def test_a_transaction_whose_condition_failed_is_not_sent_again(app: Client) -> None:
    other = create_app()
    with answer_calls(cancelled("ConditionalCheckFailed", "TransactionConflict")) as sent:
        assert not write_together([change(app), change(other)])
    assert len(sent) == 1


def test_a_transaction_that_loses_every_race_counts_as_lost(app: Client) -> None:
    with answer_calls(*[cancelled("TransactionConflict")] * 10) as sent:
        assert not write_together([change(app)])
    assert len(sent) == 6


def test_messages_that_dynamodb_leaves_unprocessed_are_sent_again(app: Client) -> None:
    with leave_unprocessed(times=2) as sent:
        assert send_messages(app).status == 200
    assert len(sent) == 2 + 3
    sixty_messages(app)


def test_a_table_that_takes_nothing_makes_the_caller_try_again(app: Client) -> None:
    row = EventsRow.of(app.slug, "s", 1, "[]", None)
    row.event_count = 0
    with leave_unprocessed(times=100) as sent, pytest.raises(Busy):
        put_all([row])
    assert len(sent) == 7


# -- the table is slow, or nobody hears it ------------------------------------------------------------------

TABLE = "https://the.table"
BROKEN = {"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "inner detail"}
FAILURES: dict[str, Exception | tuple[int, dict[str, Any]]] = {
    "no answer": ReadTimeoutError(endpoint_url=TABLE),
    "no connection": ConnectTimeoutError(endpoint_url=TABLE),
    "refused": EndpointConnectionError(endpoint_url=TABLE),
    "closed": ConnectionClosedError(endpoint_url=TABLE),
    "cut while it answers": ResponseStreamingError(error="cut"),
    "a bad handshake": SSLError(endpoint_url=TABLE, error=OSError("cut")),
    "an error of its own": (500, BROKEN),
    "a service that is away": (503, BROKEN),
    "a gateway before it": (502, {}),
}


@pytest.fixture
def clock(app: Client) -> Iterator[Any]:
    """A clock that moves by what attempts are said to take, and by the waits between them. The client is new:
    botocore gives each a stock of retries that failures use up.
    """
    forget_connection()
    app.get("/api/tools")
    with time_machine.travel(time.time(), tick=False) as clock, pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", clock.shift)
        yield clock


@pytest.mark.parametrize("takes", [0.001, 1, 2, READ_S, CONNECT_S + READ_S])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_table_that_does_not_answer_is_no_bug_and_is_said_within_eight_seconds(
    app: Client, clock: Any, log: StringIO, failure: Exception | tuple[int, dict[str, Any]], takes: float
) -> None:
    began = time.time()
    with fail_attempts(failure, lambda: clock.shift(takes)) as attempts:
        reply = send_events(app)
    assert (reply.status, reply.json) == (503, {"error": "The table is busy: try again"})
    assert time.time() - began <= 8
    assert len(attempts) == {0.001: 4, 1: 4, 2: 2, 3: 2, 4: 1}[takes]
    assert log.getvalue() == "", "it is no fault"


def test_the_calls_of_one_request_share_the_eight_seconds(app: Client, clock: Any) -> None:
    """Each of its calls fails twice before it is answered: each alone would be in time."""
    began, attempts = time.time(), 0

    def fail_two_of_three(**_: object) -> None:
        nonlocal attempts
        attempts += 1
        if attempts % 3:
            clock.shift(1.5)
            raise ReadTimeoutError(endpoint_url=TABLE)

    with register_hook("before-send.dynamodb", fail_two_of_three):
        reply = save_long(app)
    assert reply.status == 503
    assert attempts > 3
    assert time.time() - began <= 8


def test_throttled_attempts_that_are_slow_end_in_time_too(app: Client, clock: Any) -> None:
    throttled = (400, {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "why"})
    began = time.time()
    with fail_attempts(throttled, lambda: clock.shift(1)):
        assert send_events(app).status == 503
    assert time.time() - began <= 8


def test_a_call_that_is_answered_at_its_second_attempt_is_carried_out(app: Client, clock: Any) -> None:
    with fail_attempts(FAILURES["no answer"], lambda: clock.shift(READ_S), times=1):
        assert send_events(app).status == 200


def test_the_log_names_the_error_of_a_fault_and_not_what_it_says(app: Client, log: StringIO) -> None:
    denied = {"__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException", "message": "inner detail"}
    with answer_calls((400, denied)):
        assert send_events(app).status == 500
    with answer_calls(None, cancelled("None", "ValidationError")):
        assert change_persona(app).status == 500
    first, second = map(json.loads, log.getvalue().splitlines())
    assert (first["error"], first["code"]) == ("PutError", "AccessDeniedException")
    assert second["code"] == "TransactionCanceledException ValidationError"
    assert "inner detail" not in log.getvalue()


# -- the connection breaks, the process dies ---------------------------------------------------------------


def save(app: Client) -> Reply:
    return app.post("/api/conversations", {"sessionId": "s", "messages": TRANSCRIPT, "status": "resolved"})


def save_long(app: Client) -> Reply:
    return app.post("/api/conversations", {"sessionId": "s", "messages": LONG, "status": "resolved"})


def send_messages(app: Client) -> Reply:
    return app.post("/api/messages", {"messages": MESSAGES})


def send_events(app: Client) -> Reply:
    events = [{"eventType": "e", "ts": number} for number in range(5)]
    return app.post("/api/events", {"sessionId": "s", "events": events})


def cancel_appointment(app: Client) -> Reply:
    call = {"sessionId": "s", "toolName": "cancel_appointment", "parameters": {"appointmentId": "A"}}
    return app.post("/api/tools/execute", call)


def change_persona(app: Client) -> Reply:
    return app.patch("/api/persona", {"personaTone": "calm"})


TRANSCRIPT = [{"role": "user", "content": "hello", "ts": 1}]
LONG = [{"role": "user", "content": random.Random(1).randbytes(400_000).hex(), "ts": 1}]  # noqa: S311
MESSAGES = [
    {
        "sessionId": "s",
        "participantIdentity": "u",
        "role": "user",
        "content": "x",
        "isFinal": True,
        "createdAt": number,
    }
    for number in range(60)
]


def one_conversation(app: Client) -> None:
    (conversation,) = app.get("/api/conversations").json["conversations"]
    assert conversation["status"] == "resolved"
    assert json.loads(conversation["transcript"]) in (TRANSCRIPT, LONG)
    row = ConversationRow.find(ConversationRow.of(app.slug, "s").pk, "CONVERSATION")
    assert row is not None
    for item in read_partition(row.pk):
        assert "expires_at" not in item


def sixty_messages(app: Client) -> None:
    assert [each["createdAt"] for each in app.get("/api/messages", sessionId="s").json["messages"]] == list(
        range(60)
    )


def one_batch(app: Client) -> None:
    assert (
        len([row for row in read_partition(f"APP#{app.slug}#SESSION#s#") if row["kind"]["S"] == "events"])
        == 1
    )


def cancelled_and_told(app: Client) -> None:
    state = app.get("/api/scenario-state").json["state"]
    assert state["appointments"][0]["status"] == "cancelled"
    executions = app.get("/api/tools/executions").json["executions"]
    assert {each["status"] for each in executions} == {"success"}
    # Each change of the state has its audit row: they are written together.
    stored = StoredState.find(app.slug).newest
    assert stored is not None
    assert stored.version == len(executions) + 1


def persona_changed(app: Client) -> None:
    assert app.get("/api/persona").json["personaTone"] == "calm"


Work = tuple[Callable[[Client], Reply], Callable[[Client], None]]
WORK: dict[str, Work] = {
    "a save": (save, one_conversation),
    "a save of a long transcript": (save_long, one_conversation),
    "messages": (send_messages, sixty_messages),
    "events": (send_events, one_batch),
    "a tool that changes the state": (cancel_appointment, cancelled_and_told),
    "a persona": (change_persona, persona_changed),
}


def with_a_tool(app: Client) -> Client:
    registry.put_tool(app.slug, "cancel_appointment", description="", parameters_schema="{}")
    state = {"appointments": [{"id": "A", "date": "2026-04-07", "time": "9:00 AM", "status": "confirmed"}]}
    StateRow.of(app.slug).change(
        [
            StateRow.state.set(zlib.compress(json.dumps(state).encode())),
            StateRow.updated_at.set(1),
            StateRow.version.add(1),
        ]
    )
    return app


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_a_process_that_dies_at_any_call_loses_and_doubles_nothing(
    app: Client, work: Work, after: bool
) -> None:
    act, check = work
    with_a_tool(app)
    with record_calls() as calls:
        assert act(app).status == 200
    for number in range(1, len(calls.operations) + 1):
        victim = with_a_tool(create_app())
        try:
            with cut(number, after=after):
                act(victim)
        except Cut:
            pass
        assert act(victim).status == 200
        check(victim)


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_an_answer_that_is_lost_is_asked_for_again_without_harm(
    app: Client, work: Work, request: pytest.FixtureRequest
) -> None:
    act, check = work
    if act is cancel_appointment:
        request.getfixturevalue("strict")  # moto forgets the ClientRequestToken
    with_a_tool(app)
    with record_calls() as calls:
        assert act(app).status == 200
    for number in range(1, len(calls.operations) + 1):
        victim = with_a_tool(create_app())
        with lose_answer(number):
            reply = act(victim)
        assert reply.status == 200, reply.text
        check(victim)


def test_a_call_whose_answer_is_lost_counts_once_in_the_rate_window() -> None:
    app = with_a_tool(create_app(max_actions_per_turn=2))
    app.get("/api/tools")
    with record_calls() as calls, lose_answer(2):
        assert cancel_appointment(app).status == 200
    assert "UpdateItem" in calls.operations
    assert cancel_appointment(app).status == 200
    assert cancel_appointment(app).status == 429


def test_after_a_table_that_failed_the_next_call_works(app: Client) -> None:
    unreachable = (
        500,
        {"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "inner detail"},
    )
    with answer_calls(*[unreachable] * 20):
        reply = app.post("/api/conversations", {"sessionId": "s"})
    assert (reply.status, reply.json) == (503, {"error": "The table is busy: try again"})
    assert app.post("/api/conversations", {"sessionId": "s"}).status == 200
