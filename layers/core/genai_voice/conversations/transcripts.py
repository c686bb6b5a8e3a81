"""The layout of a transcript, and what its row says of it. Pure.

A transcript is a list of lines. Those that nobody rewords any more are sealed: they lie in segments beside
the row, each written once, so that a save costs what it adds. The newest few lie open in the row.

How many are sealed depends on the list alone, so that a save knows without reading what must be stored. A
segment is named by the lines up to its end and the digest of what they say: its name stands for all of it.
"""

from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b, sha256
from typing import NamedTuple

from pydantic_core import from_json, to_json

from genai_voice.conversations.model import TranscriptItem

MAX_BYTES = 5 * 1024 * 1024
"""Of the JSON text of a transcript. The newest lines above it are left out."""
SEALED_TOGETHER = 8
"""How many lines are sealed at once while a call grows."""
LEAST_OPEN = 2
"""How many of the newest lines are always open: what each side says may still be reworded."""
MAX_OPEN_BYTES = 128 * 1024
"""Of the open lines. Above it more of them are sealed, four at a time."""
PIECE_BYTES = 256 * 1024
"""Of the text in one item. An item of DynamoDB holds 400 KB, and text that no compression helps is a little
longer for it.
"""

_FEWER_OPEN = 4
_QUOTES = 10  # of a line as JSON: around its three names and two texts
_LEAST_STEP = 16 * 1024


class SegmentName(NamedTuple):
    """The name of the segment that ends a sealed part."""

    lines: int
    """Of the transcript up to its end."""
    digest: bytes
    """Of the roles and wordings of these lines, 12 bytes. Times are not in it."""
    piece: bytes = b""
    """For what does not fit the segment: the digest of this text, 8 bytes."""


class Transcript:
    """The lines of a transcript with what its row says of them."""

    def __init__(self, lines: Sequence[TranscriptItem]) -> None:
        self.text = to_json(lines)
        self.is_truncated = len(self.text) > MAX_BYTES
        self.lines = _take_fitting(lines) if self.is_truncated else lines
        if self.is_truncated:
            self.text = to_json(self.lines)
        self.sealed_count = count_sealed(self.lines)
        self.said = sum([len(line["content"]) for line in self.lines])

    @property
    def open_lines(self) -> Sequence[TranscriptItem]:
        return self.lines[self.sealed_count :]

    @property
    def sealed(self) -> SegmentName | None:
        """The segment that ends the sealed part. None where all lines are open."""
        return self._names.get(self.sealed_count)

    @property
    def sealed_before(self) -> SegmentName | None:
        """The segment before the one that ends the sealed part, where that has as many lines as are sealed at
        once while a call grows. None where there is no such segment.
        """
        return self._names.get(self.sealed_count - SEALED_TOGETHER)

    @cached_property
    def _names(self) -> dict[int, SegmentName]:
        counts = [count for count in (self.sealed_count - SEALED_TOGETHER, self.sealed_count) if count > 0]
        return {name.lines: name for name in name_segments(self.lines, counts)}

    @cached_property
    def prefixes(self) -> list[bytes]:
        """The digests of the prefixes that a growth may begin with, the whole list last: none is shorter than
        the sealed part was before its last segment. So they are 18 at most; DynamoDB's IN takes 100 values.
        """
        shortest = max(0, self.sealed_count - SEALED_TOGETHER)
        return digest_prefixes(self.lines, len(self.lines) - shortest + 1)

    @property
    def line_keys(self) -> bytes:
        return self.prefixes[-1]

    @cached_property
    def reply_bytes(self) -> int:
        if b"\\" in self.text:
            return count_reply_bytes(self.text)
        return len(self.text) + 3 * _QUOTES * len(self.lines)  # the same, without looking at each


