"""Deliveries of webhooks are looked at, and sent once more."""

from collections.abc import Iterator
from functools import partial
from typing import cast

from pydantic_core import from_json

from genai_voice.delivery import replays
from genai_voice.delivery.listing import list_deliveries, view_attempts
from genai_voice.delivery.model import DeliveryStatus
from genai_voice.foundation.model import Ok, add_optional
from genai_voice.webhooks.model import DeliveryPage, DeliveryQuery, DeliveryView
from genai_voice.webhooks.outbox import WEBHOOKS
from genai_voice.webhooks.rows import WebhookRow


def list_newest(app: str, query: DeliveryQuery) -> DeliveryPage:
    """List the newest first, as many as were asked for and fit 5 MB; `cursor` where more are left."""
    views, cursor = list_deliveries(
        WEBHOOKS,
        app,
        query,
        partial(_view, app),
        name="deliveries",
        status=query.status,
        topic=query.event,
        limit=query.limit,
    )
    return add_optional(DeliveryPage(deliveries=views), cursor=cursor)


def replay(app: str, delivery_id: str) -> Ok:
    """Have a delivery that has ended sent again, under the same id. One that is pending stays as it is.
    Raises NotFound, Busy.
    """
    return replays.replay(WEBHOOKS, app, delivery_id)


def redrive(app: str, *, dry_run: bool = False) -> Iterator[str]:
    """Have every delivery of the app that was given up sent again: the id of each, as it is done."""
    return replays.redrive(WEBHOOKS, app, dry_run=dry_run)


def _view(app: str, row: WebhookRow) -> DeliveryView:
    created_at = row.created_at or 0
    view: DeliveryView = {
        "_id": row.delivery_id,
        "_creationTime": created_at,
        "appSlug": app,
        "event": row.event,
        "status": cast(DeliveryStatus, row.status),
        "payload": from_json(row.payload),
        "createdAt": created_at,
        "attempts": view_attempts(row),
    }
    return add_optional(view, nextAttemptAt=row.due_at)
