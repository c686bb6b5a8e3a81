"""What is asked of DynamoDB meanwhile, and what that consumes: reads, writes to the table, writes to indexes.

The units are dynoxide's, which keeps DynamoDB's documented rules; `check_engine` says so before anything is
measured by it. What neither reports is a write whose condition fails. It consumes by the size of the item
that is there ("Condition expressions"), which is read for it here.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from bench.engine import find_client, read_row
from bench.images import count_write_units, list_writes

_READS = {"GetItem", "BatchGetItem", "Query", "TransactGetItems"}
_REFUSED = {"ConditionalCheckFailedException", "TransactionCanceledException"}


@dataclass(slots=True)
class Consumed:
    """Units of capacity, which are request units where on-demand capacity is paid."""

    calls: list[str] = field(default_factory=list)
    read: float = 0.0
    written: float = 0.0
    indexed: float = 0.0
    """Of what is written: to global secondary indexes."""
    refused: list[float] = field(default_factory=list)
    """Of what is written: by each call that wrote nothing, since a condition did not hold."""

    def add(self, operation: str, consumed: Mapping[str, Any]) -> None:
        """One table's part of a reply to `ReturnConsumedCapacity: INDEXES`."""
        units = float(consumed["CapacityUnits"])
        if operation in _READS:
            self.read += units
            return
        indexes = consumed.get("GlobalSecondaryIndexes", {}).values()
        self.written += units
        self.indexed += sum(float(each["CapacityUnits"]) for each in indexes)

    def add_refused(self, units: float) -> None:
        self.refused.append(units)
        self.written += units

    def __iadd__(self, other: "Consumed") -> "Consumed":
        self.calls += other.calls
        self.read += other.read
        self.written += other.written
        self.indexed += other.indexed
        self.refused += other.refused
        return self


@contextmanager
def count_consumption() -> Iterator[Consumed]:
    """Of the service in this process."""
    found, asked = Consumed(), dict[str, Any]()

    def ask(params: dict[str, Any], **_: object) -> None:
        params["ReturnConsumedCapacity"] = "INDEXES"
        asked.clear()
        asked.update(params)

    def note(parsed: Mapping[str, Any], model: Any, **_: object) -> None:
        found.calls.append(model.name)
        if parsed.get("Error", {}).get("Code") in _REFUSED:
            found.add_refused(_count_refused(model.name, asked))
        consumed = parsed.get("ConsumedCapacity", [])
        for each in consumed if isinstance(consumed, list) else [consumed]:
            found.add(model.name, each)

    hooks = (("before-parameter-build.dynamodb", ask), ("after-call.dynamodb", note))
    events = find_client().meta.events
    for event, hook in hooks:
        events.register(event, hook)
    try:
        yield found
    finally:
        for event, hook in hooks:
            events.unregister(event, hook)


def _count_refused(operation: str, asked: Mapping[str, Any]) -> float:
    """Count the units of a call that was refused: of each item that is where it wanted to write."""
    return sum(times * count_write_units(read_row(key)) for key, times in list_writes(operation, asked))


# -- whether the engine is to be believed ------------------------------------------------------------------


