"""What operators, and later a schedule, do with the conversations of an app (contract 3.18).

All are iterators that do their work as they are consumed: whoever stops consuming stops the work, nothing is
half done, and beginning anew goes on, since what is done is not found again.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import cast

from genai_voice.conversations.lifecycle import STATUSES, is_stale, lasted_ms
from genai_voice.conversations.model import ConversationDump, TranscriptItem
from genai_voice.conversations.rows import ConversationRow, MessageRow, TranscriptPart
from genai_voice.conversations.service import (
    comes_to,
    end_together,
    expire_parts,
    facts,
    store_transcript,
    transcript_pieces,
)
from genai_voice.conversations.tallies import counting
from genai_voice.conversations.transcripts import reply_bytes, unpack
from genai_voice.foundation.clock import now_ms
from genai_voice.foundation.transactions import Change
from genai_voice.tenancy.apps import load_app
from genai_voice.tenancy.model import App

STALE_AFTER_MS = 900_000
_EMPTY_BYTES = reply_bytes("[]")


# -- reading -----------------------------------------------------------------------------------------------


def dump(
    app: str, *, status: str | None = None, since_ms: float = 0, limit: int | None = None
) -> Iterator[ConversationDump]:
    """Conversations with their transcripts parsed, newest first saved first; those of a status, those first
    saved since then (epoch ms), at most `limit`.

    One conversation is held at a time. One read each, one more per 100 parts of a long transcript.
    """
    listed = ConversationRow.first_saved(app, since_ms, status=status, newest_first=True)
    found = (row for row in (place.find_stored() for place in listed) if row)
    for row in islice(found, limit):
        yield _dumped(app, row)


def _dumped(app: str, row: ConversationRow) -> ConversationDump:
    view = cast(ConversationDump, facts(app, row))
    if row.transcript is not None or row.transcript_revision:
        pieces = transcript_pieces(row, TranscriptPart.find_all(row.part_keys()))
        if pieces:
            view["transcript"] = json.loads(unpack(pieces))
        else:
            view["transcriptOmitted"] = True
    return view


def count(app: str) -> dict[str, int]:
    """Conversations by status. Reads their entries in the index, one query per status."""
    return {status: ConversationRow.count_with(app, status) for status in STATUSES}


def count_messages(session: str) -> int:
    """Stored messages in a session's partition."""
    return MessageRow.count_of(session)


def sessions(app: str) -> Iterator[str]:
    """The partitions of the sessions that have a conversation: what is stored of a session is there."""
    return (row.pk for row in ConversationRow.first_saved(app))


@dataclass(frozen=True, slots=True)
class Usage:
    conversations: int = 0
    duration_ms: float = 0
    messages: int = 0


def count_begun(app: str, since_ms: float, until_ms: float) -> int:
    """How many conversations `usage` will look at."""
    return ConversationRow.count_first_saved(app, since_ms, until_ms)


def usage(app: str, since_ms: float, until_ms: float) -> Iterator[Usage]:
    """What was used from `since_ms` until before `until_ms` (epoch ms): the sum after each conversation.

    A conversation counts, whole, in the month of its first save, by the service's clock, which no client can
    set. It lasted from its start to its last save (`lasted_ms`). Its messages are all those of its session,
    whenever they were said. Each conversation costs the reading of its row and of its messages.
    """
    total = Usage()
    for row in ConversationRow.briefly(ConversationRow.first_saved(app, since_ms, until_ms)):
        total = Usage(
            total.conversations + 1,
            total.duration_ms + lasted_ms(row.started_at, row.ended_at, row.created_at or row.started_at),
            total.messages + MessageRow.count_of(row.pk),
        )
        yield total


# -- repairing ---------------------------------------------------------------------------------------------


def resolve_stale(app: str, *, stale_after_ms: int = STALE_AFTER_MS, dry_run: bool = False) -> Iterator[str]:
    """Resolve the active conversations of which nothing was saved for `stale_after_ms`: the session of each,
    as it is done, those first saved first.

    Only active conversations as old as that are looked at. Each is resolved in one write, under the condition
    that it is still as it was read: a call that goes on meanwhile stays active. A conversation always has a
    status, so "none", which the contract treats like active, is not looked for.
    """
    now, owner = now_ms(), load_app(app).as_app()
    listed = ConversationRow.first_saved(app, 0, now - stale_after_ms + 1, status="active")
    for row in ConversationRow.briefly(listed):
        stale = row.status == "active" and is_stale(row.started_at, row.ended_at, now, stale_after_ms)
        if stale and (dry_run or _resolve(owner, row)):
            yield row.session_id


def _resolve(app: App, read: ConversationRow) -> bool:
    row, now = ConversationRow, now_ms()
    actions = [
        row.status.set("resolved"),
        row.gsi2pk.set(row.list_key(app.slug, "resolved")),
        row.resolution.set("completed"),
        row.ended_at.set(row.ended_at | now),
    ]
    unchanged = read.unchanged("status", "ended_at", "exposures", "counted")
    ended_at = now if read.ended_at is None else read.ended_at
    changes = counting(app.slug, Change(read, actions, unchanged), read, comes_to(read, "resolved", ended_at))
    return end_together(app, read.session_id, "resolved", changes)


@dataclass(frozen=True, slots=True)
class Backfilled:
    session_id: str
    messages: int


def backfill(app: str, *, dry_run: bool = False) -> Iterator[Backfilled]:
    """Give conversations without a transcript, or with an empty one, that of the final messages of their
    session, by time: each, as it is done, those first saved first.

    The index tells which they are; those without final messages stay as they are. Each gets its transcript in
    one write, under the condition that it still has none: what a client saves meanwhile stays.
    """
    listed = ConversationRow.first_saved(app)
    lacking = (row for row in listed if (row.transcript_bytes or 0) <= _EMPTY_BYTES)
    for row in ConversationRow.briefly(lacking):
        items = _final_messages(app, row.session_id)
        if items and (dry_run or _fill(row, items)):
            yield Backfilled(row.session_id, len(items))


def _final_messages(app: str, session: str) -> list[TranscriptItem]:
    return [
        {"role": message.role, "content": message.content, "ts": message.created_at or 0}
        for message in MessageRow.of_session(app, session, None)
        if message.is_final
    ]


def _fill(row: ConversationRow, items: list[TranscriptItem]) -> bool:
    """Answers False for a conversation that has got a transcript, or is gone, meanwhile."""
    size = ConversationRow.transcript_bytes
    transcript = store_transcript(row, items)
    lacks_one = ConversationRow.pk.exists() & (size.does_not_exist() | (size <= _EMPTY_BYTES))
    if row.change(transcript.actions, lacks_one):
        return True
    if transcript.revision:
        stored = row.find_stored()
        if stored and stored.transcript_revision == transcript.revision:  # its own write, sent again
            return True
        expire_parts(row.pk, transcript.revision)
    return False
