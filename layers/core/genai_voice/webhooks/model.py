"""Deliveries of webhooks: requests and replies."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from genai_voice.delivery.model import AttemptView, DeliveryStatus
from genai_voice.foundation.model import EnumOrDefault, Listing, Name, PageSize, Request
from genai_voice.tenancy.model import WebhookEvent


class DeliveryQuery(Listing):
    status: EnumOrDefault[DeliveryStatus | None] = None
    event: EnumOrDefault[WebhookEvent | None] = None
    limit: PageSize = 100


class DeliveryView(TypedDict):
    _id: str
    """What the receiver is sent as `webhook-id`, with every attempt."""
    _creationTime: float
    appSlug: str
    event: str
    status: DeliveryStatus
    payload: dict[str, Any]
    """The body that is sent."""
    createdAt: float
    attempts: list[AttemptView]
    """Oldest first."""
    nextAttemptAt: NotRequired[float]
    """Epoch ms, while it is pending."""


class DeliveryPage(TypedDict):
    deliveries: list[DeliveryView]
    cursor: NotRequired[str]


class ReplayRequest(Request):
    delivery_id: Name
