"""How segments are written: before the row that points at them, and never changed. What nothing points at any
more gets an expiry.

A name stands for a text, so a text that comes back finds its segment, perhaps with an expiry. Then the
segment is put once more in the transaction that points at it, which takes the expiry away. A process that
dies between leaves a segment that nothing points at: it stays, and goes with its session.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from genai_voice.conversations.model import TranscriptItem
from genai_voice.conversations.packing import pack
from genai_voice.conversations.rows import CONVERSATION_KEY, ConversationRow
from genai_voice.conversations.segment_rows import (
    SegmentRow,
    Shelf,
    TranscriptPart,
    read_name,
    write_name,
    write_names,
)
from genai_voice.conversations.stored_transcripts import (
    MAX_SHOWN_BYTES,
    Chain,
    Link,
    read_chain,
    recall_chain,
    remember_chain,
)
from genai_voice.conversations.transcripts import (
    SegmentName,
    Transcript,
    cut_pieces,
    join_lines,
    name_piece,
    name_segment,
    round_up_for_lists,
)
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.table import Action, Item
from genai_voice.foundation.transactions import Change, put_all, write_together

_RETENTION_S = 3600
"""How long what was replaced stays, for those who have just read where it is."""
_IN_A_TRANSACTION = 99


class Segments(NamedTuple):
    """A segment that is not stored yet, and its pieces."""

    name: SegmentName
    head: SegmentRow
    pieces: Sequence[SegmentRow]


class TranscriptWrite(NamedTuple):
    """What a save writes of its transcript: nothing where it brings no lines. Missing segments are stored."""

    changes: Sequence[Action] = ()
    """Changes of the conversation's row."""
    puts: Sequence[SegmentRow] = ()
    """To be written together with it."""
    checks: Sequence[Change] = ()
    """To be asked together with it."""
    chain: Chain | None = None
    """The sealed part, where all of it is known."""
    replaced: Chain = ()
    """What the write no longer points at."""


def write_unread(row: ConversationRow, new: Transcript) -> TranscriptWrite:
    """Write a transcript of whose row nothing was read. Where this process has kept the sealed part but for
    its last segment, the call has just grown by that: it is stored here, so that the row need not refuse the
    save for it. In `puts` it is where it was stored before.
    """
    shelf = Shelf(row.pk)
    if new.sealed and recall_chain(shelf, write_name(new.sealed)) is None and new.sealed_before:
        known = recall_chain(shelf, write_name(new.sealed_before))
        if known:
            return _store_after(shelf, new, known)
    return TranscriptWrite(transcript_changes(new))


def write_growth(row: ConversationRow, new: Transcript, sealed: bytes | None) -> TranscriptWrite:
    """Store what a growth seals anew, after the segment `sealed`."""
    shelf = Shelf(row.pk)
    return _store_after(shelf, new, recall_chain(shelf, sealed), read_name(sealed) if sealed else None)


def write_transcript(
    row: ConversationRow, new: Transcript, lines: Sequence[TranscriptItem] = (), chain: Chain = ()
) -> TranscriptWrite:
    """Store what is missing of a transcript, where these lines are stored in this chain of segments: it goes
    on after the last segment that it shares.
    """
    shelf = Shelf(row.pk)
    same = next(
        (place for place, (old, line) in enumerate(zip(lines, new.lines, strict=False)) if old != line),
        min(len(lines), len(new.lines)),
    )
    sealed = min(same, new.sealed_count)
    if chain and chain[-1].name.lines > sealed:
        # What this process remembers may have been put again since, after other segments.
        chain = read_chain(shelf, chain[-1].name)
    kept = tuple(link for link in chain if link.name.lines <= sealed)
    written = _store_after(shelf, new, kept)
    return written._replace(replaced=chain[len(kept) :])


