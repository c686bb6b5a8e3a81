"""The merge of entries of many sources into one timeline."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from pydantic_core import from_json

from genai_voice.foundation.model import check_finite
from genai_voice.traces.model import TimelineEntry

R = TypeVar("R")


class TimelinePosition(NamedTuple):
    """The position of an entry. Entries are ordered by time, at the same moment by source, then by id. An
    entry that comes twice has the same position.
    """

    timestamp: float
    rank: int
    id: str


class FoundEntry(NamedTuple):
    position: TimelinePosition
    view: TimelineEntry
    size: int
    """Bytes in a reply."""


@dataclass
class RowLimit:
    """A limit of the rows that are read of each source."""

    limit: int
    exceeded: bool = False
    """True once a source had more."""

    def take(self, rows: Iterable[R]) -> Iterator[R]:
        """Take at most so many of one source's rows."""
        for count, row in enumerate(rows):
            if count == self.limit:
                self.exceeded = True
                return
            yield row


def take_earliest(
    entries: Iterable[FoundEntry], room: int, after: TimelinePosition | None = None
) -> tuple[list[FoundEntry], bool]:
    """Take the first entries after a position that fit `room` bytes: in order, each once, and at least one.
    Answers them and whether more are left.

    Holds about twice `room` at a time, however many entries there are.
    """
    kept: dict[TimelinePosition, FoundEntry] = {}
    size = 0
    for entry in entries:
        if entry.position in kept or (after is not None and entry.position <= after):
            continue
        kept[entry.position] = entry
        size += entry.size
        if size > 2 * room:
            kept = {each.position: each for each in _sort_until_full(room, kept)}
            size = sum(each.size for each in kept.values())
    found = _sort_until_full(room, kept)
    more = len(found) > 1 and sum(each.size for each in found) > room
    return (found[:-1] if more else found), more


def _sort_until_full(room: int, kept: dict[TimelinePosition, FoundEntry]) -> list[FoundEntry]:
    """Sort entries up to and with the first that no longer fits `room`: none after it can be shown."""
    first = list[FoundEntry]()
    size = 0
    for position in sorted(kept):
        size += kept[position].size
        first.append(kept[position])
        if size > room and len(first) > 1:
            break
    return first


def parse_if_json(text: str | None) -> Any:
    """Parse the JSON in a text. A text that holds none is answered as it is (contract 1.7)."""
    if text is None:
        return None
    try:
        return check_finite(from_json(text, allow_inf_nan=False))
    except ValueError:
        return text
