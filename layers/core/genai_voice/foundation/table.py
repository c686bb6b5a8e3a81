"""The single table: what all items share, how they are read, changed and written together."""

import random
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self, TypeVar, cast, overload

from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.connection import TableConnection
from pynamodb.constants import BINARY
from pynamodb.exceptions import DeleteError, GetError, PutError, TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model

from genai_voice.foundation.errors import Busy
from genai_voice.foundation.keys import digest, key
from genai_voice.foundation.metering import count_call
from genai_voice.foundation.settings import settings

__all__ = [
    "DUE_SHARDS",
    "Action",
    "BinaryAttribute",
    "BooleanAttribute",
    "Change",
    "CompressedText",
    "Condition",
    "Item",
    "ListAttribute",
    "MapAttribute",
    "NumberAttribute",
    "UnicodeAttribute",
    "find_together",
    "put_all",
    "write",
    "write_together",
]

_BATCH = 25  # items of one BatchWriteItem, DynamoDB's limit
_READ = 100  # items of one BatchGetItem, the same
_CONFLICT_RETRIES = 5
_THROTTLED = {"ProvisionedThroughputExceeded", "ThrottlingError"}  # why a transaction was cancelled
_CONFLICT = {"TransactionConflictException", "TransactionConflict"}
_PASSING = {
    *_THROTTLED,
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
}
DUE_SHARDS = 8
A = TypeVar("A", bound="Item")
B = TypeVar("B", bound="Item")
C = TypeVar("C", bound="Item")
D = TypeVar("D", bound="Item")
E = TypeVar("E", bound="Item")

_LOST_RACE = ("ConditionalCheckFailed", "TransactionConflict")
_opening = threading.Lock()


class CompressedText(Attribute[str]):
    """Text, mostly JSON, kept as zlib bytes: item size is what DynamoDB charges for."""

    attr_type = BINARY

    def serialize(self, value: str) -> bytes:
        return zlib.compress(value.encode(), 6)

    def deserialize(self, value: bytes) -> str:
        return zlib.decompress(value).decode()


