"""Events become deliveries here, which are stored in the transaction of what they report."""

from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from genai_voice.delivery.outbox import Outbox
from genai_voice.foundation.clock import get_now_ms, make_time_ordered_id
from genai_voice.foundation.settings import get_settings
from genai_voice.tenancy.model import App, WebhookEvent
from genai_voice.webhooks.rows import WebhookRow

WEBHOOKS = Outbox(WebhookRow, lambda: get_settings().webhook_queue_url)


def make_deliveries(app: App, event: WebhookEvent, **ids: Any) -> list[WebhookRow]:
    """Make the rows to be inserted together with what has happened: one, or none where the app does not ask
    for the event. `ids` go into the body beside event, appSlug and timestamp; no content does.

    Once they are written: `WEBHOOKS.notify_sender`.
    """
    if event not in app.webhook_events:
        return []
    now = get_now_ms()
    moment = datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds")
    body = {"event": event, **ids, "appSlug": app.slug, "timestamp": moment.replace("+00:00", "Z")}
    row = WebhookRow.of(app.slug, make_time_ordered_id(now))
    row.event, row.payload = event, to_json(body).decode()
    row.set_pending(now)
    return [row]
