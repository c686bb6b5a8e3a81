"""Deliveries are sent, signed and tried again: contract 5.2 and section 7, row 17, against a real HTTPS
server.
"""

import json
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.utils import formatdate
from inspect import signature
from io import StringIO
from typing import Any

import boto3
import pytest
import time_machine
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.work import WorkFailed
from genai_voice.tenancy import apps, webhook_settings
from genai_voice.tenancy.fields import AppFields
from genai_voice.tenancy.rows import AppRow
from genai_voice.webhooks import deliveries, sender
from genai_voice.webhooks.retries import SCHEDULE
from genai_voice.webhooks.rows import WebhookRow
from standardwebhooks import Webhook, WebhookVerificationError

from tests.conftest import STRICT
from tests.support.https import (
    Behaviour,
    Names,
    Received,
    Server,
    hang,
    send_forever,
    send_raw,
    send_reply,
    send_slowly,
    serve_https,
)
from tests.support.service import Client, create_app, sweep
from tests.support.webhooks import Queue, announce, announce_many, deliver, find_stored
from tests.support.wire import Cut, act_before_call, answer_calls, cut, lose_answer

HOST = "hooks.tools.example"
NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z
MINUTE, HOUR = 60, 3_600
GONE = "The address has answered 410, and nothing is sent to it until it is enabled."

Clock = time_machine.Traveller


@pytest.fixture(autouse=True)
def _hooks_example_is_here(names: Names) -> None:
    names.resolve(HOST, ["127.0.0.1"])


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The time, which moves when a test says so."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def app(server: Server) -> Client:
    return listening(server)


def listening(server: Server, **fields: Any) -> Client:
    """An app that is told of handoffs at this server."""
    return create_app(handoff_webhook_url=server.make_url(HOST, "/hooks?of=us"), **fields)


def in_turn(*acts: Behaviour) -> Behaviour:
    """The first request meets the first of these, and so on; the last stays."""
    waiting = list(acts)

    def act(wire: ssl.SSLSocket) -> None:
        (waiting.pop(0) if len(waiting) > 1 else waiting[0])(wire)

    return act


def attempts(row: WebhookRow) -> list[Any]:
    """Of each attempt the status of its answer, or why there was none."""
    return [
        each.error if each.status is None else int(each.status) for each in find_stored(row).attempts or ()
    ]


def ids(server: Server) -> list[str]:
    return [request.headers["webhook-id"] for request in server.requests]


# -- what is sent ------------------------------------------------------------------------------------------


def test_an_event_is_posted_as_it_was_stored(server: Server, app: Client) -> None:
    with time_machine.travel(NOON, tick=False):
        row = announce(app, handoffId="h-1", sessionId="s", reason="é")
        assert deliver(row) == []
    [request] = server.requests
    assert (request.method, request.target) == ("POST", "/hooks?of=us")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == row.delivery_id
    assert request.headers["webhook-timestamp"] == str(int(NOON))
    assert json.loads(request.body) == {
        "event": "handoff.created",
        "handoffId": "h-1",
        "sessionId": "s",
        "reason": "é",
        "appSlug": app.slug,
        "timestamp": "2026-01-01T12:00:00.000Z",
    }


def test_what_is_delivered_is_recorded_and_goes_after_thirty_days(server: Server, app: Client) -> None:
    row = announce(app)
    with time_machine.travel(NOON + 1e9, tick=False):
        deliver(row)
    done = find_stored(row)
    assert (done.status, attempts(row)) == ("delivered", [200])
    assert done.attempts[0].at == (NOON + 1e9) * 1000
    assert done.attempts[0].duration_ms >= 0
    assert not {"due", "due_at"} & done.attribute_values.keys()
    assert done.expires_at == NOON + 1e9 + 30 * 24 * HOUR


def test_an_app_without_a_signing_secret_gets_no_signature(server: Server, app: Client) -> None:
    deliver(announce(app))
    assert "webhook-signature" not in server.requests[0].headers


def verified(request: Received, secret: str) -> Any:
    return Webhook(secret).verify(request.body, request.headers)


def test_the_signature_is_that_of_standard_webhooks(server: Server, app: Client) -> None:
    secret = webhook_settings.rotate_secret(app.slug, 0)
    deliver(announce(app, handoffId="h"))
    [request] = server.requests
    assert verified(request, secret)["handoffId"] == "h"
    changed = Received(**vars(request) | {"body": request.body + b" "})
    with pytest.raises(WebhookVerificationError):
        verified(changed, secret)


