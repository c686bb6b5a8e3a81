"""Rows of conversations and of annotations."""

from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import islice
from math import inf
from operator import and_
from typing import Any, Self

from genai_voice.foundation.keys import make_key, make_time_key
from genai_voice.foundation.table import (
    BinaryAttribute,
    Condition,
    Item,
    ListAttribute,
    NumberAttribute,
    UnicodeAttribute,
)

MAX_MS = 10.0**15 - 1
"""The latest moment that a key can hold."""

CONVERSATION_KEY = make_key("CONVERSATION")
"""The sort key of a conversation in the partition of its session."""

_WITHOUT_TRANSCRIPT = [
    *("pk", "sk", "kind", "session_id", "status", "started_at", "ended_at"),
    *("created_at", "message_count", "transcript_bytes", "reply_bytes"),
    *("handed_off_since", "with_person", "exposures", "counted"),
]


def make_session_pk(app: str, session: str) -> str:
    """The partition of all that is stored of a session."""
    return make_key("APP", app, "SESSION", session)


class ConversationRow(Item, discriminator="conversation"):
    """The row of a conversation, which exists once it has a status. Before that the row may carry the
    exposures of the session, or the configuration of its live token.
    """

    session_id = UnicodeAttribute()
    status = UnicodeAttribute()
    started_at = NumberAttribute()  # epoch ms
    ended_at = NumberAttribute()  # epoch ms of the last save
    message_count = NumberAttribute()
    channel = UnicodeAttribute(null=True)
    resolution = UnicodeAttribute(null=True)
    agent_modes = UnicodeAttribute(null=True)
    persona_version = UnicodeAttribute(null=True)  # in force when it began
    config_hash = UnicodeAttribute(null=True)  # of its latest live token; may be there before all else
    tail = BinaryAttribute(legacy_encoding=False, null=True)  # the open lines of the transcript, packed
    sealed = BinaryAttribute(legacy_encoding=False, null=True)  # the segment that ends what is before them
    line_keys = BinaryAttribute(legacy_encoding=False, null=True)  # digest of all lines' (role, ts)
    said = NumberAttribute(null=True)  # characters of all lines
    transcript = BinaryAttribute(legacy_encoding=False, null=True)  # of before: whole, compressed
    transcript_revision = UnicodeAttribute(null=True)  # of before: whole, in parts: `<id>.<how many>`
    transcript_bytes = NumberAttribute(null=True)  # in a reply, rounded up for lists; 0 without messages
    reply_bytes = NumberAttribute(null=True)  # exactly; rows of before have only the one above, and exact
    handed_off_since = NumberAttribute(null=True)  # epoch ms, until it is given back to the agent
    with_person: ListAttribute[Any] = ListAttribute(
        of=NumberAttribute, null=True
    )  # [from, until, ...] before
    experiment_variant = UnicodeAttribute(null=True)  # the one that was assigned last
    exposures: ListAttribute[Any] = ListAttribute(null=True)  # [[experiment, variant], ...] of its session
    counted: ListAttribute[Any] = ListAttribute(
        of=NumberAttribute, null=True
    )  # the Outcome that the sums of its experiments hold of it

    @classmethod
    def of(cls, app: str, session: str) -> Self:
        return cls(make_session_pk(app, session), CONVERSATION_KEY)

    def is_unchanged(self, *names: str) -> Condition:
        """Whether these attributes are as they were read: the condition of a write."""
        row = type(self)
        read = [(getattr(row, name), getattr(self, name)) for name in names]
        same: Condition = reduce(
            and_, (each.does_not_exist() if value is None else each == value for each, value in read)
        )
        return same

    @staticmethod
    def make_list_key(app: str, status: str | None = None) -> str:
        """Partition of the list of an app's conversations, all or of one status."""
        return (
            make_key("APP", app, "CONVERSATIONS", status) if status else make_key("APP", app, "CONVERSATIONS")
        )

    @classmethod
    def list_newest(cls, app: str, status: str | None, before: str | None, limit: int) -> list[Self]:
        """List what the index knows of them, newest created first, beginning after the position `before`."""
        return cls.list_latest("gsi2" if status else "gsi1", cls.make_list_key(app, status), before, limit)

    @classmethod
    def list_first_saved(
        cls,
        app: str,
        since_ms: float = 0,
        until_ms: float = MAX_MS,
        *,
        status: str | None = None,
        newest_first: bool = False,
    ) -> Iterator[Self]:
        """List what the index knows of those first saved from `since_ms` until before `until_ms`, read by the
        hundred.
        """
        index, place = ("gsi2", cls.gsi2sk) if status else ("gsi1", cls.gsi1sk)
        return cls.query(
            cls.make_list_key(app, status),
            place.between(make_time_key(since_ms, ""), make_time_key(until_ms, "")),
            index_name=index,
            scan_index_forward=not newest_first,
            page_size=100,
        )

    @classmethod
    def count_first_saved(cls, app: str, since_ms: float = 0, until_ms: float = MAX_MS) -> int:
        """Count those first saved in this time. Reads their entries in the index, about 20 in a capacity unit
        of 4 KB.
        """
        return cls.count(
            cls.make_list_key(app),
            cls.gsi1sk.between(make_time_key(since_ms, ""), make_time_key(until_ms, "")),
            index_name="gsi1",
        )

    @classmethod
    def count_with_status(cls, app: str, status: str) -> int:
        """Count those of a status. Reads their entries in the index."""
        return cls.count(
            cls.make_list_key(app, status),
            cls.gsi2sk.between(make_time_key(0, ""), make_time_key(MAX_MS, "")),
            index_name="gsi2",
        )

    @classmethod
    def load_without_transcripts(cls, listed: Iterable[Self]) -> Iterator[Self]:
        """Load these rows, in their order, with all attributes but their transcripts. A hundred are held at a
        time; whole rows are paid for.
        """
        rest = iter(listed)
        while keys := [(each.pk, each.sk) for each in islice(rest, 100)]:
            found = {row.pk: row for row in cls.batch_get(keys, attributes_to_get=_WITHOUT_TRANSCRIPT)}
            yield from (found[pk] for pk, _ in keys if pk in found)

    @property
    def has_transcript(self) -> bool:
        return any(each is not None for each in (self.line_keys, self.transcript, self.transcript_revision))

    @classmethod
    def find_spans_with_person(cls, app: str, session: str) -> list[tuple[float, float]]:
        """Find when the conversation was with a person, in epoch ms: the last span may be open (inf)."""
        row = cls.of(app, session)
        wanted = ["pk", "sk", "kind", "handed_off_since", "with_person"]
        found = next(iter(cls.batch_get([(row.pk, row.sk)], True, attributes_to_get=wanted)), None)
        if found is None:
            return []
        closed = list(found.with_person or ())
        spans = list(zip(closed[::2], closed[1::2], strict=True))
        return [*spans, *([(found.handed_off_since, inf)] if found.handed_off_since is not None else [])]


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
        return cls(make_session_pk(app, session), make_key("ANNOTATION"))

    @staticmethod
    def make_list_key(app: str, quality: str | None = None) -> str:
        """Partition of the list of an app's annotations, all or of one quality."""
        return (
            make_key("APP", app, "ANNOTATIONS", quality) if quality else make_key("APP", app, "ANNOTATIONS")
        )

    @classmethod
    def list_newest(cls, app: str, quality: str | None, before: str | None, limit: int) -> list[Self]:
        """List what the index knows of them, newest created first, beginning after the position `before`."""
        return cls.list_latest("gsi2" if quality else "gsi1", cls.make_list_key(app, quality), before, limit)
