"""What an app was told: listed and sent again, by the app itself and by operators."""

from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from genai_voice.delivery.rows import DeliveryAttempt
from genai_voice.foundation.errors import NotFound
from genai_voice.tenancy import webhook_settings
from genai_voice.tenancy.model import WebhookEvent
from genai_voice.tenancy.rows import AppRow
from genai_voice.webhooks import deliveries
from genai_voice.webhooks.retries import SCHEDULE
from genai_voice.webhooks.rows import WebhookRow

from tests.support.https import Names, Server, send_reply
from tests.support.operator import run, run_for_lines
from tests.support.service import Client, call, create_app, read_pages, read_rows, record_calls, sweep
from tests.support.webhooks import Queue, announce, deliver, find_stored
from tests.support.wire import act_before_call

LIST, REPLAY = "/api/webhooks/deliveries", "/api/webhooks/deliveries/replay"
EVENTS: tuple[WebhookEvent, ...] = ("handoff.created", "handoff.resolved", "guardrail.blocked")
STATUSES = ("pending", "delivered", "failed")
NOON = 1_767_268_800_000


@pytest.fixture
def app() -> Client:
    """An app that is told of several events, at an address where nobody answers."""
    return create_app(handoff_webhook_url="https://127.0.0.1:1/", webhook_events=[*EVENTS])


def settled(row: WebhookRow, status: Any, *attempts: DeliveryAttempt) -> WebhookRow:
    actions = row.end_changes(status, NOON)
    if attempts:
        actions.append(WebhookRow.attempts.set(list(attempts)))
    assert row.change(actions)
    return row


def failed(app: Client, event: WebhookEvent = "handoff.created") -> WebhookRow:
    return settled(announce(app, event), "failed", DeliveryAttempt(at=NOON, duration_ms=5, status=400))


def replayed(row: WebhookRow) -> Callable[[int], None]:
    def act(_: int) -> None:
        deliveries.replay(row.app, row.delivery_id)

    return act


def live_secrets(app: Client) -> list[str]:
    known = AppRow.of(app.slug).find_stored()
    assert known
    return webhook_settings.list_live_secrets(known)


def find(app: Client, **query: str) -> list[Any]:
    found = app.get(LIST, **query)
    assert found.status == 200, found.text
    return list(found.json["deliveries"])


# -- lists -------------------------------------------------------------------------------------------------


def test_a_delivery_is_shown_with_what_is_sent_and_what_came_of_it(app: Client) -> None:
    with time_machine.travel(NOON / 1000, tick=False):
        row = announce(app, handoffId="h", priority="high")
        [waiting] = find(app)
    expected = {
        "_id": row.delivery_id,
        "_creationTime": NOON,
        "appSlug": app.slug,
        "event": "handoff.created",
        "status": "pending",
        "payload": {
            "event": "handoff.created",
            "handoffId": "h",
            "priority": "high",
            "appSlug": app.slug,
            "timestamp": "2026-01-01T12:00:00.000Z",
        },
        "createdAt": NOON,
        "attempts": [],
    }
    assert waiting == expected | {"nextAttemptAt": NOON}
    refused = DeliveryAttempt(at=NOON, duration_ms=3, error="The host must be public.")
    settled(row, "failed", DeliveryAttempt(at=NOON - 1, duration_ms=12, status=500), refused)
    [ended] = find(app)
    assert ended == expected | {
        "status": "failed",
        "attempts": [
            {"at": NOON - 1, "durationMs": 12, "status": 500},
            {"at": NOON, "durationMs": 3, "error": "The host must be public."},
        ],
    }