def test_during_a_rotation_either_secret_verifies_and_after_it_the_new_one_alone(
    server: Server, app: Client
) -> None:
    first, second = (
        webhook_settings.rotate_secret(app.slug, 0),
        webhook_settings.rotate_secret(app.slug, HOUR * 1000),
    )
    deliver(announce(app))
    with time_machine.travel(get_now_ms() / 1000 + HOUR + 1):
        deliver(announce(app))
        during, after = server.requests
        assert len(during.headers["webhook-signature"].split(" ")) == 2
        verified(after, second)
        with pytest.raises(WebhookVerificationError, match="No matching"):
            verified(after, first)
    for secret in (first, second):
        verified(during, secret)


def test_never_more_than_two_secrets_sign(server: Server, app: Client) -> None:
    first, *later = [webhook_settings.rotate_secret(app.slug, HOUR * 1000) for _ in range(3)]
    deliver(announce(app))
    for secret in later:
        verified(server.requests[0], secret)
    with pytest.raises(WebhookVerificationError, match="No matching"):
        verified(server.requests[0], first)


def test_a_secret_that_was_moved_from_another_app_signs_nothing(server: Server, app: Client) -> None:
    other = listening(server)
    webhook_settings.rotate_secret(other.slug, 0)
    moved = AppRow.of(other.slug).find_stored().webhook_secrets
    AppRow.of(app.slug).change([AppRow.webhook_secrets.set(moved)])
    row = announce(app)
    deliver(row)
    assert server.requests == []
    assert attempts(row) == ["The signing secret can no longer be read: rotate it."]


# -- what comes of it --------------------------------------------------------------------------------------


def test_what_fails_at_first_is_delivered_later_under_the_same_id(
    server: Server, app: Client, queue: Queue, clock: Clock
) -> None:
    server.act = in_turn(send_reply(500), send_raw(b""), send_reply(204))
    secret = webhook_settings.rotate_secret(app.slug, 0)
    row = announce(app)
    deliver(row)
    assert (find_stored(row).status, find_stored(row).due_at) == ("pending", (NOON + 5) * 1000)
    for wait in (5, 30):
        assert queue.work() == 0
        clock.shift(wait)
        assert queue.work() == 1
    assert attempts(row) == [500, "The host did not answer with valid HTTP.", 204]
    assert find_stored(row).status == "delivered"
    assert ids(server) == [row.delivery_id] * 3
    assert len({request.headers["webhook-timestamp"] for request in server.requests}) == 3
    verified(server.requests[-1], secret)


def test_what_fails_on_our_side_uses_up_no_attempt(server: Server, app: Client) -> None:
    row = announce(app)
    throttled = (400, {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "x"})
    for _ in range(SCHEDULE.max_attempts + 1):
        with answer_calls(*[throttled] * 50), pytest.raises(WorkFailed):
            deliver(row)
    deliver(row)
    assert (find_stored(row).status, attempts(row)) == ("delivered", [200])


def test_messages_of_an_app_are_a_group_of_their_own(app: Client, queue: Queue) -> None:
    """So that SQS serves the apps fairly, however slow the receiver of one is."""
    app.post("/api/handoffs", {"sessionId": "s", "reason": "r", "transcript": []})
    client = boto3.client("sqs")
    names = {"MessageSystemAttributeNames": ["MessageGroupId"]}
    [message] = client.receive_message(QueueUrl=queue.url, **names)["Messages"]
    assert message["Attributes"]["MessageGroupId"] == app.slug


def test_it_is_given_up_after_eight_attempts_of_which_the_last_wait_for_the_sweep(
    server: Server, app: Client, queue: Queue, clock: Clock, log: StringIO
) -> None:
    server.act = send_reply(503)
    row = announce(app)
    deliver(row)
    for wait in SCHEDULE.waits_s:
        clock.shift(wait - 1)
        sweep()
        queue.work()
        before = len(server.requests)
        clock.shift(1)
        if wait > 900:
            assert queue.work() == 0
            sweep()
        queue.work()
        assert len(server.requests) == before + 1
    assert (find_stored(row).status, attempts(row)) == ("failed", [503] * SCHEDULE.max_attempts)
    assert log.getvalue() == "", "a nudge that no queue takes"
    assert not {"due", "due_at"} & find_stored(row).attribute_values.keys()
    clock.shift(24 * HOUR)
    sweep()
    queue.work()
    assert len(server.requests) == SCHEDULE.max_attempts


