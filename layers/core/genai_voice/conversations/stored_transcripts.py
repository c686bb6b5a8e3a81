"""Transcripts in the table: stored before the row that points at them, read in one place, expired when
nothing points at them any more.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from pydantic_core import to_json

from genai_voice.conversations.model import TranscriptItem
from genai_voice.conversations.rows import ConversationRow, TranscriptPart
from genai_voice.conversations.transcripts import count_reply_bytes, pack, round_up_for_lists, unpack
from genai_voice.foundation.clock import get_now_ms, make_time_ordered_id
from genai_voice.foundation.pages import REPLY_BYTES
from genai_voice.foundation.table import Action
from genai_voice.foundation.transactions import put_all

LISTED_ROW_BYTES = 1_000
"""Of a listed conversation besides its transcript, about."""
MAX_SHOWN_BYTES = REPLY_BYTES - LISTED_ROW_BYTES
"""Of a transcript that a reply can hold."""

_RETENTION_S = 3600
"""How long the parts of a replaced transcript stay, for those who have just read where they are."""

PartKey: TypeAlias = tuple[str, str]
"""The keys of a part: (pk, sk)."""


class StoredTranscript(NamedTuple):
    """The changes by which a save writes its transcript: none where it brings no messages."""

    changes: Sequence[Action] = ()
    """Changes of the conversation's row."""
    revision: str | None = None
    """The revision of the parts that are stored beside the row. None for a transcript that fits the row."""


def store_transcript(row: ConversationRow, items: Sequence[TranscriptItem]) -> StoredTranscript:
    """Pack a transcript for the write of the row. The parts of a long one are stored here, before anything
    points at them: where the write of the row is refused for good, expire them with `expire_parts`.
    """
    text = to_json(items).decode()
    pieces, size = pack(text), count_reply_bytes(text)
    about = [
        ConversationRow.message_count.set(len(items)),
        ConversationRow.transcript_bytes.set(round_up_for_lists(size, MAX_SHOWN_BYTES) if items else 0),
        ConversationRow.reply_bytes.set(size),
    ]
    if len(pieces) == 1:
        inline = [ConversationRow.transcript.set(pieces[0]), ConversationRow.transcript_revision.remove()]
        return StoredTranscript([*about, *inline])
    revision, parts = TranscriptPart.from_pieces(row.pk, make_time_ordered_id(), pieces)
    put_all(parts)
    beside = [ConversationRow.transcript.remove(), ConversationRow.transcript_revision.set(revision)]
    return StoredTranscript([*about, *beside], revision)


def read_transcript(row: ConversationRow) -> str | None:
    """Read a transcript as JSON text. Answers None where there is none, or a part is missing."""
    return unpack_transcript(row, TranscriptPart.find_all(row.list_part_keys()))


def unpack_transcript(row: ConversationRow, parts: Mapping[PartKey, TranscriptPart]) -> str | None:
    """Unpack a conversation's transcript, which is in the row or among these parts, as JSON text. Answers
    None where there is none, or a part is missing: a torn row must not break a list.
    """
    return (
        unpack([row.transcript]) if row.transcript is not None else unpack_parts(row.list_part_keys(), parts)
    )


def unpack_parts(places: Sequence[PartKey], parts: Mapping[PartKey, TranscriptPart]) -> str | None:
    """Unpack the transcript of these parts as JSON text. Answers None where there are none, or one is
    missing.
    """
    if not places or not all(place in parts for place in places):
        return None
    return unpack([parts[place].data for place in places])


def expire_parts(pk: str, revision: str) -> None:
    """Have the parts of this revision expire an hour from now."""
    for place in TranscriptPart.list_part_keys(pk, revision):
        expiry = TranscriptPart.expires_at.set(get_now_ms() // 1000 + _RETENTION_S)
        TranscriptPart(*place).change([expiry], TranscriptPart.pk.exists())


def expire_replaced_parts(
    row: ConversationRow, replaced: ConversationRow | None, present: str | None
) -> None:
    """Have the parts expire that a write has replaced. The `present` revision stays, whatever the table says
    was replaced: a write that was sent again finds its own.
    """
    if replaced and replaced.transcript_revision not in (None, present):
        expire_parts(row.pk, replaced.transcript_revision)
