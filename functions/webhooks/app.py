"""Webhooks: what an app was told of its events, what came of it, and sending it once more."""

from genai_voice.foundation.errors import NotFound
from genai_voice.foundation.model import Ok
from genai_voice.tenancy import Api, Caller
from genai_voice.webhooks import deliveries
from genai_voice.webhooks.model import DeliveryPage, DeliveryQuery, ReplayRequest

api = Api()


@api.get("/api/webhooks/deliveries", scope="secret")
def list_deliveries(caller: Caller, query: DeliveryQuery) -> DeliveryPage:
    """List the deliveries of the app, newest first; `status` and `event` filter."""
    return deliveries.list_newest(caller.app.slug, query)


@api.post("/api/webhooks/deliveries/replay", scope="secret", raises=(NotFound,))
def replay(caller: Caller, body: ReplayRequest) -> Ok:
    """Have a delivery that has ended sent again, under the same `webhook-id`. One that is pending stays as it
    is.
    """
    return deliveries.replay(caller.app.slug, body.delivery_id)


handler = api.handle