def reset(wire: ssl.SSLSocket) -> None:
    """The connection is broken off: closed at once, with what is in flight thrown away."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def stay_open(wire: ssl.SSLSocket) -> None:
    """Headers, and then nothing."""
    wire.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    hang(wire)


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (reset, "The connection to the host failed."),
        (send_raw(b"not HTTP at all\r\n\r\n"), "The host did not answer with valid HTTP."),
        (hang, "There was no answer within 0.2 s."),
        (send_slowly(b"HTTP/1.1 200 OK\r\n" * 100), "There was no answer within 0.2 s."),
    ],
    ids=["reset", "no HTTP", "silence", "drips"],
)
def test_where_there_is_no_answer_it_is_tried_again(
    server: Server, app: Client, act: Behaviour, told: str
) -> None:
    server.act = act
    row = announce(app)
    assert sender.deliver(app.slug, row.delivery_id, seconds=0.2) == "pending"
    assert attempts(row) == [told]


def test_an_attempt_has_eight_seconds_of_which_five_fit_an_invocation() -> None:
    assert signature(sender.deliver).parameters["seconds"].default == sender.SECONDS == 8


@pytest.mark.parametrize(
    "act",
    [
        send_forever(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536),
        send_raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"),
        stay_open,
    ],
    ids=["endless", "announced and never sent", "open for ever"],
)
def test_the_body_of_an_answer_does_not_matter(server: Server, app: Client, act: Behaviour) -> None:
    server.act = act
    row = announce(app)
    deliver(row)
    assert (find_stored(row).status, attempts(row)) == ("delivered", [200])


def test_a_receiver_that_says_when_is_asked_again_then(
    server: Server, app: Client, queue: Queue, clock: Clock
) -> None:
    said = {"Retry-After": "120"}, {"Retry-After": formatdate(NOON + 1_000, usegmt=True)}
    server.act = in_turn(send_reply(429, headers=said[0]), send_reply(503, headers=said[1]), send_reply(200))
    row = announce(app)
    deliver(row)
    assert find_stored(row).due_at == (NOON + 120) * 1000
    clock.move_to(NOON + 120)
    assert queue.work() == 1
    assert find_stored(row).due_at == (NOON + 1_000) * 1000
    clock.move_to(NOON + 1_000)
    assert queue.work() == 1
    assert attempts(row) == [429, 503, 200]


def test_a_redirect_is_not_followed_and_fails(server: Server, app: Client) -> None:
    server.act = send_reply(307, headers={"Location": server.make_url(HOST, "/elsewhere")})
    row = announce(app)
    deliver(row)
    assert len(server.requests) == 1
    assert (find_stored(row).status, attempts(row)) == ("failed", [307])


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_what_the_receiver_will_never_take_fails_at_once(server: Server, app: Client, status: int) -> None:
    server.act = send_reply(status)
    row = announce(app)
    deliver(row)
    assert (find_stored(row).status, attempts(row)) == ("failed", [status])


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1"])
def test_an_address_that_has_become_private_is_not_called(
    server: Server, names: Names, app: Client, address: str
) -> None:
    names.resolve(HOST, [address])
    row = announce(app)
    deliver(row)
    assert server.requests == []
    assert (find_stored(row).status, attempts(row)) == ("failed", ["The host must be public."])


def test_a_name_that_does_not_resolve_now_may_later(server: Server, names: Names, app: Client) -> None:
    names.resolve(HOST, [])
    row = announce(app)
    names.resolve(HOST, ["no address"])
    deliver(row)
    assert (find_stored(row).status, attempts(row)) == ("pending", ["The host name could not be resolved."])


def test_a_certificate_for_another_name_gets_nothing(server: Server, names: Names) -> None:
    names.resolve("elsewhere.example", ["127.0.0.1"])
    app = create_app(handoff_webhook_url=server.make_url("elsewhere.example"))
    row = announce(app)
    deliver(row)
    assert server.requests == []
    assert attempts(row) == ["The certificate of the host is not valid."]


# -- an address that wants no more -------------------------------------------------------------------------


def test_after_410_nothing_is_sent_until_the_address_is_enabled(server: Server, app: Client) -> None:
    server.act = in_turn(send_reply(410), send_reply(200))
    first, second = announce(app), announce(app)
    deliver(first)
    assert (find_stored(first).status, attempts(first)) == ("failed", [410])
    deliver(second)
    assert (find_stored(second).status, attempts(second)) == ("failed", [GONE])
    assert len(server.requests) == 1

    webhook_settings.enable(app.slug)
    assert list(deliveries.redrive(app.slug)) == [first.delivery_id, second.delivery_id]
    deliver(first, second)
    assert [find_stored(row).status for row in (first, second)] == ["delivered"] * 2


def test_another_address_is_used_at_once(server: Server, app: Client) -> None:
    server.act = in_turn(send_reply(410), send_reply(200))
    deliver(announce(app))
    moved = AppFields.model_validate({"handoffWebhookUrl": server.make_url(HOST, "/new")})
    apps.update_app(app.slug, moved)
    row = announce(app)
    deliver(row)
    assert find_stored(row).status == "delivered"
    assert server.requests[-1].target == "/new"


def test_a_410_of_an_address_that_was_changed_meanwhile_disables_nothing(server: Server, app: Client) -> None:
    def change(_: int) -> None:
        moved = AppFields.model_validate({"handoffWebhookUrl": server.make_url(HOST, "/new")})
        apps.update_app(app.slug, moved)

    server.act = send_reply(410)
    row = announce(app)
    with act_before_call("UpdateItem", change, at=(2,)):  # after the claim and the request
        deliver(row)
    assert len(server.requests) == 1
    assert AppRow.of(app.slug).find_stored().webhook_disabled is None


@pytest.mark.parametrize(
    ("hinder", "reason"),
    [
        (lambda slug: apps.set_active(slug, False), "The app is disabled."),
        (
            lambda slug: apps.update_app(slug, AppFields(), frozenset({"handoff_webhook_url"})),
            "The app has no address for webhooks.",
        ),
    ],
    ids=["disabled", "no address"],
)
def test_what_cannot_be_sent_as_things_are_fails_with_the_reason(
    server: Server, app: Client, hinder: Callable[[str], None], reason: str
) -> None:
    row = announce(app)
    hinder(app.slug)
    deliver(row)
    assert server.requests == []
    assert (find_stored(row).status, attempts(row)) == ("failed", [reason])


# -- once, and at least once -------------------------------------------------------------------------------


def test_a_message_that_comes_twice_sends_once(server: Server, app: Client) -> None:
    row = announce(app)
    deliver(row, row)
    deliver(row)
    assert len(server.requests) == 1
    assert attempts(row) == [200]


def test_a_message_that_comes_too_early_sends_nothing(server: Server, app: Client, clock: Clock) -> None:
    server.act = send_reply(500)
    row = announce(app)
    deliver(row)
    clock.shift(3.9)  # a second before it is due the clocks may differ
    deliver(row)
    assert len(server.requests) == 1
    clock.shift(0.1)
    deliver(row)
    assert len(server.requests) == 2


def test_a_message_of_a_delivery_that_is_gone_is_consumed(server: Server, app: Client) -> None:
    row = announce(app)
    row.delete()
    assert deliver(row) == []
    assert server.requests == []
    assert row.find_stored() is None


def test_two_workers_for_one_delivery_send_once(strict: None, server: Server, app: Client) -> None:
    rows = [announce(app) for _ in range(5)]
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda row: sender.deliver(row.app, row.delivery_id), rows * 8))
    assert sorted(told) == ["delivered"] * 5 + ["not due"] * 35
    assert sorted(ids(server)) == sorted(row.delivery_id for row in rows)


def test_a_worker_that_dies_between_sending_and_recording_leaves_it_to_another(
    server: Server, app: Client, queue: Queue, clock: Clock
) -> None:
    row = announce(app)
    with cut(3, after=False), pytest.raises(Cut):  # claim, app, record
        deliver(row)
    assert ids(server) == [row.delivery_id]
    deliver(row)
    assert ids(server) == [row.delivery_id], "it is leased"
    clock.shift(60)
    sweep()
    queue.work()
    assert ids(server) == [row.delivery_id] * 2
    assert (find_stored(row).status, attempts(row)) == ("delivered", [200])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("status", [200, 500, 410])
def test_a_crash_at_any_call_loses_nothing(
    server: Server, app: Client, queue: Queue, clock: Clock, status: int, number: int, after: bool
) -> None:
    """A delivery that is taken, one that is tried again, one of an address that is gone."""
    server.act = in_turn(send_reply(status), send_reply(200))
    row = announce(app)
    with cut(number, after=after), suppress(Cut):
        deliver(row)
    for _ in range(2):  # what is found, and what then fails
        clock.shift(65)
        sweep()
        queue.work()
    if status == 410:
        webhook_settings.enable(app.slug)
        list(deliveries.redrive(app.slug))
        queue.work()
    assert find_stored(row).status == "delivered"
    assert {*ids(server)} == {row.delivery_id}
    assert len(server.requests) <= 2


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_answer_of_the_table_that_is_lost_costs_time_and_nothing_else(
    server: Server, app: Client, queue: Queue, clock: Clock, number: int
) -> None:
    server.act = in_turn(send_reply(500), send_reply(200))
    row = announce(app)
    with lose_answer(number):
        assert deliver(row) == []
    for _ in range(2):
        clock.shift(65)
        sweep()
        queue.work()
    assert (find_stored(row).status, attempts(row)) == ("delivered", [500, 200])
    assert ids(server) == [row.delivery_id] * 2


def test_what_was_delivered_is_recorded_also_when_the_lease_was_lost(
    server: Server, app: Client, clock: Clock
) -> None:
    """A worker stands still for a minute after its request; another has failed for good meanwhile."""
    server.act = in_turn(send_reply(200), send_reply(400))
    row = announce(app)

    def another(_: int) -> None:
        clock.shift(60)
        deliver(row)
        assert find_stored(row).status == "failed"

    with act_before_call("UpdateItem", another, at=(2,)):
        deliver(row)
    done = find_stored(row)
    assert (done.status, attempts(row)) == ("delivered", [400, 200])
    assert "delivered" in done.gsi2pk


def test_what_failed_is_not_recorded_once_the_lease_was_lost(
    server: Server, app: Client, clock: Clock
) -> None:
    server.act = in_turn(send_reply(400), send_reply(500))
    row = announce(app)

    def another(_: int) -> None:
        clock.shift(60)
        deliver(row)

    with act_before_call("UpdateItem", another, at=(2,)):
        deliver(row)
    assert (find_stored(row).status, attempts(row)) == ("pending", [500])


def test_a_delivery_on_which_workers_die_is_given_up_in_the_end(
    server: Server, app: Client, clock: Clock
) -> None:
    row = announce(app)
    for _ in range(SCHEDULE.max_attempts):
        with cut(3, after=False), pytest.raises(Cut):
            deliver(row)
        clock.shift(60)
    deliver(row)
    assert len(server.requests) == SCHEDULE.max_attempts
    assert find_stored(row).status == "failed"
    assert attempts(row) == [
        "It was begun as often as it may be, and at last nobody came to record the outcome."
    ]


def test_a_lost_nudge_costs_time_and_nothing_else(server: Server, app: Client, queue: Queue) -> None:
    row = announce(app)
    assert queue.work() == 0
    sweep()
    assert queue.work() >= 1
    assert find_stored(row).status == "delivered"


def test_nothing_of_a_delivery_is_logged(
    server: Server, app: Client, clock: Clock, capsys: pytest.CaptureFixture[str], log: StringIO
) -> None:
    server.act = in_turn(send_reply(500, b"their-answer"), send_reply(400, b"their-answer"))
    secret = webhook_settings.rotate_secret(app.slug, 0)
    row = announce(app, reason="said-by-a-caller")
    capsys.readouterr()
    deliver(row)
    clock.shift(5)
    deliver(row)
    told = capsys.readouterr().out + log.getvalue()
    for hidden in ("said-by-a-caller", "their-answer", HOST, secret):
        assert hidden not in told
    line, *_ = [json.loads(each) for each in told.splitlines()]
    named = {"worker": "webhook_sender", "app": app.slug, "delivery_id": row.delivery_id}
    assert line.items() >= ({"message": "work", "outcome": "pending", "dynamodb_calls": 3} | named).items()


MANY = 1_000 if STRICT else 120
"""moto slows down with its table."""


def test_of_many_deliveries_of_which_a_tenth_fails_at_first_none_is_lost_and_none_stuck(
    server: Server, app: Client, queue: Queue, clock: Clock
) -> None:
    seen: set[str] = set()

    def act(wire: ssl.SSLSocket) -> None:
        delivery = ids(server)[-1]
        is_first = delivery not in seen
        seen.add(delivery)
        send_reply(500 if is_first and len(seen) % 10 == 0 else 200)(wire)

    server.act = act
    rows: list[WebhookRow] = []
    for _ in range(0, MANY, 40):  # moto takes long for a long queue
        rows += announce_many(app, 40)
        sweep()
        queue.work()
    clock.shift(5)
    queue.work()
    assert seen == {row.delivery_id for row in rows}
    assert len(server.requests) == MANY + MANY // 10
    pending = app.get("/api/webhooks/deliveries", status="pending").json["deliveries"]
    failed = app.get("/api/webhooks/deliveries", status="failed").json["deliveries"]
    assert pending == failed == []
    assert [row.status for row in WebhookRow.load_full(rows)] == ["delivered"] * MANY


def test_a_server_that_is_away_is_asked_again(server: Server) -> None:
    with serve_https(server.authority) as other:
        app = listening(other)
    row = announce(app)
    deliver(row)
    assert (find_stored(row).status, attempts(row)) == ("pending", ["The connection to the host failed."])
