"""What a write or a read consumes of which partition, from the items before and after it, by the rules of the
DynamoDB developer guide ("Read and write operations", "Global secondary indexes: storage considerations").
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

Row = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB's JSON."""

_WRITE_BYTES, _READ_BYTES = 1024, 4096
_ONE_WRITE = {"PutItem", "UpdateItem", "DeleteItem"}


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index of the template's table."""

    name: str
    hash_key: str
    keys: frozenset[str]
    projected: frozenset[str]

    @classmethod
    def list_in(cls, table: Mapping[str, Any]) -> "list[Index]":
        """Those of a table's definition."""
        own = {key["AttributeName"] for key in table["KeySchema"]}
        return [cls._read(each, own) for each in table["GlobalSecondaryIndexes"]]

    @classmethod
    def _read(cls, index: Mapping[str, Any], own: set[str]) -> "Index":
        keys = [key["AttributeName"] for key in index["KeySchema"]]
        others = index["Projection"].get("NonKeyAttributes", ())
        return cls(index["IndexName"], keys[0], frozenset(keys), frozenset({*own, *keys, *others}))

    def list_writes(self, before: Row | None, after: Row | None) -> Iterator[tuple[str, float]]:
        """List what a change of the row writes to this index: (partition, units).

        An entry that stays as it is costs nothing, and one of which a projected attribute changes is written
        once. Where its key changes the entry is deleted and put again: two writes, to the partitions of both.
        """
        old, new = self.find_entry(before), self.find_entry(after)
        if old == new:
            return
        if old and new and all(old[key] == new[key] for key in self.keys):
            yield self._find_partition(new), max(count_write_units(old), count_write_units(new))
            return
        for entry in (old, new):
            if entry:
                yield self._find_partition(entry), count_write_units(entry)

    def find_entry(self, row: Row | None) -> Row | None:
        """Find the row's entry in the index: only rows that have its keys are in it."""
        if row is None or not self.keys <= row.keys():
            return None
        return {name: value for name, value in row.items() if name in self.projected}

    def _find_partition(self, entry: Row) -> str:
        return str(next(iter(entry[self.hash_key].values())))


def list_writes(operation: str, params: Mapping[str, Any]) -> Iterator[tuple[Row, int]]:
    """List the keys that a call writes, and how often the table counts each. None for a call that reads."""
    if operation in _ONE_WRITE:
        yield _find_key(params), 1
    elif operation == "BatchWriteItem":
        for request in (each for some in params["RequestItems"].values() for each in some):
            yield _find_key(next(iter(request.values()))), 1
    elif operation == "TransactWriteItems":
        for item in params["TransactItems"]:
            yield _find_key(next(iter(item.values()))), 2


def _find_key(asked: Mapping[str, Any]) -> Row:
    held = asked["Key"] if "Key" in asked else asked["Item"]
    return {name: held[name] for name in ("pk", "sk")}


def count_write_units(*images: Row | None) -> float:
    """Count the units of one write to the table: started KB of the larger image, at least one."""
    return max(1, *(ceil(count_bytes(row) / _WRITE_BYTES) for row in images))


def count_read_units(row: Row | None, *, consistent: bool) -> float:
    """Count the units of reading one item: started 4 KB, half of them where the read is eventually
    consistent, and one step where there is no item.
    """
    return max(1, ceil(count_bytes(row) / _READ_BYTES)) * (1 if consistent else 0.5)


def count_bytes(row: Row | None) -> int:
    """Count the bytes of an item ("DynamoDB item sizes and formats")."""
    return sum(len(name.encode()) + _count_value(value) for name, value in (row or {}).items())


def _count_value(value: Mapping[str, Any]) -> int:
    ((kind, held),) = value.items()
    match kind:
        case "S":
            return len(held.encode())
        case "B":
            return len(held)
        case "N":
            return _count_digits(held)
        case "L":
            return 3 + sum(1 + _count_value(each) for each in held)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _count_value(each) for name, each in held.items())
        case "BOOL" | "NULL":
            return 1
    raise AssertionError(f"no row has values of the type {kind}")


def _count_digits(number: str) -> int:
    """One byte per two significant digits, and one."""
    digits = number.lstrip("-").replace(".", "").strip("0")
    return ceil(len(digits) / 2) + 1
