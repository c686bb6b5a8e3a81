"""Where events become deliveries: in the transaction of what they report, so that none is lost or made up."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from genai_voice.foundation.clock import now_ms, time_ordered_id
from genai_voice.foundation.queue import QueueMessage, send_messages
from genai_voice.foundation.settings import settings
from genai_voice.tenancy.model import App, WebhookEvent
from genai_voice.webhooks.rows import DeliveryRow


def deliveries(app: App, event: WebhookEvent, **ids: Any) -> list[DeliveryRow]:
    """The rows to be inserted together with what has happened: one, or none where the app does not ask for
    the event. `ids` go into the body beside event, appSlug and timestamp; no content does.

    Once they are written, `send` them.
    """
    if event not in app.webhook_events:
        return []
    now = now_ms()
    moment = datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds")
    body = {"event": event, **ids, "appSlug": app.slug, "timestamp": moment.replace("+00:00", "Z")}
    row = DeliveryRow.of(app.slug, time_ordered_id(now))
    row.event, row.payload, row.status = event, to_json(body).decode(), "pending"
    row.created_at, row.gsi2pk, row.gsi2sk = now, row.list_key(app.slug, "pending", event), row.sk
    row.set_due(now)
    return [row]


def send(rows: Sequence[DeliveryRow], delay_s: int = 0) -> None:
    """Tell the sender of rows that are written, of which the keys suffice, `delay_s` seconds from now. One
    that does not hear of it finds them at the next sweep.
    """
    messages = [QueueMessage(message(*row.named), group=row.named[0]) for row in rows]
    send_messages(settings().webhook_queue_url, messages, delay_s)


def message(app: str, delivery_id: str) -> str:
    """What the queue says of a delivery."""
    return to_json({"app": app, "deliveryId": delivery_id}).decode()