class _ByGsi1(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "gsi1"
        projection = IncludeProjection(["kind", "status", "created_at", "transcript_bytes"])

    gsi1pk = UnicodeAttribute(hash_key=True)
    gsi1sk = UnicodeAttribute(range_key=True)


class _ByGsi2(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "gsi2"
        projection = IncludeProjection(["kind", "status", "created_at", "transcript_bytes"])

    gsi2pk = UnicodeAttribute(hash_key=True)
    gsi2sk = UnicodeAttribute(range_key=True)


class _ByDue(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "due"
        projection = IncludeProjection(["kind"])

    due = UnicodeAttribute(hash_key=True)
    due_at = NumberAttribute(range_key=True)


class Item(Model):
    """A row of the table. Each kind is a subclass: `class HandoffRow(Item, discriminator="handoff")`.

    Every query names a sort-key prefix, since the filter on `kind` runs after `Limit`.
    """

    class Meta:
        table_name = ""  # known when the connection opens
        connect_timeout_seconds = 1  # a function lives 29 s, pynamodb's defaults are 15 and 30
        read_timeout_seconds = 3
        max_pool_connections = 32

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()
    gsi1pk = UnicodeAttribute(null=True)
    gsi1sk = UnicodeAttribute(null=True)
    gsi2pk = UnicodeAttribute(null=True)
    gsi2sk = UnicodeAttribute(null=True)
    due = UnicodeAttribute(null=True)  # goes and comes with due_at: see `set_due_changes`
    due_at = NumberAttribute(null=True)  # epoch ms
    version = NumberAttribute(
        null=True
    )  # raised by an explicit ADD; pynamodb's VersionAttribute resets it on an unconditional update
    created_at = NumberAttribute(null=True)  # epoch ms
    expires_at = NumberAttribute(null=True)  # epoch seconds: DynamoDB deletes the item some time after

    by_gsi1 = _ByGsi1()
    by_gsi2 = _ByGsi2()
    by_due = _ByDue()

    @classmethod
    def find(cls, pk: str, sk: str) -> Self | None:
        """Find an item as it is now (strongly consistent), or None."""
        try:
            return cls.get(pk, sk, consistent_read=True)
        except cls.DoesNotExist:
            return None

    @classmethod
    def find_all(cls, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Self]:
        """Find the items that exist among these (pk, sk), in one call per 100, strongly consistent. Called on
        Item, kinds may be mixed: where each has its place, `find_together` knows their types.
        """
        return {(item.pk, item.sk): item for item in cls.batch_get(list(keys), consistent_read=True)}

    @classmethod
    def load_full(cls, listed: Iterable[Self]) -> Iterator[Self]:
        """Load with all their attributes the items that an index lists with a few, as they are now and in the
        same order; those that are gone are left out. One call per 100, made when it is their turn.
        """
        waiting = iter(listed)
        while batch := [(each.pk, each.sk) for each in islice(waiting, _READ)]:
            found = cls.find_all(batch)
            yield from (found[place] for place in batch if place in found)

    @classmethod
    def read_raw(cls, partition: str, prefix: str) -> Iterator[dict[str, Any]]:
        """Read items of any kind as DynamoDB has them (strongly consistent), in the order of their sort keys,
        which begin with `prefix`. For items whose attribute names are data.
        """
        connection, after = cls._get_connection(), None
        while True:
            page = connection.query(
                partition, cls.sk.startswith(prefix), consistent_read=True, exclusive_start_key=after
            )
            yield from page["Items"]
            after = page.get("LastEvaluatedKey")
            if after is None:
                return

    @classmethod
    def list_latest(cls, index: str, partition: str, before: str | None, limit: int) -> list[Self]:
        """List the newest items of a list by `gsi1` or `gsi2`, newest first, beginning after the position
        `before`. They have the attributes that the index knows.
        """
        place = {"gsi1": cls.gsi1sk, "gsi2": cls.gsi2sk}[index]
        after = (place < before) if before else None
        return list(cls.query(partition, after, index_name=index, scan_index_forward=False, limit=limit))

    @classmethod
    def list_in_trace(cls, app: str, trace_id: str, prefix: str) -> Iterator[Self]:
        """List the items of this kind in a trace by their sort keys, which begin with `prefix`."""
        trace = _trace_key(app, trace_id)
        return cls.load_full(cls.query(trace, cls.gsi2sk.startswith(prefix), index_name="gsi2"))

    def set_due_changes(self, at_ms: float) -> list[Action]:
        """Have the sweep look at the item from this moment on (epoch ms), until it is cleared."""
        return [type(self).due.set(self._due_key()), type(self).due_at.set(at_ms)]

    @classmethod
    def clear_due_changes(cls) -> list[Action]:
        """Have the sweep look at the item no more."""
        return [cls.due.remove(), cls.due_at.remove()]

    def set_due(self, at_ms: float) -> None:
        """Have the sweep look at an item that is not stored yet, as `set_due_changes` does."""
        self.due, self.due_at = self._due_key(), at_ms

    def _due_key(self) -> str:
        return self._due_partition(int(digest(self.pk, self.sk)[:2], 16) % DUE_SHARDS)

    @classmethod
    def _due_partition(cls, shard: int) -> str:
        """What waits of one kind is spread over partitions, so that none becomes hot."""
        return key("DUE", str(cls.kind.get_discriminator(cls)), "SHARD", str(shard))

    @classmethod
    def list_due(cls, until_ms: float) -> Iterator[Self]:
        """List the items of this kind that were due by then, with their keys alone, as the index knows them.
        In each of DUE_SHARDS partitions those that have waited longest come first; the partitions come in
        another order each time, so that none is always last.
        """
        for shard in random.sample(range(DUE_SHARDS), DUE_SHARDS):
            yield from cls.query(cls._due_partition(shard), cls.due_at <= until_ms, index_name="due")

    def find_stored(self) -> Self | None:
        """Find this item as it is now, or None: `StateRow.of(app).find_stored()`."""
        return self.find(self.pk, self.sk)

    def put_in_trace(self, app: str, trace_id: str) -> None:
        """Have the item found by the trace it belongs to."""
        self.gsi2pk, self.gsi2sk = _trace_key(app, trace_id), self.sk

    def insert(self) -> bool:
        """Store the item unless its key is taken. Answers whether it was stored."""
        try:
            self.save(condition=type(self).pk.does_not_exist())
        except PutError as refused:
            return _unless_condition_failed(refused)
        return True

    def remove(self) -> bool:
        """Delete the item. Answers whether it was there."""
        try:
            self.delete(condition=type(self).pk.exists())
        except DeleteError as refused:
            return _unless_condition_failed(refused)
        return True

    def change(self, actions: Sequence[Action], condition: Condition | None = None) -> bool:
        """Create or update the item in one write. Answers False when the condition does not hold."""
        return self.change_and_return(actions, condition) is not None

    def change_and_return(
        self, actions: Sequence[Action], condition: Condition | None = None, *, returning: str = "NONE"
    ) -> Self | None:
        """Create or update the item in one write, as `change` does. Answers an item with the attributes that
        `returning` asks for (DynamoDB's ReturnValues), or None when the condition does not hold.
        """
        kind = type(self).kind.set(type(self))  # without it an upserted row would be invisible to every query
        try:
            reply = self._get_connection().update_item(
                self.pk, self.sk, actions=[*actions, kind], condition=condition, return_values=returning
            )
        except UpdateError as refused:
            _unless_condition_failed(refused)
            return None
        before = type(self)(self.pk, self.sk)
        before.deserialize(reply.get("Attributes", {}))
        return before

    @classmethod
    def _get_connection(cls) -> TableConnection:
        """One connection serves all kinds: a client for each would cost 2 s and 150 MB in all."""
        if Item._connection is None:
            with _opening:
                if Item._connection is None:
                    Item._connection = _open_connection()
        return Item._connection


@overload
def find_together(a: A | None, b: B | None, /) -> tuple[A | None, B | None]: ...
@overload
def find_together(a: A | None, b: B | None, c: C | None, /) -> tuple[A | None, B | None, C | None]: ...
@overload
def find_together(
    a: A | None, b: B | None, c: C | None, d: D | None, e: E | None, /
) -> tuple[A | None, B | None, C | None, D | None, E | None]: ...
def find_together(*rows: Item | None) -> tuple[Item | None, ...]:
    """Find items of several kinds in one call, strongly consistent: each as it is now, or None where it is
    not there or was not asked for (None).
    """
    found = Item.find_all((row.pk, row.sk) for row in rows if row is not None)
    return tuple(None if row is None else found.get((row.pk, row.sk)) for row in rows)


def _trace_key(app: str, trace_id: str) -> str:
    return key("APP", app, "TRACE", trace_id)


class _Opening(Item):
    """The class that pynamodb opens the connection on: it keeps it there before the client is made."""


def _open_connection() -> TableConnection:
    """Open a connection with the settings of now, its client made and its hooks registered: whoever takes it
    from `Item` takes all of it.
    """
    meta = cast(Any, Item.Meta)
    meta.table_name, meta.region, meta.host = (
        settings().table_name,
        settings().region,
        settings().dynamodb_endpoint,
    )
    _Opening._connection = None
    connection = cast(Any, Model._get_connection).__func__(_Opening)
    events = connection.connection.client.meta.events
    events.register_first("needs-retry.dynamodb", _retry_after_conflict)
    events.register("after-call.dynamodb", _record_capacity)
    events.register("after-call.dynamodb", _tell_busy)
    return cast(TableConnection, connection)


def close() -> None:
    """Forget the connection, so that the next call opens one with the settings of then."""
    Item._connection = None


# -- writing several items --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """An update that waits to be written, alone (`row.change`) or together with others. Without actions it
    only asks for its condition.
    """

    row: Item
    actions: Sequence[Action]
    condition: Condition | None = None


def write_together(
    changes: Sequence[Change],
    puts: Sequence[Item] = (),
    inserts: Sequence[Item] = (),
    removals: Sequence[Item] = (),
) -> bool:
    """All or nothing (TransactWriteItems, at double cost, at most 100 items). What is inserted must be new,
    what is removed must be there.

    Answers False when a condition does not hold, or other writers win every time: read again, then decide.
    Raises Busy when DynamoDB throttles.
    """
    updates = [
        each.row.get_update_kwargs_from_instance(
            actions=[*each.actions, type(each.row).kind.set(type(each.row))], condition=each.condition
        )
        for each in changes
        if each.actions
    ]
    checks = [
        each.row.get_operation_kwargs_from_class(each.row.pk, each.row.sk, condition=each.condition)
        for each in changes
        if not each.actions
    ]
    try:
        Item._get_connection().connection.transact_write_items(
            condition_check_items=checks,
            delete_items=[row.get_delete_kwargs_from_instance(type(row).pk.exists()) for row in removals],
            put_items=[
                *(row.get_save_kwargs_from_instance() for row in puts),
                *(row.get_save_kwargs_from_instance(type(row).pk.does_not_exist()) for row in inserts),
            ],
            update_items=updates,
        )
    except TransactWriteError as refused:
        if any(reason and reason.code in _LOST_RACE for reason in refused.cancellation_reasons):
            return False
        raise
    return True


def write(
    changes: Sequence[Change],
    puts: Sequence[Item] = (),
    inserts: Sequence[Item] = (),
    removals: Sequence[Item] = (),
) -> bool:
    """As `write_together`, but one change that is alone is a plain update, at half the cost."""
    if len(changes) == 1 and not (puts or inserts or removals):
        return changes[0].row.change(changes[0].actions, changes[0].condition)
    return write_together(changes, puts, inserts, removals)


def put_all(rows: Sequence[Item]) -> None:
    """Store items, 25 in a call; each replaces what has its key. Equal keys must have been removed: DynamoDB
    refuses them in one call.

    Raises Busy when DynamoDB leaves items unprocessed for about 3 s; storing them again is harmless then.
    """
    for start in range(0, len(rows), _BATCH):
        _put_batch([row.serialize() for row in rows[start : start + _BATCH]])


def _put_batch(pending: list[Any]) -> None:
    connection = Item._get_connection()
    for attempt in range(7):
        if attempt:
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - spreads retries, no secret
        reply = connection.batch_write_item(put_items=pending)
        unprocessed = (reply or {}).get("UnprocessedItems", {}).get(connection.table_name, [])
        pending = [request["PutRequest"]["Item"] for request in unprocessed]
        if not pending:
            return
    raise Busy("The table is busy: try again")


# -- what botocore is told --------------------------------------------------------------------------------


def _record_capacity(parsed: Mapping[str, Any], model: Any, **_: object) -> None:
    consumed = parsed.get("ConsumedCapacity", [])
    count_call(
        model.name,
        sum(
            each.get("CapacityUnits", 0.0)
            for each in (consumed if isinstance(consumed, list) else [consumed])
        ),
    )


def _tell_busy(parsed: Mapping[str, Any], **_: object) -> None:
    """What outlasts the retries but goes by itself is no bug."""
    codes = _codes(parsed)
    if codes & _PASSING and "ConditionalCheckFailed" not in codes:
        raise Busy("The table is busy: try again")


def _retry_after_conflict(response: Any, attempts: int, **_: object) -> float | None:
    """DynamoDB answers TransactionConflict when an item is in another's transaction, and cancels a
    transaction when one of its items is throttled. Neither botocore nor pynamodb retries these.

    Tells botocore to send the same request (the same ClientRequestToken too) again after 10-200 ms, up to 5
    times.
    """
    if response is None or attempts > _CONFLICT_RETRIES:
        return None
    codes = _codes(response[1])
    passes = codes & (_CONFLICT | _THROTTLED) and "ConditionalCheckFailed" not in codes
    return random.uniform(0.01, min(0.2, 0.025 * 2**attempts)) if passes else None  # noqa: S311 - spreads retries


def _codes(parsed: Mapping[str, Any]) -> set[str]:
    """Of an error, and of the reasons why a transaction was cancelled."""
    reasons = parsed.get("CancellationReasons", [])
    return {each["Code"] for each in (parsed.get("Error", {}), *reasons) if "Code" in each}


def _unless_condition_failed(refused: PutError | UpdateError | GetError | DeleteError) -> bool:
    """False for a failed condition; any other error goes on its way."""
    if refused.cause_response_code != "ConditionalCheckFailedException":
        raise refused
    return False
