"""Events: what clients report of a session, by the batch."""

from genai_voice.telemetry import service
from genai_voice.telemetry.model import EventBatch, EventsInserted
from genai_voice.tenancy import Api, Caller

api = Api()


@api.post("/api/events")
def save_events(caller: Caller, body: EventBatch, trace_id: str | None) -> EventsInserted:
    """Save what happened in a session, by the batch."""
    return service.save_events(caller.app.slug, body, trace_id)


handler = api.handle