def count_sealed(lines: Sequence[TranscriptItem]) -> int:
    """Count the lines that are sealed: all but the newest 2 to 9, and fewer where these are very long."""
    count = max(0, (len(lines) - LEAST_OPEN) // SEALED_TOGETHER * SEALED_TOGETHER)
    while count < len(lines) and len(join_lines(lines[count:])) > MAX_OPEN_BYTES:
        count = min(count + _FEWER_OPEN, len(lines))
    return count


def name_segment(lines: Sequence[TranscriptItem], count: int) -> SegmentName:
    """Name the segment that would end with the first `count` of these lines."""
    return name_segments(lines, [count])[0]


def name_segments(lines: Sequence[TranscriptItem], counts: Sequence[int]) -> list[SegmentName]:
    """Name the segments that would end with the first of these lines, for each of these ascending counts."""
    digest, names, start = _PairDigest(), list[SegmentName](), 0
    for count in counts:
        part, start = lines[start:count], count
        digest.add([line["role"] for line in part], [line["content"] for line in part])
        names.append(SegmentName(count, digest.read(12)))
    return names


def digest_prefixes(lines: Sequence[TranscriptItem], most: int) -> list[bytes]:
    """Digest the (role, ts) of the first lines, for each of the `most` longest prefixes of the list, the
    whole one last: 8 bytes each. In a line of ts 0 the wording stands for it.
    """
    roles = [line["role"] for line in lines]
    keys = [line["ts"] or line["content"] for line in lines]
    first = max(0, len(lines) - most + 1)
    digest = _PairDigest()
    digest.add(roles[:first], keys[:first])
    found = [digest.read(8)]
    for role, key in zip(roles[first:], keys[first:], strict=True):
        digest.add([role], [key])
        found.append(digest.read(8))
    return found


class _PairDigest:
    """The digest of pairs that are added in turn, however many at once."""

    def __init__(self) -> None:
        self._first, self._second = sha256(), sha256()

    def add(self, first: Sequence[object], second: Sequence[object]) -> None:
        if first:
            self._first.update(to_json(first)[1:-1] + b",")
            self._second.update(to_json(second)[1:-1] + b",")

    def read(self, size: int) -> bytes:
        return sha256(self._first.digest() + self._second.digest()).digest()[:size]


def join_lines(lines: Sequence[TranscriptItem]) -> bytes:
    """Join lines to a piece of the JSON text of a list, which has a comma after each."""
    return to_json(lines)[1:-1] + b"," if lines else b""


def as_list(joined: bytes) -> bytes:
    """Make the JSON text of a list of joined lines."""
    return b"[" + joined.removesuffix(b",") + b"]"


def split_lines(joined: bytes) -> list[TranscriptItem]:
    """Split joined lines."""
    lines: list[TranscriptItem] = from_json(as_list(joined))
    return lines


def cut_pieces(joined: bytes) -> list[bytes]:
    """Cut text into pieces that fit an item."""
    return [joined[start : start + PIECE_BYTES] for start in range(0, len(joined), PIECE_BYTES)] or [b""]


def name_piece(head: SegmentName, piece: bytes) -> SegmentName:
    """Name a piece of text that does not fit the segment."""
    return head._replace(piece=blake2b(piece, digest_size=8).digest())


def count_reply_bytes(text: bytes) -> int:
    """Count what a JSON text adds to a reply: it is JSON in a JSON string in Lambda's JSON, so a quote or a
    backslash takes four bytes.
    """
    return len(text) + 3 * (text.count(b'"') + text.count(b"\\"))


def round_up_for_lists(size: int, most: int) -> int:
    """Round up the bytes of a transcript in a reply to 16 KB, or to a quarter more each, never above the
    `most` that a reply can hold. The indexes have this size, so each step of it is a write to lists that all
    calls of an app share. A transcript above `most` is left out of replies: the least step will do.
    """
    step = _LEAST_STEP
    while step < size <= most:
        step = step * 5 // 4
    return min(step, most)


def round_down_from_lists(step: int) -> int:
    """Round down a size that lists know to the least that it stands for, where it is not the least step."""
    return step * 4 // 5


def _take_fitting(lines: Sequence[TranscriptItem]) -> Sequence[TranscriptItem]:
    """Take the first lines, as many as fit MAX_BYTES as JSON."""
    size = 1
    for place, line in enumerate(lines):
        size += len(to_json(line)) + 1
        if size > MAX_BYTES:
            return lines[:place]
    return lines
