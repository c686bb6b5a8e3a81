"""Rows of what a transcript has beside the row that it belongs to."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self, TypeAlias

from genai_voice.conversations.transcripts import SegmentName
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import BinaryAttribute, Item

RowKey: TypeAlias = tuple[str, str]
"""The keys of a row: (pk, sk)."""

NAMED_BEFORE = 12
"""How many of the segments before it a segment names: a reader finds as many in one call."""

_LINES_BYTES, _DIGEST_BYTES, _PIECE_BYTES = 4, 12, 8
_NAME_BYTES = _LINES_BYTES + _DIGEST_BYTES


class Shelf(NamedTuple):
    """Where the segments of a transcript are: in the partition of its session."""

    pk: str
    handoff_id: str | None = None
    """For the copy that a handoff has."""

    def make_row_key(self, name: SegmentName) -> RowKey:
        label = f"{name.lines:07d}-{name.digest.hex()}{'-' if name.piece else ''}{name.piece.hex()}"
        if self.handoff_id is None:
            return self.pk, make_key("SEGMENT", label)
        return self.pk, make_key("HANDOFF", self.handoff_id, "SEGMENT", label)


class SegmentRow(Item, discriminator="segment"):
    """Some lines of a transcript, joined and packed, or a piece of them. It is never changed."""

    data = BinaryAttribute(legacy_encoding=False)
    pieces = BinaryAttribute(legacy_encoding=False, null=True)  # those that come before `data`, in order
    before = BinaryAttribute(legacy_encoding=False, null=True)  # segments before it, the nearest first

    @classmethod
    def of(cls, shelf: Shelf, name: SegmentName) -> Self:
        return cls(*shelf.make_row_key(name))

    @classmethod
    def list_on(cls, shelf: Shelf) -> Iterator[Self]:
        """List the segments of a conversation, those that nothing leads to any more among them."""
        return cls.query(shelf.pk, cls.sk.startswith("SEGMENT#"), consistent_read=True)

    def list_pieces(self, name: SegmentName) -> list[SegmentName]:
        """List the names of the pieces of this segment, in the order of their text."""
        packed = self.pieces or b""
        return [
            name._replace(piece=packed[start : start + _PIECE_BYTES])
            for start in range(0, len(packed), _PIECE_BYTES)
        ]

    def list_before(self) -> list[SegmentName]:
        """List the names of segments before this one, the nearest first. None: it is the first."""
        packed = self.before or b""
        return [
            read_name(packed[start : start + _NAME_BYTES]) for start in range(0, len(packed), _NAME_BYTES)
        ]


class TranscriptPart(Item, discriminator="transcript"):
    """A part of a transcript as it was stored before there were segments."""

    data = BinaryAttribute(legacy_encoding=False)

    @staticmethod
    def list_part_keys(pk: str, revision: str | None) -> list[RowKey]:
        """List where the parts of a revision are, in their order."""
        count = int((revision or "").rpartition(".")[2] or 0)
        return [(pk, make_key("TRANSCRIPT", f"{revision}:{part:04d}")) for part in range(count)]


def write_name(name: SegmentName) -> bytes:
    """Write the name of a segment as rows have it."""
    return name.lines.to_bytes(_LINES_BYTES, "big") + name.digest


def read_name(written: bytes) -> SegmentName:
    """Read the name of a segment from a row."""
    return SegmentName(int.from_bytes(written[:_LINES_BYTES], "big"), written[_LINES_BYTES:])


def write_names(names: Sequence[SegmentName]) -> bytes | None:
    """Write the names of segments, those that a segment holds at most."""
    return b"".join(write_name(name) for name in names[:NAMED_BEFORE]) or None
