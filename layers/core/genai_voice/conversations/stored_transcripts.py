"""Transcripts in the table, read in one place whatever they belong to: the rows of conversations, and the
copies that handoffs have.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cachetools import LRUCache
from pydantic_core import from_json

from genai_voice.conversations.merging import merge
from genai_voice.conversations.model import TranscriptItem
from genai_voice.conversations.packing import unpack, unpack_before
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.segment_rows import RowKey, SegmentRow, Shelf, TranscriptPart, read_name
from genai_voice.conversations.transcripts import (
    SegmentName,
    as_list,
    digest_prefixes,
    split_lines,
)
from genai_voice.foundation.caches import register_cache
from genai_voice.foundation.pages import REPLY_BYTES

LISTED_ROW_BYTES = 1_000
"""Of a listed conversation besides its transcript, about."""
MAX_SHOWN_BYTES = REPLY_BYTES - LISTED_ROW_BYTES
"""Of a transcript that a reply can hold."""


class KeptTranscript(NamedTuple):
    """Where a transcript is kept."""

    shelf: Shelf
    sealed: bytes | None = None
    """The name of the segment that ends its sealed part."""
    tail: bytes = b""
    """Its open lines, packed; b"" where there are none."""
    whole: bytes | None = None
    """All of it, as a row of before has it."""
    parts: Sequence[RowKey] = ()
    """The parts of all of it, of before."""

    @property
    def last(self) -> SegmentName | None:
        return read_name(self.sealed) if self.sealed else None


class Link(NamedTuple):
    """A segment that was read."""

    name: SegmentName
    pieces: Sequence[SegmentName]
    text: bytes
    """Joined lines."""


Chain = tuple[Link, ...]
"""The segments of a transcript in the order of its lines."""

_CACHED_BYTES = 8 * 1024 * 1024
_chains: LRUCache[RowKey, Chain] = register_cache(
    LRUCache(_CACHED_BYTES, getsizeof=lambda chain: sum(len(link.text) for link in chain) + 500)
)
"""Sealed parts that this process has read or written, by the last segment."""
_caching = threading.Lock()


def locate_transcript(row: ConversationRow) -> KeptTranscript | None:
    """Locate the transcript of a conversation. None where nothing was ever said."""
    if not row.has_transcript:
        return None
    parts = TranscriptPart.list_part_keys(row.pk, row.transcript_revision)
    # Where the service of before has saved last, what it has stored is newer than the segments.
    return KeptTranscript(Shelf(row.pk), row.sealed, row.tail or b"", row.transcript, parts)


def read_transcripts(kept: Sequence[KeptTranscript]) -> list[str | None]:
    """Read transcripts as JSON text, in a few calls for all of them. None stands for one that lacks a
    segment: a torn row must not break a list.
    """
    parts = TranscriptPart.find_all(place for each in kept for place in each.parts)
    rows = _find_segments([each for each in kept if not _is_of_before(each)])
    return [_build_text(each, rows, parts) for each in kept]


def read_transcript(row: ConversationRow) -> str | None:
    """Read the transcript of a conversation as JSON text. Answers None where there is none, or a part is
    missing.
    """
    kept = locate_transcript(row)
    return read_transcripts([kept])[0] if kept else None


def load_lines(row: ConversationRow) -> tuple[list[TranscriptItem], Chain]:
    """Load all lines of a conversation as they are stored, and the segments that they are in. One call, where
    this process does not know the segments. A conversation that lacks one has its open lines alone.
    """
    kept = locate_transcript(row)
    if kept is None:
        return [], ()
    lines, chain = _load_segmented(row) if row.line_keys is not None else ([], ())
    if not _is_of_before(kept):
        return lines, chain
    text = _build_text(kept, {}, TranscriptPart.find_all(kept.parts))
    before: list[TranscriptItem] = from_json(text or "[]")
    return (merge(lines, before) if lines else before), chain


def read_chain(shelf: Shelf, last: SegmentName) -> Chain:
    """Read the sealed part that ends with this segment, in one call, and remember it. Answers an empty one
    where a segment is missing.
    """
    found = {(each.pk, each.sk): each for each in SegmentRow.list_on(shelf)}
    chain = _trace_chain(shelf, last, found) or ()
    remember_chain(shelf, chain)
    return chain


def remember_chain(shelf: Shelf, chain: Chain) -> None:
    """Keep the sealed part of a transcript in this process."""
    if chain:
        with _caching:
            if sum(len(link.text) for link in chain) < _CACHED_BYTES // 2:
                _chains[shelf.make_row_key(chain[-1].name)] = chain


def recall_chain(shelf: Shelf, sealed: bytes | None) -> Chain | None:
    """Get the sealed part that ends with this segment, where this process has kept it."""
    if sealed is None:
        return ()
    with _caching:
        return _chains.get(shelf.make_row_key(read_name(sealed)))


def _load_segmented(row: ConversationRow) -> tuple[list[TranscriptItem], Chain]:
    shelf, tail = Shelf(row.pk), row.tail or b""
    chain = recall_chain(shelf, row.sealed)
    if chain is not None:
        lines = split_lines(_join_chain(chain, tail))
        if digest_prefixes(lines, 1)[-1] == row.line_keys:  # else it was written anew, with other times
            return lines, chain
    chain = read_chain(shelf, read_name(row.sealed)) if row.sealed else ()
    return split_lines(_join_chain(chain, tail)), chain


def _join_chain(chain: Chain, tail: bytes) -> bytes:
    """Join the lines of a sealed part and the packed open ones after it."""
    return b"".join(link.text for link in chain) + (unpack(tail) if tail else b"")


def _is_of_before(kept: KeptTranscript) -> bool:
    return kept.whole is not None or bool(kept.parts)


def _build_text(
    kept: KeptTranscript, rows: Mapping[RowKey, SegmentRow], parts: Mapping[RowKey, TranscriptPart]
) -> str | None:
    if kept.whole is not None:
        return unpack_before([kept.whole])
    if kept.parts:
        has_all = all(place in parts for place in kept.parts)
        return unpack_before([parts[place].data for place in kept.parts]) if has_all else None
    chain = _trace_chain(kept.shelf, kept.last, rows)
    return None if chain is None else as_list(_join_chain(chain, kept.tail)).decode()


def _trace_chain(shelf: Shelf, name: SegmentName | None, rows: Mapping[RowKey, SegmentRow]) -> Chain | None:
    """Follow the segments of a transcript from the last to the first. Answers None where one is missing."""
    chain = list[Link]()
    while name:
        row = rows.get(shelf.make_row_key(name))
        pieces = row.list_pieces(name) if row else []
        found = [rows.get(shelf.make_row_key(piece)) for piece in pieces]
        if row is None or None in found:
            return None
        text = b"".join(unpack(each.data) for each in (*found, row) if each)
        chain.append(Link(name, pieces, text))
        name = next(iter(row.list_before()), None)
    return tuple(reversed(chain))


def _find_segments(kept: Sequence[KeptTranscript]) -> dict[RowKey, SegmentRow]:
    """Find the segments of several transcripts together: each names some of those before it."""
    found = dict[RowKey, SegmentRow]()
    wanted = {each.shelf.make_row_key(each.last): (each, each.last) for each in kept if each.last}
    while wanted:
        rows = _find_unchanging(wanted)
        found |= rows
        named = {
            each.shelf.make_row_key(other): (each, other)
            for key, (each, name) in wanted.items()
            if key in rows and not name.piece
            for other in (*rows[key].list_pieces(name), *rows[key].list_before())
        }
        wanted = {key: each for key, each in named.items() if key not in found}
    return found


def _find_unchanging(keys: Iterable[RowKey]) -> dict[RowKey, SegmentRow]:
    """Find rows that never change: read at half the price, and those that the replica that was asked does not
    have yet once more.
    """
    wanted = list(keys)
    found = {(row.pk, row.sk): row for row in SegmentRow.batch_get(wanted)}
    missing = [key for key in wanted if key not in found]
    return found | SegmentRow.find_all(missing) if missing else found