def finish_write(row: ConversationRow, written: TranscriptWrite, replaced: ConversationRow | None) -> None:
    """Have expire what a row that is written no longer points at, and keep what it does."""
    if written.chain is not None:
        remember_chain(Shelf(row.pk), written.chain)
    if written.replaced:
        _expire_replaced_segments(Shelf(row.pk), written.replaced, written.chain or ())
    if written.changes and replaced:
        parts = TranscriptPart.list_part_keys(row.pk, replaced.transcript_revision)
        for change in _expiry_changes(TranscriptPart(*key) for key in parts):
            change.row.change(change.actions, change.condition)


def build_segments(
    shelf: Shelf, name: SegmentName, joined: bytes, before: Sequence[SegmentName] = ()
) -> Segments:
    """Build the segment of these joined lines, and the pieces of what does not fit it."""
    *pieces, last = cut_pieces(joined)
    names = [name_piece(name, piece) for piece in pieces]
    head = SegmentRow.of(shelf, name)
    head.data, head.before = pack(last), write_names(before)
    head.pieces = b"".join(each.piece for each in names) or None
    rows = {each: SegmentRow.of(shelf, each) for each in names}
    for each, piece in zip(names, pieces, strict=True):
        rows[each].data = pack(piece)
    return Segments(name, head, [*rows.values()])


def build_copy(shelf: Shelf, lines: Sequence[TranscriptItem]) -> Segments | None:
    """Build the segment of a copy of a transcript, which never grows. None where there are no lines."""
    return build_segments(shelf, name_segment(lines, len(lines)), join_lines(lines)) if lines else None


def transcript_changes(new: Transcript) -> list[Action]:
    """Write what the row says of a transcript."""
    row = ConversationRow
    return [
        row.message_count.set(len(new.lines)),
        row.transcript_bytes.set(round_up_for_lists(new.reply_bytes, MAX_SHOWN_BYTES) if new.lines else 0),
        row.reply_bytes.set(new.reply_bytes),
        row.tail.set(pack(join_lines(new.open_lines))),
        row.line_keys.set(new.line_keys),
        row.said.set(new.said),
        row.sealed.set(write_name(new.sealed)) if new.sealed else row.sealed.remove(),
        row.transcript.remove(),
        row.transcript_revision.remove(),
    ]


def _store_after(
    shelf: Shelf, new: Transcript, known: Chain | None, last: SegmentName | None = None
) -> TranscriptWrite:
    """Store the lines between a sealed part and the open lines. Of a sealed part that is not known there is
    its last segment.
    """
    before = [last] if known is None and last else [link.name for link in reversed(known or ())]
    changes, first = transcript_changes(new), before[0].lines if before else 0
    if new.sealed is None or first == new.sealed_count:
        return TranscriptWrite(changes, chain=known)
    joined = join_lines(new.lines[first : new.sealed_count])
    segments = build_segments(shelf, new.sealed, joined, before)
    put_all(segments.pieces)
    link = Link(new.sealed, segments.head.list_pieces(new.sealed), joined)
    chain = None if known is None else (*known, link)
    if segments.head.insert():
        return TranscriptWrite(changes, chain=chain)
    stay = SegmentRow.pk.exists() & SegmentRow.expires_at.does_not_exist()
    checks = [Change(piece, [], stay) for piece in segments.pieces]
    return TranscriptWrite(changes, [segments.head], checks, chain)


def _expire_replaced_segments(shelf: Shelf, replaced: Chain, present: Chain) -> None:
    """Have segments expire, unless the row points at other ones than the `present` by then."""
    keys = [shelf.make_row_key(name) for link in replaced for name in (link.name, *link.pieces)]
    sealed, row = ConversationRow.sealed, ConversationRow(shelf.pk, CONVERSATION_KEY)
    unchanged = sealed == write_name(present[-1].name) if present else sealed.does_not_exist()
    changes = _expiry_changes(SegmentRow(*key) for key in dict.fromkeys(keys))
    for start in range(0, len(changes), _IN_A_TRANSACTION):
        write_together([Change(row, [], unchanged), *changes[start : start + _IN_A_TRANSACTION]])


def _expiry_changes(rows: Iterable[Item]) -> list[Change]:
    expires_at = get_now_ms() // 1000 + _RETENTION_S
    return [Change(row, [type(row).expires_at.set(expires_at)], type(row).pk.exists()) for row in rows]
