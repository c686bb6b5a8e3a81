"""How entries of many sources become one timeline, page by page, whatever there is of them.

Each list of a source has rows in the order of time. A row may have several entries, none before its own
moment but perhaps some long after: a batch of events. So a page reads rows of all lists in the order of time,
as far as it may, and shows what happened before the first row that it has not read. Entries that are later
stay for the next page, which reads their rows again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil, inf
from typing import Any, NamedTuple

from pydantic_core import from_json

from genai_voice.foundation.model import check_finite
from genai_voice.traces.model import TimelineEntry

PAGE_UNITS = 300.0
"""Read units of the lists and of the rows of a page, as far as they are known before they are read."""
_MOST_UNITS = 380.0
"""Of a page that ends with part of a list: nobody knows what that takes before it is read."""
PART_UNITS = 64.0
"""Of a part of a list, as far as it is known; those of several sessions share it."""
_MOST_PART_UNITS = 128.0
"""Of 1 MB, where DynamoDB ends a part."""
_ROW_UNITS = 50.0
"""Of the largest row."""
_MOST_OPEN_UNITS = 230.0
"""Of the beginnings of lists, where those of another session may still be read: three of the largest rows."""
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
    """What lists know of a row: all of it, or its place in an index alone."""

    time: float
    """Epoch ms: that of its earliest entry."""
    rank: int
    """That of its source."""
    place: str
    units: float
    """That reading it takes still, at most: inf where it is no row, but what follows in a list was not read
    yet. Who goes on all the same has it read.
    """
    key: tuple[str, str] | None = None
    """Where it has to be read."""
    found: Sequence[Any] = ()
    """What was read of it already."""
    paid: float = 0.0
    """The units that this took."""


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


class Budget:
    """What a page has read, in read units."""

    def __init__(self) -> None:
        self.spent = 0.0

    def spend(self, units: float) -> None:
        self.spent += units

    def may_read(self, rows: int) -> bool:
        """Whether it may read so many more rows of a list."""
        return self.spent + min(_MOST_PART_UNITS, _ROW_UNITS * rows) <= _MOST_UNITS

    def may_open(self) -> bool:
        """Whether it may read the beginnings of the lists of another session."""
        return self.spent <= _MOST_OPEN_UNITS


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
    budget: Budget,
) -> tuple[list[ReadRow], Candidate | None, bool]:
    """Read rows in the order of time until the page has spent its units, or no more of their entries fit
    `room` bytes of a reply. Answers them, the first that was not read, and whether it was for lack of room.
    """
    rows, size = list[ReadRow](), 0
    waiting = _Waiting(candidates, budget)
    while group := waiting.take(is_first=not rows):
        for row in load(group):
            size += _sum_sizes(list_unshown(row, progress))
            if rows and size > room:
                return rows, row.candidate, True
            rows.append(row)
            budget.spend(row.units - row.candidate.paid - row.candidate.units)
    return rows, waiting.next, False


class _Waiting:
    """Rows that wait to be read, in the order of time."""

    def __init__(self, candidates: Iterator[Candidate], budget: Budget) -> None:
        self._rest, self._budget = candidates, budget
        self.next = next(candidates, None)

    def take(self, *, is_first: bool) -> list[Candidate]:
        """Take the next rows, as many as cannot take more units than the page has left and fit a call. The
        first of a page is taken whatever it takes. What they may take counts as spent until they are read:
        lists are read further meanwhile.
        """
        taken = list[Candidate]()
        while self.next and len(taken) < _ROWS_IN_A_CALL:
            left = max(0.0, PAGE_UNITS - self._budget.spent)
            if self.next.units > left and (taken or not is_first):
                break
            if self.next.units < inf:
                taken.append(self.next)
                self._budget.spend(self.next.units)
            self.next = next(self._rest, None)
        return taken


def count_units(size: int) -> float:
    """Count the read units of a row of so many bytes."""
    return max(1, ceil(size / 4096)) / 2


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

    Where what would have to be read again is more than half a page, or more than half a reply, or all of it
    and nothing could be shown, it is shown too, before its turn: so each page reads something new.
    """
    horizon = inf if next_row is None else next_row.time
    entries = [each for row in rows for each in list_unshown(row, progress)]
    places = _find_places(rows, progress, horizon)
    held = _sum_sizes(each for each in entries if each.position.timestamp >= horizon)
    again = _list_again(rows, places)
    is_stuck = held == _sum_sizes(entries) and len(again) == len(rows)
    if is_stuck or sum(row.units for row in again) > PAGE_UNITS / 2 or held > room / 2:
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
            places[rank] = Places(place if has_left else place + "~", last)  # after all that begins with it
            is_held[rank] = has_left
    return places


def _list_again(rows: Iterable[ReadRow], places: Sequence[Places]) -> list[ReadRow]:
    """List the rows that the next page reads again."""
    return [row for row in rows if row.candidate.place >= places[row.candidate.rank].start]


def parse_if_json(text: str | None) -> Any:
    """Parse the JSON in a text. A text that holds none is answered as it is (contract 1.7)."""
    if text is None:
        return None
    try:
        return check_finite(from_json(text, allow_inf_nan=False))
    except ValueError:
        return text