def check_engine(table: str) -> None:
    """Hold the engine against what the DynamoDB developer guide documents. Raises AssertionError.

    1 write unit per started KB of the item, of the larger one where it changes; 1 read unit per started 4 KB,
    half of it where the read is eventually consistent; at least one item's worth where there is none; each
    item of a batch for itself, the items of a query together, those that a filter drops too; an index costs
    nothing unless a projected attribute changes, two writes when its key changes; a transaction twice; a
    refused write by the item that is there.
    """
    here = {"TableName": table}
    place = {f"gsi{n}{part}": {"S": "list"} for n in (1, 2) for part in ("pk", "sk")}

    def make_row(sk: str, size: int = 0, **more: Any) -> dict[str, Any]:
        return {"pk": {"S": "CHECK"}, "sk": {"S": sk}, "filler": {"S": "x" * size}, **more}

    def update(sk: str, attribute: str, value: dict[str, str]) -> dict[str, Any]:
        names = {"UpdateExpression": f"SET {attribute} = :v", "ExpressionAttributeValues": {":v": value}}
        return {**here, "Key": _make_key(sk), **names}

    two = [{"Put": {**here, "Item": make_row(sk, 1500, **place)}} for sk in ("t1", "t2")]
    batch = [{"PutRequest": {"Item": make_row(sk, 1500)}} for sk in ("b1", "b2", "b3")]
    keys = {"KeyConditionExpression": "pk = :pk AND begins_with(sk, :b)"}
    values = {":pk": {"S": "CHECK"}, ":b": {"S": "b"}}
    query = {**here, **keys, "ExpressionAttributeValues": values}
    nothing = {**query, "FilterExpression": "filler = :b"}
    gsi = {**here, "IndexName": "gsi1", "KeyConditionExpression": "gsi1pk = :pk"}
    listed = {**gsi, "ExpressionAttributeValues": {":pk": {"S": "list"}}}
    both = {
        "RequestItems": {
            table: {"Keys": [_make_key("a"), _make_key("b1"), _make_key("none")], "ConsistentRead": True}
        }
    }
    # operation, request, (read, written to the table, written to indexes)
    cases: list[tuple[str, dict[str, Any], tuple[float, float, float]]] = [
        ("put_item", {**here, "Item": make_row("full", 1024 - 5 - 2 - 2 - 4 - 6)}, (0, 1, 0)),
        ("put_item", {**here, "Item": make_row("more", 1024 - 5 - 2 - 2 - 4 - 6 + 1)}, (0, 2, 0)),
        ("put_item", {**here, "Item": make_row("a", 5000, **place)}, (0, 5, 2)),
        ("put_item", {**here, "Item": make_row("a", 5000, **place)}, (0, 5, 0)),
        ("update_item", update("a", "filler", {"S": "x"}), (0, 5, 0)),
        ("update_item", update("a", "transcript_bytes", {"N": "1"}), (0, 1, 2)),
        ("update_item", update("a", "gsi2pk", {"S": "other"}), (0, 1, 2)),
        ("update_item", update("a", "filler", {"S": "x" * 5000}), (0, 5, 0)),
        ("batch_write_item", {"RequestItems": {table: batch}}, (0, 6, 0)),
        ("transact_write_items", {"TransactItems": two}, (0, 8, 4)),
        ("get_item", {**here, "Key": _make_key("a")}, (1, 0, 0)),
        ("get_item", {**here, "Key": _make_key("a"), "ConsistentRead": True}, (2, 0, 0)),
        ("get_item", {**here, "Key": _make_key("none"), "ConsistentRead": True}, (1, 0, 0)),
        ("batch_get_item", both, (4, 0, 0)),
        ("query", query, (1, 0, 0)),
        ("query", {**query, "ConsistentRead": True}, (2, 0, 0)),
        ("query", {**nothing, "ConsistentRead": True}, (2, 0, 0)),
        ("query", listed, (0.5, 0, 0)),
    ]
    for operation, request, expected in cases:
        with count_consumption() as found:
            getattr(find_client(), operation)(**request)
        told = (found.read, found.written - found.indexed, found.indexed)
        if told != expected:
            raise AssertionError(f"{operation} consumes {told} here, and {expected} by DynamoDB's rules")
    refused = {**update("a", "filler", {"S": "x"}), "ConditionExpression": "attribute_not_exists(pk)"}
    with count_consumption() as found, suppress(find_client().exceptions.ConditionalCheckFailedException):
        find_client().update_item(**refused)
    if (found.written, found.refused) != (5, [5]):
        raise AssertionError(f"a refused write of an item of 5 KB is counted as {found.written} units")


def _make_key(sk: str) -> dict[str, Any]:
    return {"pk": {"S": "CHECK"}, "sk": {"S": sk}}
