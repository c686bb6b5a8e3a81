"""A delivery is sent: claimed, posted, and what came of it recorded.

    claim (a lease) ──> POST ──> record: delivered, failed, or due again ──> nudge

The request is outside of every transaction. A worker that dies between sending and recording leaves a lease
that runs out: the sweep finds the delivery, and it goes out again under the same id, by which receivers know
it.
"""

from time import perf_counter
from typing import NamedTuple

from genai_voice.foundation import outgoing
from genai_voice.foundation.clock import now_ms
from genai_voice.foundation.queue import MAX_DELAY_S
from genai_voice.foundation.sealing import Unreadable
from genai_voice.tenancy import webhooks
from genai_voice.tenancy.rows import AppRow
from genai_voice.webhooks import outbox
from genai_voice.webhooks.retries import GONE, MAX_ATTEMPTS, Next, after_answer, after_error
from genai_voice.webhooks.rows import Attempt, DeliveryRow
from genai_voice.webhooks.signing import signed_headers

SECONDS = 8.0
"""Of an attempt in all: look-up, connection, request and the head of the answer."""


class Way(NamedTuple):
    address: str
    secrets: list[str]


class Hindrance(NamedTuple):
    """Nothing can be sent as things are."""

    reason: str
    """What an operator may change, and then redrive."""


def deliver(app: str, delivery_id: str, *, seconds: float = SECONDS) -> str:
    """Make the attempt that is due, if one is. Answers in a word what the delivery is now: delivered, failed,
    or pending (another attempt is planned); `not due` and `overtaken` leave it to others.
    """
    way = _way(app)  # before an attempt is counted: what fails here is no fault of the receiver's
    row = DeliveryRow.of(app, delivery_id).claimed(now_ms())
    if row is None:
        return "not due"
    if row.claims > MAX_ATTEMPTS:
        way = Hindrance("It was begun as often as it may be, and at last nobody came to record the outcome.")
    if isinstance(way, Hindrance):
        attempt = Attempt(at=now_ms(), duration_ms=0, error=way.reason)  # type: ignore[no-untyped-call]
        return _record(row, attempt, Next("failed"))
    attempt, following = _attempt(row, way, seconds)
    if attempt.status == GONE:
        webhooks.disable(app, way.address)
    return _record(row, attempt, following)


def _way(slug: str) -> "Way | Hindrance":
    """Where an app's webhooks go and what signs them, or why nothing can be sent."""
    app = AppRow.find_by_slug(slug)
    if app is None or not app.is_active:
        return Hindrance("The app is disabled.")
    address = app.handoff_webhook_url
    if not address:
        return Hindrance("The app has no address for webhooks.")
    if address == app.webhook_disabled:
        return Hindrance("The address has answered 410, and nothing is sent to it until it is enabled.")
    try:
        return Way(address, webhooks.list_live_secrets(app))
    except Unreadable:
        return Hindrance("The signing secret can no longer be read: rotate it.")


def _attempt(row: DeliveryRow, way: Way, seconds: float) -> tuple[Attempt, Next]:
    """One request, and what follows from its answer. The body of that is nobody's business."""
    at, started = now_ms(), perf_counter()
    attempt = Attempt(at=at)  # type: ignore[no-untyped-call]
    body, headers = row.payload.encode(), {"content-type": "application/json"}
    headers |= signed_headers(way.secrets, row.delivery_id, now_ms(), row.payload)
    try:
        answer = outgoing.send(
            "POST", way.address, headers=headers, body=body, seconds=seconds, reads_body=False
        )
    except outgoing.RequestFailed as reason:
        attempt.error = str(reason)
        following = after_error(int(row.claims), for_good=isinstance(reason, outgoing.PolicyRefused))
    else:
        attempt.status = answer.status
        following = after_answer(int(row.claims), answer.status, answer.retry_after, now_ms())
    attempt.duration_ms = round((perf_counter() - started) * 1000)
    return attempt, following


def _record(row: DeliveryRow, attempt: Attempt, following: Next) -> str:
    """What was delivered is recorded also when the lease was lost meanwhile; all else only by whoever has
    it.
    """
    now = now_ms()
    if following.status == "pending":
        actions, condition = row.set_due_changes(now + following.wait_s * 1000), row.is_leased()
    elif following.status == "failed":
        actions, condition = row.ends("failed", now), row.is_leased()
    else:
        undelivered = DeliveryRow.status.is_in("pending", "failed")
        actions, condition = row.ends("delivered", now), undelivered & row.is_in_its_round()
    if not row.change([*actions, row.tried(attempt)], condition):
        return "overtaken"
    if following.status == "pending" and following.wait_s <= MAX_DELAY_S:
        outbox.send([row], following.wait_s)
    return following.status
