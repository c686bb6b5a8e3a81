"""Rows of messages."""

from collections.abc import Iterator
from typing import Self

from genai_voice.conversations.rows import make_session_pk
from genai_voice.foundation.keys import digest, make_key, make_time_key
from genai_voice.foundation.table import BooleanAttribute, UnicodeAttribute
from genai_voice.foundation.trace_items import TraceItem


class MessageRow(TraceItem, discriminator="message"):
    session_id = UnicodeAttribute()
    participant_identity = UnicodeAttribute()
    role = UnicodeAttribute()
    content = UnicodeAttribute()
    is_final = BooleanAttribute()
    room_name = UnicodeAttribute(null=True)
    language = UnicodeAttribute(null=True)
    trace_id = UnicodeAttribute(null=True)
    message_id = UnicodeAttribute()

    @classmethod
    def of(cls, app: str, session: str, participant: str, created_at: float, content: str) -> Self:
        """Build a row whose key is made of its content, so that a message sent again is the same row."""
        message_id = make_time_key(created_at, digest(app, session, participant, content))
        return cls(make_session_pk(app, session), make_key("MESSAGE", message_id), message_id=message_id)

    @classmethod
    def count_in_partition(cls, partition: str) -> int:
        """Count the messages in a session's partition. Reads them all, but transfers none."""
        return cls.count(partition, cls.sk.startswith("MESSAGE#"))

    @classmethod
    def list_in_session(cls, app: str, session: str, after: str | None) -> Iterator[Self]:
        """List messages by time of creation, beginning after the position `after` (a sort key)."""
        pk = make_session_pk(app, session)
        wanted = cls.sk.startswith("MESSAGE#") if after is None else cls.sk.between(after + "!", "MESSAGE#~")
        return cls.query(pk, wanted, consistent_read=True)

    @classmethod
    def list_newest_in_session(cls, app: str, session: str, limit: int) -> Iterator[Self]:
        """List the last messages by time of creation, the last one first."""
        wanted = cls.sk.startswith("MESSAGE#")
        pk = make_session_pk(app, session)
        return cls.query(pk, wanted, consistent_read=True, scan_index_forward=False, limit=limit)
