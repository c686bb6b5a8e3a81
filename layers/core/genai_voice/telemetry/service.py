"""Events, which come in batches."""

import zlib

from pydantic_core import to_json

from genai_voice.foundation.clock import get_now_ms
from genai_voice.telemetry.model import Event, EventBatch, EventsInserted
from genai_voice.telemetry.rows import EventsRow

_ITEM_BYTES = 350 * 1024  # compressed; an item of DynamoDB holds 400 KB


def save_events(app: str, batch: EventBatch, trace_id: str | None) -> EventsInserted:
    """Store the batch as one item, or as few as hold it. The same batch sent again is stored once."""
    for events in _split_into_items(batch.events):
        first_ts = min(event["ts"] for event in events)  # a timeline reads batches by it
        row = EventsRow.of(app, batch.session_id, first_ts, to_json(events).decode(), trace_id)
        row.event_count, row.created_at = len(events), get_now_ms()
        row.save()
    return {"inserted": len(batch.events)}


def count_batches(session: str) -> int:
    """Count the stored batches in a session's partition."""
    return EventsRow.count_batches(session)


def _split_into_items(events: list[Event]) -> list[list[Event]]:
    """Split the events into runs of which each fits an item."""
    if not events:
        return []
    text = to_json(events)
    # A text that is short enough as it is need not be tried: compression adds a few bytes at worst.
    if len(events) == 1 or len(text) < _ITEM_BYTES or len(zlib.compress(text, 6)) <= _ITEM_BYTES:
        return [events]
    half = len(events) // 2
    return [*_split_into_items(events[:half]), *_split_into_items(events[half:])]
