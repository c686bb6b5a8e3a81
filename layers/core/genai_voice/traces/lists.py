"""Lists of rows in the order of time, in partitions of the table and of indexes, read a part at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from math import inf
from typing import Any

from genai_voice.foundation.table import Item
from genai_voice.traces.timeline import PART_UNITS, Budget, Candidate, count_units, find_time

Raw = dict[str, dict[str, Any]]
"""An item as DynamoDB has it."""

LARGEST_ITEM = 400 * 1024  # DynamoDB's limit
_MOST_ROWS = {None: 1_000, "gsi1": 100, "gsi2": 100}
"""Of a call, by where they are listed: those of an index are read one by one after that."""
_ORDINARY = 250
"""Rows of a kind that an ordinary session has fewer of."""
_GROWTH = 8


@dataclass(frozen=True, slots=True)
class RowList:
    """A list of rows of one source."""

    rank: int
    """That of the source."""
    partition: str
    prefix: str
    """What their sort keys begin with."""
    index: str | None = None
    """Which has the list; None: the table, with all that is in a row."""
    place_length: int | None = None
    """How much of a sort key is the place, where several rows that are one thing lie at one."""
    most_bytes: int = LARGEST_ITEM
    """Of a row whose size the index does not know: that of the largest."""

    def find_place(self, row: Raw) -> str:
        key: str = row[f"{self.index}sk" if self.index else "sk"]["S"]
        return key[: self.place_length]


def list_candidates(rows: RowList, start: str, sessions: int, budget: Budget) -> Iterator[Candidate]:
    """List rows from a place on ("": from the first), a part in a call. Where the page has no units for
    another part, it lists that more follows; whoever goes on all the same gets it.

    With the lists of many sessions all parts are small. The first are smallest, but those that an ordinary
    session begins with: nobody knows the size of rows yet, and what is read too early is read again.
    """
    least = 2 if rows.place_length else 1  # of what may be one thing, two rows tell whether they are
    limit = _ORDINARY if sessions == 1 and not start else least
    if rows.index:
        limit = max(10, 100 // sessions)  # entries of an index are small
    carried, last = list[Raw](), None
    while True:
        begin, end = start or rows.prefix, rows.prefix + "~"
        page = Item.read_raw_page(rows.partition, begin, end, index=rows.index, limit=limit, after=last)
        budget.spend(page.units)
        units, last = page.units / max(1, len(page.items)), page.last
        groups = [list(same) for _, same in groupby([*carried, *page.items], rows.find_place)]
        carried = groups.pop() if groups and last and rows.place_length else []
        for neighbours in groups:
            yield _build_candidate(rows, neighbours, units * len(neighbours))
        if last is None:
            return
        fitting = int(PART_UNITS / sessions / units)
        limit = max(least, min(fitting, _GROWTH * limit, _MOST_ROWS[rows.index]))
        if not budget.may_read(limit):
            place = rows.find_place(carried[0]) if carried else rows.find_place(groups[-1][-1]) + "~"
            yield Candidate(find_time(place), rows.rank, place, units=inf)


def _build_candidate(rows: RowList, neighbours: list[Raw], paid: float) -> Candidate:
    """Build the candidate of rows that lie at one place."""
    first, place = neighbours[0], rows.find_place(neighbours[0])
    if rows.index is None:
        return Candidate(find_time(place), rows.rank, place, 0.0, None, neighbours, paid)
    size = first.get("transcript_bytes", {}).get("N", rows.most_bytes)
    key = (first["pk"]["S"], first["sk"]["S"])
    return Candidate(find_time(place), rows.rank, place, count_units(int(size)), key)
