"""How entries of many sources become one timeline."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from pydantic_core import from_json

from genai_voice.foundation.model import check_finite
from genai_voice.traces.model import TimelineEntry

R = TypeVar("R")


class Place(NamedTuple):
    """Where an entry stands: by time; at the same moment by source, then by id. An entry that comes twice has
    the same place.
    """

    timestamp: float
    rank: int
    id: str


class Entry(NamedTuple):
    place: Place
    shown: TimelineEntry
    size: int
    """Bytes in a reply."""


@dataclass
class First:
    """At most so many rows of each source."""

    most: int
    exceeded: bool = False
    """Whether a source had more."""

    def of(self, rows: Iterable[R]) -> Iterator[R]:
        for count, row in enumerate(rows):
            if count == self.most:
                self.exceeded = True
                return
            yield row


def earliest(entries: Iterable[Entry], room: int, after: Place | None = None) -> tuple[list[Entry], bool]:
    """The first entries after a place, in order, each once, that fit `room` bytes (one always does), and
    whether more are left.

    Holds about twice `room` at a time, however many there are.
    """
    kept: dict[Place, Entry] = {}
    size = 0
    for entry in entries:
        if entry.place in kept or (after is not None and entry.place <= after):
            continue
        kept[entry.place] = entry
        size += entry.size
        if size > 2 * room:
            kept = {each.place: each for each in _beyond(room, kept)}
            size = sum(each.size for each in kept.values())
    found = _beyond(room, kept)
    more = len(found) > 1 and sum(each.size for each in found) > room
    return (found[:-1] if more else found), more


def _beyond(room: int, kept: dict[Place, Entry]) -> list[Entry]:
    """The first entries in order, up to the one that no longer fits: nothing after it can be shown."""
    first = list[Entry]()
    size = 0
    for place in sorted(kept):
        size += kept[place].size
        first.append(kept[place])
        if size > room and len(first) > 1:
            break
    return first


def parsed(text: str | None) -> Any:
    """The JSON that a text holds. A text that holds none is passed on as it is (contract 1.7)."""
    if text is None:
        return None
    try:
        return check_finite(from_json(text, allow_inf_nan=False))
    except ValueError:
        return text
