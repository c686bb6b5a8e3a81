"""How deliveries of webhooks are stored."""

from typing import Any, Self

from genai_voice.foundation.keys import key
from genai_voice.foundation.table import Item, ListAttribute, MapAttribute, NumberAttribute, UnicodeAttribute


class Attempt(MapAttribute[str, Any]):
    """One request to the app's address, and what came of it."""

    at = NumberAttribute()  # epoch ms
    duration_ms = NumberAttribute()
    status = NumberAttribute(null=True)  # of the answer, where there was one
    error = UnicodeAttribute(null=True)  # a sentence, where there was none


class DeliveryRow(Item, discriminator="delivery"):
    """One event that an app is told of. It is due until it is delivered or given up."""

    delivery_id = UnicodeAttribute()
    app = UnicodeAttribute()
    event = UnicodeAttribute()
    payload = UnicodeAttribute()  # JSON, as it is sent
    status = UnicodeAttribute()  # pending, delivered or failed
    attempts: ListAttribute[Any] = ListAttribute(of=Attempt, null=True)

    @classmethod
    def of(cls, app: str, delivery_id: str) -> Self:
        return cls(key("APP", app, "DELIVERY"), key("ID", delivery_id), app=app, delivery_id=delivery_id)

    @staticmethod
    def list_key(app: str, status: str, event: str) -> str:
        """Partition of the list of an app's deliveries of one status and event."""
        return key("APP", app, "DELIVERIES", status, "EVENT", event)
