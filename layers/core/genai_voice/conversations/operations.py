"""The work of operators on the conversations of an app: dump, count and repair them (contract 3.18).

What takes long is an iterator that works as it is consumed. Who stops consuming stops the work, and nothing
is half done. Who begins anew goes on, because what is done is not found again.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import cast

from genai_voice.conversations.exposures import derive_stored_outcome, outcome_changes
from genai_voice.conversations.lifecycle import STATUSES, is_stale
from genai_voice.conversations.listing import view_facts
from genai_voice.conversations.message_rows import MessageRow
from genai_voice.conversations.model import ConversationDump, TranscriptItem
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.saving import write_end
from genai_voice.conversations.segment_writes import finish_write, write_transcript
from genai_voice.conversations.stored_transcripts import read_transcript
from genai_voice.conversations.transcripts import Transcript, count_reply_bytes
from genai_voice.conversations.writes import require_as_read, require_no_save_since
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.transactions import Change, write
from genai_voice.outcomes.outcome import measure_duration_ms
from genai_voice.tenancy.apps import load_app
from genai_voice.tenancy.model import App

STALE_AFTER_MS = 900_000
_EMPTY_BYTES = count_reply_bytes(b"[]")  # as rows of before say it; others say 0


# -- reading -----------------------------------------------------------------------------------------------


def dump(
    app: str, *, status: str | None = None, since_ms: float = 0, limit: int | None = None
) -> Iterator[ConversationDump]:
    """Dump conversations with their transcripts parsed, newest first saved first: those of a status, those
    first saved since then (epoch ms), at most `limit`.

    One conversation is held at a time. One read each, and two or a few more for one with segments.
    """
    listed = ConversationRow.list_first_saved(app, since_ms, status=status, newest_first=True)
    found = (row for row in (place.find_stored() for place in listed) if row)
    for row in islice(found, limit):
        yield _build_dump(app, row)


def _build_dump(app: str, row: ConversationRow) -> ConversationDump:
    """View a conversation with its transcript parsed."""
    view = cast(ConversationDump, view_facts(app, row))
    if row.has_transcript:
        transcript = read_transcript(row)
        if transcript is None:
            view["transcriptOmitted"] = True
        else:
            view["transcript"] = json.loads(transcript)
    return view


def count_by_status(app: str) -> dict[str, int]:
    """Count conversations by status. Reads their entries in the index, one query per status."""
    return {status: ConversationRow.count_with_status(app, status) for status in STATUSES}


def count_messages(partition: str) -> int:
    """Count the stored messages in a session's partition."""
    return MessageRow.count_in_partition(partition)


def list_partitions(app: str) -> Iterator[str]:
    """List the partitions of the sessions that have a conversation: what is stored of a session is there."""
    return (row.pk for row in ConversationRow.list_first_saved(app))


@dataclass(frozen=True, slots=True)
class Usage:
    conversations: int = 0
    duration_ms: float = 0
    messages: int = 0


def count_first_saved(app: str, since_ms: float, until_ms: float) -> int:
    """Count the conversations that `sum_usage` sums up."""
    return ConversationRow.count_first_saved(app, since_ms, until_ms)


def sum_usage(app: str, since_ms: float, until_ms: float) -> Iterator[Usage]:
    """Sum up the conversations that were first saved from `since_ms` until before `until_ms` (epoch ms).
    Answers the sum after each conversation.

    A conversation counts wholly in the month of its first save, by the service's clock, which no client can
    set. It lasted from its start to its last save (`measure_duration_ms`). Its messages are all those of its
    session, whenever they were said. Each conversation costs the reading of its row and of its messages.
    """
    total = Usage()
    for row in ConversationRow.load_without_transcripts(
        ConversationRow.list_first_saved(app, since_ms, until_ms)
    ):
        total = Usage(
            total.conversations + 1,
            total.duration_ms
            + measure_duration_ms(row.started_at, row.ended_at, row.created_at or row.started_at),
            total.messages + MessageRow.count_in_partition(row.pk),
        )
        yield total


# -- repairing ---------------------------------------------------------------------------------------------


def resolve_stale(app: str, *, stale_after_ms: int = STALE_AFTER_MS, dry_run: bool = False) -> Iterator[str]:
    """Resolve the active conversations of which nothing was saved for `stale_after_ms`, those first saved
    first. Answers the session of each as it is done.

    Only active conversations as old as that are looked at. Each is resolved in one write, under the condition
    that it is still as it was read: a call that goes on meanwhile stays active. A conversation always has a
    status, so "none", which the contract treats like active, is not looked for.
    """
    now, owner = get_now_ms(), load_app(app).as_app()
    listed = ConversationRow.list_first_saved(app, 0, now - stale_after_ms + 1, status="active")
    for row in ConversationRow.load_without_transcripts(listed):
        stale = row.status == "active" and is_stale(row.started_at, row.ended_at, now, stale_after_ms)
        if stale and (dry_run or _resolve(owner, row)):
            yield row.session_id


def _resolve(app: App, read: ConversationRow) -> bool:
    """Resolve a conversation. Answers False where it has changed since it was read."""
    row, now = ConversationRow, get_now_ms()
    actions = [
        row.status.set("resolved"),
        row.gsi2pk.set(row.make_list_key(app.slug, "resolved")),
        row.resolution.set("completed"),
        row.ended_at.set(row.ended_at | now),
    ]
    unchanged = read.is_unchanged("status", "ended_at", "exposures", "counted")
    ended_at = now if read.ended_at is None else read.ended_at
    outcome = derive_stored_outcome(read, "resolved", ended_at)
    changes = outcome_changes(app.slug, Change(read, actions, unchanged), read, outcome)
    return write_end(app, read.session_id, "resolved", changes)


@dataclass(frozen=True, slots=True)
class Backfilled:
    session_id: str
    messages: int


def backfill(app: str, *, dry_run: bool = False) -> Iterator[Backfilled]:
    """Give conversations without a transcript, or with an empty one, the final messages of their session as
    their transcript, by time; those first saved first. Answers each as it is done.

    The index tells which they are; those without final messages stay as they are. Each gets its transcript in
    one write, under the condition that it still has none: what a client saves meanwhile stays.
    """
    listed = ConversationRow.list_first_saved(app)
    lacking = (row for row in listed if (row.transcript_bytes or 0) <= _EMPTY_BYTES)
    for row in ConversationRow.load_without_transcripts(lacking):
        items = _list_final_messages(app, row.session_id)
        if items and (dry_run or _fill(row, items)):
            yield Backfilled(row.session_id, len(items))


def _list_final_messages(app: str, session: str) -> list[TranscriptItem]:
    return [
        {"role": message.role, "content": message.content, "ts": message.created_at}
        for message in MessageRow.list_in_session(app, session)
        if message.is_final
    ]


def _fill(listed: ConversationRow, items: list[TranscriptItem]) -> bool:
    """Write the transcript. Answers False for a conversation that has one by now, or is gone."""
    row = listed.find_stored()
    if row is None or (row.transcript_bytes or 0) > _EMPTY_BYTES:
        return False
    filled = Transcript(items)
    written = write_transcript(row, filled)
    unchanged = require_as_read(row) & require_no_save_since(row)
    if not write([Change(row, written.changes, unchanged), *written.checks], puts=written.puts):
        present = row.find_stored()  # its own write, sent again, is refused too
        return present is not None and present.line_keys == filled.line_keys
    finish_write(row, written, row)
    return True
