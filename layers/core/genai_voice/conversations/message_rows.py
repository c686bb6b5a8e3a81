"""Rows of messages, and how what was sent of one message becomes one again.

A message is known by its session, participant, role, time and content. Each way in which it was sent has a
row of its own: as interim or final, with or without a language, a room, a trace. So whatever is sent again,
and however late, replaces only its equal. Readers join the rows of a message, which are neighbours.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from genai_voice.conversations.rows import make_session_pk
from genai_voice.foundation.keys import digest, make_key, make_time_key
from genai_voice.foundation.table import BooleanAttribute, Item, NumberAttribute, UnicodeAttribute

PLACE_LENGTH = len(make_key("MESSAGE", make_time_key(0, digest())).rstrip("#"))
"""Of a sort key: rows that have so much of it in common are neighbours."""
_SHORT = 16  # hex digits that tell apart what lies at one place


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message, joined of its rows."""

    message_id: str
    session_id: str
    participant_identity: str
    role: str
    content: str
    created_at: float
    is_final: bool
    room_name: str | None
    language: str | None
    is_truncated: bool
    trace_ids: tuple[str, ...]
    """Of every trace that any of its rows came with."""

    @property
    def sk(self) -> str:
        """What the sort keys of its rows begin with."""
        return make_key("MESSAGE", self.message_id)


class MessageRow(Item, discriminator="message"):
    """A message as it was sent once."""

    session_id = UnicodeAttribute()
    participant_identity = UnicodeAttribute()
    role = UnicodeAttribute()
    content = UnicodeAttribute()
    is_final = BooleanAttribute()
    room_name = UnicodeAttribute(null=True)
    language = UnicodeAttribute(null=True)
    trace_id = UnicodeAttribute(null=True)
    truncated = BooleanAttribute(null=True)  # True where what was sent was longer
    id_of_before = UnicodeAttribute(null=True, attr_name="message_id")  # which the key has too
    size_of_before = NumberAttribute(null=True, attr_name="transcript_bytes")  # that the index of traces has

    def set_key(self, app: str) -> None:
        """Set the key by all that the row says. A row of before ends at its place, and has no role there: it
        is the neighbour of what is sent of the same message now.
        """
        place = make_time_key(
            self.created_at or 0, digest(app, self.session_id, self.participant_identity, self.content)
        )
        flags = (str(self.is_final), str(bool(self.truncated)))
        role = digest(self.role)[:_SHORT]
        rest = digest(*flags, self.language or "", self.room_name or "", self.trace_id or "")[:_SHORT]
        self.pk = make_session_pk(app, self.session_id)
        self.sk = make_key("MESSAGE", f"{place}-{role}", "PART", rest)

    @property
    def message_id(self) -> str:
        """What all rows of a message have in common."""
        return self.sk.split("#")[1]

    @classmethod
    def count_in_partition(cls, partition: str) -> int:
        """Count the messages in a session's partition. Reads the rows as DynamoDB's own count would, which
        knows only rows, but transfers of them no more than their keys and roles.
        """
        rows = cls.query(
            partition, cls.sk.startswith("MESSAGE#"), attributes_to_get=["pk", "sk", "kind", "role"]
        )
        return sum(len({row.role for row in neighbours}) for neighbours in _group_neighbours(rows))

    @classmethod
    def list_in_session(cls, app: str, session: str, after: str | None = None) -> Iterator[StoredMessage]:
        """List messages by time of creation, those after the place `after`."""
        pk, place = make_session_pk(app, session), (after or "MESSAGE#")[:PLACE_LENGTH]
        rows = cls.query(pk, cls.sk.between(place, "MESSAGE#~"), consistent_read=True)
        return (each for each in join_messages(rows) if not after or each.sk > after)

    @classmethod
    def list_newest_in_session(cls, app: str, session: str, limit: int) -> Iterator[StoredMessage]:
        """List the last messages by time of creation, the last one first, read by the `limit`."""
        rows = cls.query(
            make_session_pk(app, session),
            cls.sk.startswith("MESSAGE#"),
            consistent_read=True,
            scan_index_forward=False,
            page_size=limit,
        )
        return islice(join_messages(rows, newest_first=True), limit)


def join_messages(rows: Iterable[MessageRow], *, newest_first: bool = False) -> Iterator[StoredMessage]:
    """Join rows of a session, which come in the order of their keys or against it, into its messages."""
    for neighbours in _group_neighbours(rows):
        messages = _join_neighbours(sorted(neighbours, key=lambda row: row.sk))
        yield from reversed(messages) if newest_first else messages


def _group_neighbours(rows: Iterable[MessageRow]) -> Iterator[Iterator[MessageRow]]:
    """Group rows by their place: they differ in their roles at most, or are of one message."""
    return (neighbours for _, neighbours in groupby(rows, key=lambda row: row.sk[:PLACE_LENGTH]))


def _join_neighbours(rows: Iterable[MessageRow]) -> list[StoredMessage]:
    by_role: dict[str, list[MessageRow]] = {}
    for row in rows:
        by_role.setdefault(row.role, []).append(row)
    return [_join_parts(parts) for parts in by_role.values()]


def _join_parts(rows: Sequence[MessageRow]) -> StoredMessage:
    """Join the rows of one message: it is final if any of them is, and whatever one of them knows is known.
    Where they differ, a final one is believed, and then the first.
    """
    first, believed = rows[0], sorted(rows, key=lambda row: not row.is_final)
    return StoredMessage(
        message_id=first.message_id,
        session_id=first.session_id,
        participant_identity=first.participant_identity,
        role=first.role,
        content=first.content,
        created_at=first.created_at or 0,
        is_final=believed[0].is_final,
        room_name=_find_known(row.room_name for row in believed),
        language=_find_known(row.language for row in believed),
        is_truncated=any(row.truncated for row in rows),
        trace_ids=tuple(dict.fromkeys(row.trace_id for row in believed if row.trace_id)),
    )


def _find_known(values: Iterable[str | None]) -> str | None:
    """Find the first text that is not empty, or else what the first of them is."""
    found = list(values)
    return next(filter(None, found), found[0])
