"""Watch which partition keys the service asks, and what that consumes of each, while it serves.

Each item is read before and after the write that changes it; what the write consumed of the table and of each
index follows from the two images (`bench.images`). A transaction counts twice in the table, and once in the
indexes, as the engine reports it: the guide does not say. A write that is refused consumes by the size of the
item that is there, which no engine reports. A query reads one partition: all that it consumed is that one's.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bench.engine import find_client, read_row
from bench.images import Index, Row, count_read_units, count_write_units, list_writes
from tests.support.service import load_template

TABLE = "the table"
_EQUAL = re.compile(r"(\S+) = (\S+)")


class Place(NamedTuple):
    """A partition key, of the table or of an index."""

    of: str
    key: str


@dataclass(slots=True)
class Heat:
    """The units that each partition key was asked for."""

    written: dict[Place, float] = field(default_factory=lambda: defaultdict(float))
    read: dict[Place, float] = field(default_factory=lambda: defaultdict(float))

    def __iadd__(self, other: "Heat") -> "Heat":
        for mine, others in ((self.written, other.written), (self.read, other.read)):
            for place, units in others.items():
                mine[place] += units
        return self


class _Write(NamedTuple):
    """What a call does to one item."""

    key: Row
    times: int
    """How often the table counts it."""
    before: Row | None


@contextmanager
def watch_heat(*, is_engine_checked: bool = False) -> Iterator[Heat]:
    """Watch the service in this process, which must have one thread. `is_engine_checked` holds every call
    against what the engine reports: it must be one that reports as DynamoDB does.
    """
    watch = _Watch(is_engine_checked)
    events = find_client().meta.events
    hooks = (
        ("before-parameter-build.dynamodb", watch.note_before),
        ("after-call.dynamodb", watch.note_after),
    )
    for event, hook in hooks:
        events.register_first(event, hook)
    try:
        yield watch.heat
    finally:
        for event, hook in hooks:
            events.unregister(event, hook)


class _Watch:
    def __init__(self, is_engine_checked: bool) -> None:
        (table,) = load_template().tables
        self.heat = Heat()
        self._is_engine_checked = is_engine_checked
        self._table = table.name
        self._indexes = Index.list_in(table.definition)
        self._hash_keys = {TABLE: "pk", **{index.name: index.hash_key for index in self._indexes}}
        self._params: dict[str, Any] = {}
        self._writes: list[_Write] = []

    def note_before(self, params: dict[str, Any], model: Any, **_: object) -> None:
        params["ReturnConsumedCapacity"] = "INDEXES"
        self._params = params
        self._writes = [_Write(key, times, read_row(key)) for key, times in list_writes(model.name, params)]

    def note_after(self, parsed: Mapping[str, Any], model: Any, **_: object) -> None:
        added = Heat()
        if self._writes:
            is_refused = "Error" in parsed
            for write in self._writes:
                self._add_write(added, write, write.before if is_refused else read_row(write.key))
        else:
            self._add_read(added, model.name, parsed)
        if self._is_engine_checked and "Error" not in parsed:
            _compare(model.name, added, parsed)
        self.heat += added

    def _add_write(self, added: Heat, write: _Write, after: Row | None) -> None:
        units = write.times * count_write_units(write.before, after)
        added.written[Place(TABLE, _read_value(write.key["pk"]))] += units
        for index in self._indexes:
            for partition, units in index.list_writes(write.before, after):
                added.written[Place(index.name, partition)] += units

    def _add_read(self, added: Heat, operation: str, parsed: Mapping[str, Any]) -> None:
        asked = self._params
        if operation == "Query":
            of = asked.get("IndexName", TABLE)
            place = Place(of, _find_queried(asked, self._hash_keys[of]))
            added.read[place] += float(parsed["ConsumedCapacity"]["CapacityUnits"])
        elif operation == "GetItem":
            self._add_found(added, asked["Key"], bool(asked.get("ConsistentRead")))
        elif operation == "BatchGetItem":
            wanted = asked["RequestItems"][self._table]
            for key in wanted["Keys"]:
                self._add_found(added, key, bool(wanted.get("ConsistentRead")))
        else:
            raise AssertionError(f"nobody has said what {operation} consumes")

    def _add_found(self, added: Heat, key: Row, consistent: bool) -> None:
        units = count_read_units(read_row(key), consistent=consistent)
        added.read[Place(TABLE, _read_value(key["pk"]))] += units


def _find_queried(asked: Mapping[str, Any], hash_key: str) -> str:
    """Find the partition that a query reads."""
    names = asked.get("ExpressionAttributeNames", {})
    for name, value in _EQUAL.findall(asked["KeyConditionExpression"]):
        if names.get(name.strip("("), name) == hash_key:
            return _read_value(asked["ExpressionAttributeValues"][value.strip(")")])
    raise AssertionError(f"a query of no partition: {asked['KeyConditionExpression']}")


def _read_value(value: Mapping[str, Any]) -> str:
    return str(next(iter(value.values())))


def _compare(operation: str, added: Heat, parsed: Mapping[str, Any]) -> None:
    """Raise AssertionError where the engine reports other units, of the table or of an index."""
    reported = parsed["ConsumedCapacity"]
    for each in reported if isinstance(reported, Sequence) else [reported]:
        indexes = {
            name: float(index["CapacityUnits"])
            for name, index in each.get("GlobalSecondaryIndexes", {}).items()
        }
        told = {TABLE: float(each["CapacityUnits"]) - sum(indexes.values()), **indexes}
        counted = defaultdict[str, float](float)
        for place, units in (*added.written.items(), *added.read.items()):
            counted[place.of] += units
        wrong = {of for of in {*told, *counted} if told.get(of, 0) != counted[of]}
        if wrong:
            raise AssertionError(
                f"{operation} consumes {told} as the engine says, and {dict(counted)} by its items"
            )
