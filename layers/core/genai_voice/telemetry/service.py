"""Events, which come in batches."""

import zlib
from collections import Counter
from collections.abc import Iterable

from pydantic_core import to_json

from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.trace_sessions import tie_sessions
from genai_voice.telemetry.model import Event, EventBatch, EventsInserted
from genai_voice.telemetry.rows import EventsRow

_ITEM_BYTES = 350 * 1024  # compressed; an item of DynamoDB holds 400 KB


def save_events(app: str, batch: EventBatch, trace_id: str | None) -> EventsInserted:
    """Store the batch as one item, or as few as hold it. The same batch sent again is stored once; equal
    events of one batch are each kept.
    """
    if batch.events:
        tie_sessions(app, trace_id, [batch.session_id])
    for events in _split_into_items(_number_equal(batch.events)):
        first_ts = min(event["ts"] for event in events)  # a timeline reads batches by it
        row = EventsRow.of(app, batch.session_id, first_ts, to_json(events).decode(), trace_id)
        row.event_count, row.created_at = len(events), get_now_ms()
        row.save()
    return add_optional(EventsInserted(inserted=len(batch.events)), dropped=batch.dropped or None)


def count_batches(session: str) -> int:
    """Count the stored batches in a session's partition."""
    return EventsRow.count_batches(session)


def _number_equal(events: Iterable[Event]) -> list[Event]:
    """Number those that are equal to one before them: a key pressed twice in a millisecond was pressed twice.
    The first of them stays as it is, so that it is the same event in a batch that has only grown.
    """
    seen = Counter[tuple[float, str, str | None]]()
    numbered = list[Event]()
    for event in events:
        same = (event["ts"], event["eventType"], event.get("data"))
        seen[same] += 1
        is_first = seen[same] == 1
        numbered.append(event if is_first else add_optional(event.copy(), nth=seen[same]))
    return numbered


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
