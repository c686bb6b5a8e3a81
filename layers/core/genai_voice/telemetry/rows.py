"""Rows of events: a batch is one item."""

from typing import Self

from genai_voice.foundation.keys import digest, make_key, make_time_key
from genai_voice.foundation.table import CompressedText, Item, NumberAttribute, UnicodeAttribute


class EventsRow(Item, discriminator="events"):
    session_id = UnicodeAttribute()
    events = CompressedText()  # JSON: [{eventType, ts, data?, nth?}]: nth of those that are equal, from 2 on
    event_count = NumberAttribute()
    trace_id = UnicodeAttribute(null=True)
    size_of_before = NumberAttribute(null=True, attr_name="transcript_bytes")  # that the index of traces has

    @classmethod
    def count_batches(cls, session: str) -> int:
        """Count the batches in a session's partition. Reads them all, but transfers none."""
        return cls.count(session, cls.sk.startswith("EVENTS#"))

    @classmethod
    def of(cls, app: str, session: str, first_ts: float, events: str, trace_id: str | None) -> Self:
        """Build a row whose key is made of its content, so that a batch sent again is the same row."""
        place = make_time_key(first_ts, digest(app, session, trace_id or "", events))
        return cls(
            make_key("APP", app, "SESSION", session),
            make_key("EVENTS", place),
            session_id=session,
            events=events,
            trace_id=trace_id or None,
        )
