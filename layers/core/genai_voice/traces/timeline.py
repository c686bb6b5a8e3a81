"""How entries of many sources become one timeline, page by page, whatever there is of them.

Each source lists its rows in the order of time. A row may have several entries, none before its own moment
but perhaps some long after: a batch of events. So a page reads rows of all sources in the order of time, as
far as it may, and shows what happened before the first row that it has not read. Entries that are later stay
for the next page, which reads their rows again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil, inf
from typing import Any, NamedTuple

from pydantic_core import from_json

from genai_voice.foundation.model import check_finite
from genai_voice.traces.model import TimelineEntry

PAGE_UNITS = 300.0
"""Read units of the rows of a page, and of their places in the index."""
_INDEX_UNITS = 0.15
"""Of the place of a row in an index: 1.1 KB where all ids are as long as may be."""
_ROWS_IN_A_CALL = 100


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


class Candidate(NamedTuple):
    """A row that is known by its place in the index alone."""

    time: float
    """Epoch ms: that of its earliest entry."""
    rank: int
    """That of its source."""
    place: str
    units: float
    """That reading it takes, at most."""
    key: tuple[str, str]


class ReadRow(NamedTuple):
    candidate: Candidate
    entries: tuple[FoundEntry, ...]
    units: float


class Places(NamedTuple):
    """How far one source has been read."""

    start: str = ""
    """Where the next page begins to read."""
    last: str = ""
    """Rows up to here were read by earlier pages."""


class Progress(NamedTuple):
    """How far the pages until now have come: what a cursor holds."""

    until: float
    """Of rows that were read, everything before this moment was shown (epoch ms)."""
    places: tuple[Places, ...]


def read_rows(
    candidates: Iterator[Candidate],
    load: Callable[[Sequence[Candidate]], Iterable[ReadRow]],
    progress: Progress,
    room: int,
) -> tuple[list[ReadRow], Candidate | None, bool]:
    """Read rows in the order of time until there are PAGE_UNITS of them, or no more of their entries fit
    `room` bytes of a reply. Answers them, the first that was not read, and whether it was for lack of room.
    """
    rows, units, size = list[ReadRow](), 0.0, 0
    waiting = _Waiting(candidates)
    while group := waiting.take(PAGE_UNITS - units, is_first=not rows):
        for row in load(group):
            size += _sum_sizes(list_unshown(row, progress))
            if rows and size > room:
                return rows, row.candidate, True
            rows.append(row)
            units += row.units
    return rows, waiting.next, False


class _Waiting:
    """Rows that wait to be read, in the order of time."""

    def __init__(self, candidates: Iterator[Candidate]) -> None:
        self._rest = candidates
        self.next = next(candidates, None)

    def take(self, units: float, *, is_first: bool) -> list[Candidate]:
        """Take the next rows, as many as cannot take more than these units and fit a call. The first of a
        page is taken whatever it takes.
        """
        taken = list[Candidate]()
        while self.next and len(taken) < _ROWS_IN_A_CALL:
            units -= self.next.units
            if units < 0 and not (is_first and not taken):
                break
            taken.append(self.next)
            self.next = next(self._rest, None)
        return taken


def count_units(size: int) -> float:
    """Count the read units of a row of so many bytes, and of its place in the index."""
    return _INDEX_UNITS + max(1, ceil(size / 4096)) / 2


def find_time(place: str) -> float:
    """Find the moment (epoch ms) in a sort key: a time key has milliseconds with decimals, a time-ordered id
    has microseconds.
    """
    moment = place.partition("#")[2].partition("-")[0]
    return float(moment) if "." in moment else int(moment) / 1000


def _sum_sizes(entries: Iterable[FoundEntry]) -> int:
    return sum(each.size for each in entries)


def list_unshown(row: ReadRow, progress: Progress) -> list[FoundEntry]:
    """List the entries of a row that no page before has shown."""
    is_new = row.candidate.place > progress.places[row.candidate.rank].last
    return [each for each in row.entries if is_new or each.position.timestamp >= progress.until]


def cut_page(
    rows: Sequence[ReadRow], next_row: Candidate | None, progress: Progress, room: int
) -> tuple[list[FoundEntry], Progress]:
    """Cut the next page out of the rows that were read: what happened before `next_row`, the first that was
    not, in order and each entry once. Answers it and how far the pages have come with it.

    Where what would have to be read again is more than half a page, or more than half a reply, it is shown
    too, before its turn: so each page reads something new.
    """
    horizon = inf if next_row is None else next_row.time
    entries = [each for row in rows for each in list_unshown(row, progress)]
    places = _find_places(rows, progress, horizon)
    held = _sum_sizes(each for each in entries if each.position.timestamp >= horizon)
    if _count_again(rows, places) > PAGE_UNITS / 2 or held > room / 2:
        horizon = inf
        places = _find_places(rows, progress, horizon)
    shown = {each.position: each for each in entries if each.position.timestamp < horizon}
    return [shown[position] for position in sorted(shown)], Progress(min(horizon, _LAST), tuple(places))


_LAST = 1e15  # later than any moment


def _find_places(rows: Iterable[ReadRow], progress: Progress, horizon: float) -> list[Places]:
    """Find from where on each source is read again: from the first row that has entries left, else after the
    last.
    """
    places = list(progress.places)
    is_held = [False] * len(places)
    for row in rows:
        rank, place = row.candidate.rank, row.candidate.place
        last = max(place, places[rank].last)
        has_left = any(each.position.timestamp >= horizon for each in row.entries)
        if is_held[rank]:
            places[rank] = Places(places[rank].start, last)
        else:
            places[rank] = Places(place if has_left else place + "!", last)
            is_held[rank] = has_left
    return places


def _count_again(rows: Iterable[ReadRow], places: Sequence[Places]) -> float:
    """Count the units of the rows that the next page reads again."""
    return sum(row.units for row in rows if row.candidate.place >= places[row.candidate.rank].start)


def parse_if_json(text: str | None) -> Any:
    """Parse the JSON in a text. A text that holds none is answered as it is (contract 1.7)."""
    if text is None:
        return None
    try:
        return check_finite(from_json(text, allow_inf_nan=False))
    except ValueError:
        return text
