"""The sender of webhooks: where those of an app go, and how one is posted."""

from functools import partial
from typing import NamedTuple

from genai_voice.delivery.attempts import make_attempt
from genai_voice.delivery.model import AttemptResult, Undeliverable
from genai_voice.foundation import outgoing
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.sealing import Unreadable
from genai_voice.tenancy import webhook_settings
from genai_voice.tenancy.rows import AppRow
from genai_voice.webhooks.outbox import WEBHOOKS
from genai_voice.webhooks.retries import GONE, SCHEDULE, plan_after_answer, plan_after_error
from genai_voice.webhooks.rows import WebhookRow
from genai_voice.webhooks.signing import sign_headers

SECONDS = 8.0
"""Of an attempt in all: look-up, connection, request and the head of the answer."""


class Destination(NamedTuple):
    address: str
    secrets: list[str]


def deliver(app: str, delivery_id: str, *, seconds: float = SECONDS) -> str:
    """Make the attempt that is due, if one is. Answers in a word what the delivery is now: see
    `make_attempt`.
    """
    return make_attempt(
        WEBHOOKS,
        app,
        delivery_id,
        max_attempts=SCHEDULE.max_attempts,
        prepare=_find_destination,
        send=partial(_post, seconds=seconds),
    )


def _find_destination(slug: str) -> Destination | Undeliverable:
    """Find where an app's webhooks go and what signs them, or why nothing can be sent."""
    app = AppRow.find_by_slug(slug)
    if app is None or not app.is_active:
        return Undeliverable("The app is disabled.")
    address = app.handoff_webhook_url
    if not address:
        return Undeliverable("The app has no address for webhooks.")
    if address == app.webhook_disabled:
        return Undeliverable("The address has answered 410, and nothing is sent to it until it is enabled.")
    try:
        return Destination(address, webhook_settings.list_live_secrets(app))
    except Unreadable:
        return Undeliverable("The signing secret can no longer be read: rotate it.")


def _post(row: WebhookRow, destination: Destination, *, seconds: float) -> AttemptResult:
    """Post a webhook, and say what follows from the answer, whose body is nobody's business. An address that
    wants no more is disabled.
    """
    attempt = int(row.claims)
    headers = {"content-type": "application/json"}
    headers |= sign_headers(destination.secrets, row.delivery_id, get_now_ms(), row.payload)
    try:
        answer = outgoing.send(
            "POST",
            destination.address,
            headers=headers,
            body=row.payload.encode(),
            seconds=seconds,
            reads_body=False,
        )
    except outgoing.RequestFailed as reason:
        for_good = isinstance(reason, outgoing.PolicyRefused)
        return AttemptResult(plan_after_error(attempt, for_good=for_good), error=str(reason))
    if answer.status == GONE:
        webhook_settings.disable(row.app, destination.address)
    step = plan_after_answer(attempt, answer.status, answer.retry_after, get_now_ms())
    return AttemptResult(step, answer_status=answer.status)
