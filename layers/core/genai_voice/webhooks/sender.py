"""A delivery is sent: claimed, posted, and what came of it recorded.

    claim (a lease) ──> POST ──> record: delivered, failed, or due again ──> nudge

The request is outside of every transaction. A worker that dies between sending and recording leaves a lease
that runs out: the sweep finds the delivery, and it goes out again under the same id, by which receivers know
it.
"""

from time import perf_counter

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


class Hindered(Exception):
    """Nothing can be sent as things are. The message says what an operator may change, and then redrive."""


def deliver(app: str, delivery_id: str, *, seconds: float = SECONDS) -> str:
    """Make the attempt that is due, if one is. Answers in a word what the delivery is now: delivered, failed,
    or pending (another attempt is planned); `not due` and `overtaken` leave it to others.
    """
    row = DeliveryRow.of(app, delivery_id).claimed(now_ms())
    if row is None:
        return "not due"
    try:
        address, headers = _prepared(row)
    except Hindered as reason:
        attempt = Attempt(at=now_ms(), duration_ms=0, error=str(reason))  # type: ignore[no-untyped-call]
        return _record(row, attempt, Next("failed"))
    attempt, following = _attempt(row, address, headers, seconds)
    if attempt.status == GONE:
        webhooks.disable(app, address)
    return _record(row, attempt, following)


def _prepared(row: DeliveryRow) -> tuple[str, dict[str, str]]:
    """The address and the headers. Raises Hindered."""
    app = AppRow.load(row.app)
    if row.claims > MAX_ATTEMPTS:
        raise Hindered("It was begun as often as it may be, and at last nobody came to record the outcome.")
    if app is None or not app.is_active:
        raise Hindered("The app is disabled.")
    address = app.handoff_webhook_url
    if not address:
        raise Hindered("The app has no address for webhooks.")
    if address == app.webhook_disabled:
        raise Hindered("The address has answered 410, and nothing is sent to it until it is enabled.")
    try:
        secrets = webhooks.live_secrets(app)
    except Unreadable:
        raise Hindered("The signing secret can no longer be read: rotate it.") from None
    headers = {"content-type": "application/json"}
    return address, headers | signed_headers(secrets, row.delivery_id, now_ms(), row.payload)


def _attempt(row: DeliveryRow, address: str, headers: dict[str, str], seconds: float) -> tuple[Attempt, Next]:
    """One request, and what follows from its answer. The body of that is nobody's business."""
    at, started = now_ms(), perf_counter()
    attempt = Attempt(at=at)  # type: ignore[no-untyped-call]
    body = row.payload.encode()
    try:
        answer = outgoing.send("POST", address, headers=headers, body=body, seconds=seconds, reads_body=False)
    except outgoing.Failed as reason:
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
        actions, condition = row.falls_due(now + following.wait_s * 1000), row.is_leased()
    elif following.status == "failed":
        actions, condition = row.ends("failed", now), row.is_leased()
    else:
        actions, condition = row.ends("delivered", now), DeliveryRow.status.is_in("pending", "failed")
    if not row.change([*actions, row.tried(attempt)], condition):
        return "overtaken"
    if following.status == "pending" and following.wait_s <= MAX_DELAY_S:
        outbox.send([row], following.wait_s)
    return following.status
