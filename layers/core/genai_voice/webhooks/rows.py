"""How deliveries of webhooks are stored."""

from typing import get_args

from genai_voice.delivery.rows import DeliveryRow
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import UnicodeAttribute
from genai_voice.tenancy.model import WebhookEvent


class WebhookRow(DeliveryRow, discriminator="delivery"):
    """One event that an app is told of."""

    COLLECTION = "DELIVERY"
    TOPICS = get_args(WebhookEvent)

    event = UnicodeAttribute()
    payload = UnicodeAttribute()  # JSON, as it is sent

    @property
    def topic(self) -> str:
        return self.event

    @staticmethod
    def make_list_key(app: str, status: str, topic: str) -> str:
        return make_key("APP", app, "DELIVERIES", status, "EVENT", topic)
