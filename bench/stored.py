"""What a conversation leaves in the table, by kind of row, which is billed month by month.

DynamoDB bills the bytes of an item and of each of its entries in indexes, and about 100 of its own for each
("DynamoDB item sizes and formats").
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.engine import read_table
from bench.images import Index, Row, count_bytes
from bench.prices import BACKUP, STORAGE
from tests.support.service import load_template

COLUMNS = ("kind", "items", "with index entries", "KB", "share %")
_OVERHEAD = 100
Stored = Mapping[tuple[str, str], Row]
"""Rows by their keys."""


@dataclass(slots=True)
class Left:
    """Rows of one kind, or of all."""

    items: int = 0
    entries: int = 0
    """The items, and their entries in indexes."""
    size: int = 0
    """Bytes as they are billed."""

    def __iadd__(self, other: "Left") -> "Left":
        self.items += other.items
        self.entries += other.entries
        self.size += other.size
        return self

    @property
    def dollars_a_month(self) -> float:
        return STORAGE.of(self.size) + BACKUP.of(self.size)


def read_stored() -> Stored:
    return {(row["pk"]["S"], row["sk"]["S"]): row for row in read_table()}


def measure_left(before: Stored, after: Stored) -> dict[str, Left]:
    """What is there that was not there before, by kind: the most first."""
    (table,) = load_template().tables
    indexes = Index.list_in(table.definition)
    found = defaultdict[str, Left](Left)
    for key in after.keys() - before.keys():
        found[after[key]["kind"]["S"]] += _measure_row(after[key], indexes)
    return dict(sorted(found.items(), key=lambda each: -each[1].size))


def _measure_row(row: Row, indexes: list[Index]) -> Left:
    images = [row, *(entry for index in indexes if (entry := index.find_entry(row)))]
    return Left(1, len(images), sum(count_bytes(image) + _OVERHEAD for image in images))


def make_rows(left: Mapping[str, Left]) -> Iterator[tuple[str | float, ...]]:
    total = sum_up(left)
    for kind, each in {**left, "all": total}.items():
        yield kind, each.items, each.entries, each.size / 1000, round(100 * each.size / total.size, 1)


def sum_up(left: Mapping[str, Left]) -> Left:
    total = Left()
    for each in left.values():
        total += each
    return total
