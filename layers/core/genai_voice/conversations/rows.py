"""How conversations, the parts of long transcripts, messages and annotations are stored."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Self

from genai_voice.foundation.keys import at, digest, key
from genai_voice.foundation.table import (
    BinaryAttribute,
    BooleanAttribute,
    Item,
    ListAttribute,
    NumberAttribute,
    UnicodeAttribute,
)

MAX_MS = 10.0**15 - 1
"""The latest moment that a key can hold."""

_BRIEF = [
    *("pk", "sk", "kind", "session_id", "status", "started_at", "ended_at"),
    *("created_at", "message_count", "transcript_bytes"),
]


def session_pk(app: str, session: str) -> str:
    return key("APP", app, "SESSION", session)


class ConversationRow(Item, discriminator="conversation"):
    session_id = UnicodeAttribute()
    status = UnicodeAttribute()
    started_at = NumberAttribute()  # epoch ms
    ended_at = NumberAttribute()  # epoch ms of the last save
    message_count = NumberAttribute()
    channel = UnicodeAttribute(null=True)
    resolution = UnicodeAttribute(null=True)
    agent_modes = UnicodeAttribute(null=True)
    persona_version = UnicodeAttribute(null=True)  # in force when it began
    transcript = BinaryAttribute(legacy_encoding=False, null=True)  # compressed
    transcript_revision = UnicodeAttribute(null=True)  # when the transcript is in parts: `<id>.<how many>`
    transcript_bytes = NumberAttribute(null=True)  # in a reply

    @classmethod
    def of(cls, app: str, session: str) -> Self:
        return cls(session_pk(app, session), key("CONVERSATION"))

    @staticmethod
    def list_key(app: str, status: str | None = None) -> str:
        """Partition of the list of an app's conversations, all or of one status."""
        return key("APP", app, "CONVERSATIONS", status) if status else key("APP", app, "CONVERSATIONS")

    @classmethod
    def newest(cls, app: str, status: str | None, before: str | None, limit: int) -> list[Self]:
        """What the index knows of them, newest created first, beginning after position `before`."""
        return cls.latest("gsi2" if status else "gsi1", cls.list_key(app, status), before, limit)

    @classmethod
    def first_saved(
        cls,
        app: str,
        since_ms: float = 0,
        until_ms: float = MAX_MS,
        *,
        status: str | None = None,
        newest_first: bool = False,
    ) -> Iterator[Self]:
        """What the index knows of those first saved from `since_ms` until before `until_ms`, read by the
        hundred.
        """
        index, place = ("gsi2", cls.gsi2sk) if status else ("gsi1", cls.gsi1sk)
        return cls.query(
            cls.list_key(app, status),
            place.between(at(since_ms, ""), at(until_ms, "")),
            index_name=index,
            scan_index_forward=not newest_first,
            page_size=100,
        )

    @classmethod
    def count_first_saved(cls, app: str, since_ms: float = 0, until_ms: float = MAX_MS) -> int:
        """How many there are. Reads their entries in the index, about 20 in a capacity unit of 4 KB."""
        return cls.count(
            cls.list_key(app), cls.gsi1sk.between(at(since_ms, ""), at(until_ms, "")), index_name="gsi1"
        )

    @classmethod
    def count_with(cls, app: str, status: str) -> int:
        """How many have this status. Reads their entries in the index."""
        return cls.count(
            cls.list_key(app, status), cls.gsi2sk.between(at(0, ""), at(MAX_MS, "")), index_name="gsi2"
        )

    @classmethod
    def briefly(cls, listed: Iterable[Self]) -> Iterator[Self]:
        """These rows, in their order and with all but their transcripts. Whole rows are paid for, a hundred
        are held.
        """
        rest = iter(listed)
        while keys := [(each.pk, each.sk) for each in islice(rest, 100)]:
            found = {row.pk: row for row in cls.batch_get(keys, attributes_to_get=_BRIEF)}
            yield from (found[pk] for pk, _ in keys if pk in found)

    def part_keys(self, revision: str | None = None) -> list[tuple[str, str]]:
        """Where the parts of the transcript, or of this revision of it, are, in their order."""
        revision = str(revision or self.transcript_revision or "")
        count = int(revision.rpartition(".")[2] or 0)
        return [(self.pk, TranscriptPart.sk_of(revision, part)) for part in range(count)]


class TranscriptPart(Item, discriminator="transcript"):
    data = BinaryAttribute(legacy_encoding=False)

    @staticmethod
    def sk_of(revision: str, part: int) -> str:
        return key("TRANSCRIPT", f"{revision}:{part:04d}")


class MessageRow(Item, discriminator="message"):
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
        """Its key is made of its content, so that a message that is sent again is the same row."""
        message_id = at(created_at, digest(app, session, participant, content))
        return cls(session_pk(app, session), key("MESSAGE", message_id), message_id=message_id)

    @classmethod
    def count_of(cls, session: str) -> int:
        """How many there are in a session's partition. Reads them all, and carries none."""
        return cls.count(session, cls.sk.startswith("MESSAGE#"))

    @classmethod
    def of_session(cls, app: str, session: str, after: str | None) -> Iterator[Self]:
        """By time of creation, beginning after position `after` (a sort key)."""
        pk = session_pk(app, session)
        wanted = cls.sk.startswith("MESSAGE#") if after is None else cls.sk.between(after + "!", "MESSAGE#~")
        return cls.query(pk, wanted, consistent_read=True)


class AnnotationRow(Item, discriminator="annotation"):
    session_id = UnicodeAttribute()
    conversation_id = UnicodeAttribute()  # of the first save; "" where that had none, so that it stays so
    quality_rating = UnicodeAttribute()
    failure_modes: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute)
    notes = UnicodeAttribute()
    annotated_by = UnicodeAttribute()
    updated_at = NumberAttribute()

    @classmethod
    def of(cls, app: str, session: str) -> Self:
        return cls(session_pk(app, session), key("ANNOTATION"))

    @staticmethod
    def list_key(app: str, quality: str | None = None) -> str:
        """Partition of the list of an app's annotations, all or of one quality."""
        return key("APP", app, "ANNOTATIONS", quality) if quality else key("APP", app, "ANNOTATIONS")

    @classmethod
    def newest(cls, app: str, quality: str | None, before: str | None, limit: int) -> list[Self]:
        """What the index knows of them, newest created first, beginning after position `before`."""
        return cls.latest("gsi2" if quality else "gsi1", cls.list_key(app, quality), before, limit)