@pytest.fixture
def many(app: Client) -> list[WebhookRow]:
    """Of every event and status some, newest first."""
    made: list[WebhookRow] = []
    for place in range(45):
        row = announce(app, EVENTS[place % 3])
        status = STATUSES[place // 3 % 3]
        if status != "pending":
            settled(row, status)
        made.insert(0, find_stored(row))
    return made


FILTERS: dict[str, dict[str, str]] = {
    "none": {},
    "status": {"status": "delivered"},
    "event": {"event": "handoff.resolved"},
    "both": {"status": "pending", "event": "guardrail.blocked"},
    "empty": {"status": "", "event": ""},
}


@pytest.mark.parametrize("asked", FILTERS.values(), ids=FILTERS)
def test_a_list_is_exact_whatever_filters_it_and_goes_on_by_cursor(
    app: Client, many: list[WebhookRow], asked: dict[str, str]
) -> None:
    expected = [
        row.delivery_id
        for row in many
        if asked.get("status") in (None, "", row.status) and asked.get("event") in (None, "", row.event)
    ]
    assert [each["_id"] for each in find(app, **asked)] == expected
    for limit in ("1", "4", str(len(expected))):
        paged = list(read_pages(app, LIST, "deliveries", limit=limit, **asked))
        assert [each["_id"] for page in paged for each in page] == expected
        assert all(len(page) == int(limit) for page in paged[:-1])
        assert paged[-1]


def test_a_cursor_serves_its_own_filters_alone(app: Client, many: list[WebhookRow]) -> None:
    cursor = app.get(LIST, limit="1", status="delivered").json["cursor"]
    assert app.get(LIST, limit="1", status="delivered", cursor=cursor).status == 200
    for other in ({}, {"status": "failed"}, {"status": "delivered", "event": "handoff.created"}):
        assert app.get(LIST, cursor=cursor, **other).status == 400


def test_a_status_that_has_changed_since_the_index_was_read_is_not_shown(app: Client) -> None:
    moved, stays = failed(app), failed(app)
    assert len(find(app)) == 2
    with act_before_call("BatchGetItem", replayed(moved), at=(1,)):
        shown = find(app, status="failed")
    assert [each["_id"] for each in shown] == [stays.delivery_id]


@pytest.mark.parametrize("asked", [{"status": "lost"}, {"event": "handoff"}], ids=str)
def test_a_filter_that_nothing_can_match_is_refused(app: Client, asked: dict[str, str]) -> None:
    refused = app.get(LIST, **asked)
    assert (refused.status, refused.json) == (400, {"error": f"Invalid field: {min(asked)}"})


@pytest.mark.parametrize("number", [0, 3])
def test_a_list_reads_its_own_app_alone(app: Client, many: list[WebhookRow], number: int) -> None:
    other = create_app(handoff_webhook_url="https://127.0.0.1:1/")
    made = [announce(other) for _ in range(number)]
    assert len(find(other)) == len(find(other, status="pending")) == len(made)
    assert find(other, appSlug=app.slug) == []


@pytest.mark.parametrize("path", [LIST, REPLAY])
def test_a_session_token_opens_neither(app: Client, path: str) -> None:
    token = {"authorization": f"Bearer {app.open_session()}"}
    method = "GET" if path == LIST else "POST"
    body = {"deliveryId": failed(app).delivery_id}
    refused = call(method, path, body=None if method == "GET" else body, headers=token)
    reason = "Session tokens are not accepted here: use the app secret"
    assert (refused.status, refused.json) == (401, {"error": "Unauthorized", "reason": reason})


# -- replay ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["delivered", "failed"])
def test_what_has_ended_is_sent_once_more_under_its_id(
    server: Server, names: Names, queue: Queue, status: str
) -> None:
    names.resolve("tools.example", ["127.0.0.1"])
    app = create_app(handoff_webhook_url=server.make_url("tools.example"))
    server.act = send_reply(200 if status == "delivered" else 400)
    row = announce(app)
    deliver(row)
    assert find_stored(row).status == status
    server.act = send_reply(200)

    assert app.post(REPLAY, {"deliveryId": row.delivery_id}).json == {"ok": True}
    [shown] = find(app, status="pending")
    assert (shown["_id"], len(shown["attempts"])) == (row.delivery_id, 1)
    assert find_stored(row).expires_at is None
    assert queue.work() == 1
    assert [request.headers["webhook-id"] for request in server.requests] == [row.delivery_id] * 2
    assert [each.status for each in find_stored(row).attempts] == [200 if status == "delivered" else 400, 200]
    assert find_stored(row).status == "delivered"


def test_a_replay_has_all_its_attempts_anew(app: Client) -> None:
    row = announce(app)
    row.change([WebhookRow.claims.set(SCHEDULE.max_attempts), *row.end_changes("failed", NOON)])
    app.post(REPLAY, {"deliveryId": row.delivery_id})
    with time_machine.travel(find_stored(row).due_at / 1000, tick=False):
        claimed = find_stored(row).claim(int(find_stored(row).due_at))
    assert claimed
    assert claimed.claims == 1


def test_attempts_of_many_replays_are_forgotten_but_for_the_latest(app: Client) -> None:
    tried = [DeliveryAttempt(at=NOON + place, duration_ms=1, status=500) for place in range(100)]
    row = settled(announce(app), "failed", *tried)
    app.post(REPLAY, {"deliveryId": row.delivery_id})
    assert [each.at for each in find_stored(row).attempts] == [NOON + place for place in range(68, 100)]


def test_a_delivery_that_is_pending_stays_as_it_is(app: Client, queue: Queue) -> None:
    row = announce(app)
    before = read_rows(app.slug)
    assert app.post(REPLAY, {"deliveryId": row.delivery_id}).json == {"ok": True}
    assert read_rows(app.slug) == before
    assert queue.take_bodies() == []


@pytest.mark.parametrize("name", ["unknown", "x" * 1_000, "é#ID#", "foreign"])
def test_a_delivery_that_is_not_the_apps_is_not_found(app: Client, name: str) -> None:
    foreign = failed(create_app(handoff_webhook_url="https://127.0.0.1:1/"))
    asked = foreign.delivery_id if name == "foreign" else name
    refused = app.post(REPLAY, {"deliveryId": asked})
    assert (refused.status, refused.json) == (404, {"error": "Delivery not found"})
    assert find_stored(foreign).status == "failed"


def test_a_replay_that_meets_another_is_well(app: Client, queue: Queue) -> None:
    row = failed(app)
    with act_before_call("UpdateItem", replayed(row), at=(1,)):
        assert app.post(REPLAY, {"deliveryId": row.delivery_id}).json == {"ok": True}
    assert queue.take_bodies() == [{"app": app.slug, "deliveryId": row.delivery_id}]


def test_a_delivery_that_goes_while_it_is_replayed_does_not_come_back(app: Client) -> None:
    row = failed(app)
    with act_before_call("UpdateItem", lambda _: row.delete(), at=(1,)), pytest.raises(NotFound):
        deliveries.replay(app.slug, row.delivery_id)
    assert row.find_stored() is None


# -- operators ---------------------------------------------------------------------------------------------


def test_a_redrive_has_all_that_failed_sent_again_and_nothing_else(app: Client, queue: Queue) -> None:
    given_up = [failed(app, event) for event in (*EVENTS, *EVENTS)]
    delivered, waiting = settled(announce(app), "delivered"), announce(app)
    printed = run_for_lines("webhooks", "redrive", "--app", app.slug)
    assert {each["deliveryId"] for each in printed} == {row.delivery_id for row in given_up}
    assert {find_stored(row).status for row in given_up} == {"pending"}
    assert (find_stored(delivered).status, find_stored(waiting).status) == ("delivered", "pending")
    assert run_for_lines("webhooks", "redrive", "--app", app.slug) == []
    sweep()
    assert {each["deliveryId"] for each in queue.take_bodies()} >= {row.delivery_id for row in given_up}


def test_a_redrive_that_is_cut_off_goes_on_when_it_is_run_again(app: Client) -> None:
    given_up = [failed(app) for _ in range(25)]
    first = next(deliveries.redrive(app.slug))
    assert first == given_up[0].delivery_id
    assert {find_stored(row).status for row in given_up[10:]} == {"failed"}
    assert [*deliveries.redrive(app.slug)] == [row.delivery_id for row in given_up[10:]]
    assert {find_stored(row).status for row in given_up} == {"pending"}


def test_a_dry_redrive_names_them_and_changes_nothing(app: Client, queue: Queue) -> None:
    row, before = failed(app), read_rows(app.slug)
    assert run_for_lines("webhooks", "redrive", "--app", app.slug, "--dry-run") == [
        {"app": app.slug, "deliveryId": row.delivery_id}
    ]
    assert read_rows(app.slug) == before
    assert queue.take_bodies() == []


@pytest.mark.parametrize("command", [("redrive", "--app"), ("enable",)], ids=" ".join)
def test_an_app_that_does_not_exist_is_a_sentence(command: tuple[str, ...]) -> None:
    result = run("webhooks", *command, "nobody")
    assert (result.exit_code, result.stderr) == (1, "Error: App not found: nobody\n")


def test_an_address_is_enabled_again(app: Client) -> None:
    webhook_settings.disable(app.slug, "https://127.0.0.1:1/")
    assert run_for_lines("app", "show", app.slug)[0]["webhookDisabled"] == "https://127.0.0.1:1/"
    assert run_for_lines("webhooks", "enable", app.slug) == [{"app": app.slug, "done": "address enabled"}]
    assert "webhookDisabled" not in run_for_lines("app", "show", app.slug)[0]


def test_a_new_signing_secret_is_printed_once_and_kept_sealed(app: Client) -> None:
    printed = run("app", "webhook-secret", "rotate", app.slug)
    secret = printed.stdout.strip()
    assert printed.exit_code == 0
    assert secret.startswith("whsec_")
    assert len(b64decode(secret.removeprefix("whsec_"))) == 32
    assert live_secrets(app) == [secret]
    told = (
        str(read_rows(app.slug))
        + run("app", "show", app.slug).output
        + run("audit", "--app", app.slug).output
    )
    assert "webhook-secret rotate" in told
    assert secret not in told
    assert secret.removeprefix("whsec_") not in told


@pytest.mark.parametrize(
    ("options", "count", "valid_until"),
    [
        ((), 2, lambda now: now + 24 * 3_600_000),
        (("--overlap", "1h"), 2, lambda now: now + 3_600_000),
        (("--overlap", "0s"), 1, None),
    ],
    ids=["a day", "an hour", "none"],
)
def test_the_secret_before_signs_for_the_overlap(
    app: Client, options: tuple[str, ...], count: int, valid_until: Callable[[int], int] | None
) -> None:
    with time_machine.travel(NOON / 1000, tick=False):
        first = run_for_lines("app", "webhook-secret", "rotate", app.slug)[0]["secret"]
        second = run_for_lines("app", "webhook-secret", "rotate", app.slug, *options)[0]["secret"]
        shown = run_for_lines("app", "show", app.slug)[0]["webhookSecrets"]
        live = live_secrets(app)
    assert live == [second, first][:count]
    ends = [valid_until(NOON)] if valid_until else []
    assert shown == [{"validUntil": end} for end in (None, *ends)]


def test_two_rotations_at_once_never_lose_a_secret_that_was_printed(app: Client) -> None:
    def another(_: int) -> None:
        webhook_settings.rotate_secret(app.slug, 0)

    with act_before_call("UpdateItem", another, at=(1,)):
        result = run("app", "webhook-secret", "rotate", app.slug)
    assert result.exit_code == 1
    assert result.stderr == f"Error: App was changed at the same time: {app.slug}. Try again.\n"
    assert "whsec_" not in result.output


def test_every_list_is_one_query_for_each_place_and_one_read(app: Client) -> None:
    failed(app)
    app.get("/api/persona")
    cases: list[tuple[dict[str, str], int, int]] = [
        ({}, 1, 0),
        ({"status": "failed"}, 6, 1),
        ({"event": EVENTS[0]}, 3, 1),
    ]
    for asked, queries, reads in cases:
        with record_calls() as calls:
            find(app, **asked)
        assert calls.operations == ["Query"] * queries + ["BatchGetItem"] * reads
