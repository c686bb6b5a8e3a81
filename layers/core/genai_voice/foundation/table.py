"""The single table: what all items share, and how one item is read and written."""

import random
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Self, TypeVar, cast, overload

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
from pynamodb.exceptions import DeleteError, GetError, PutError, UpdateError, VerboseClientError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model

from genai_voice.foundation.connection import CONNECT_S, READ_S, register_hooks
from genai_voice.foundation.keys import choose_shard, make_key
from genai_voice.foundation.settings import get_settings

__all__ = [
    "DUE_SHARDS",
    "Action",
    "BinaryAttribute",
    "BooleanAttribute",
    "CompressedText",
    "Condition",
    "Item",
    "ListAttribute",
    "MapAttribute",
    "NumberAttribute",
    "UnicodeAttribute",
    "find_together",
]

_READ = 100  # items of one BatchGetItem, DynamoDB's limit
DUE_SHARDS = 8
A = TypeVar("A", bound="Item")
B = TypeVar("B", bound="Item")
C = TypeVar("C", bound="Item")
D = TypeVar("D", bound="Item")
E = TypeVar("E", bound="Item")
F = TypeVar("F", bound="Item")

_opening = threading.Lock()


class CompressedText(Attribute[str]):
    """Text, mostly JSON, stored compressed by zlib: DynamoDB charges for the size of items."""

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


class RawPage(NamedTuple):
    items: list[dict[str, Any]]
    last: dict[str, Any] | None
    """After which more are left."""
    units: float
    """That it took to read them."""


class Item(Model):
    """A row of the table. Each kind is a subclass: `class HandoffRow(Item, discriminator="handoff")`.

    Every query names a sort-key prefix, since the filter on `kind` runs after `Limit`.
    """

    class Meta:
        table_name = ""  # known when the connection opens
        connect_timeout_seconds = CONNECT_S
        read_timeout_seconds = READ_S
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
    def read_raw(cls, partition: str, prefix: str, after: str | None = None) -> Iterator[dict[str, Any]]:
        """Read items of any kind as DynamoDB has them (strongly consistent), in the order of their sort keys,
        which begin with `prefix`, those after the key `after` alone. For items whose attribute names are
        data.
        """
        wanted = cls.sk.between(after + "!", prefix + "~") if after else cls.sk.startswith(prefix)
        connection, last = cls._get_connection(), None
        while True:
            page = connection.query(partition, wanted, consistent_read=True, exclusive_start_key=last)
            yield from page["Items"]
            last = page.get("LastEvaluatedKey")
            if last is None:
                return

    @classmethod
    def read_raw_page(
        cls, partition: str, start: str, end: str, *, index: str | None, limit: int, after: Any = None
    ) -> RawPage:
        """Read items of any kind as DynamoDB has them (eventually consistent), in the order of their sort
        keys in the table or in an index, from `start` to `end`: at most `limit`, and at most 1 MB.
        """
        place = {None: cls.sk, "gsi1": cls.gsi1sk, "gsi2": cls.gsi2sk}[index]
        page = cls._get_connection().query(
            *(partition, place.between(start, end)),
            index_name=index,
            limit=limit,
            exclusive_start_key=after,
        )
        return RawPage(page["Items"], page.get("LastEvaluatedKey"), page["ConsumedCapacity"]["CapacityUnits"])

    @classmethod
    def list_latest(cls, index: str, partition: str, before: str | None, limit: int) -> list[Self]:
        """List the newest items of a list by `gsi1` or `gsi2`, newest first, beginning after the position
        `before`. They have the attributes that the index knows.
        """
        place = {"gsi1": cls.gsi1sk, "gsi2": cls.gsi2sk}[index]
        after = (place < before) if before else None
        return list(cls.query(partition, after, index_name=index, scan_index_forward=False, limit=limit))

    def set_due_changes(self, at_ms: float) -> list[Action]:
        """Have the sweep look at the item from this moment on (epoch ms), until it is cleared."""
        return [type(self).due.set(self._make_due_key()), type(self).due_at.set(at_ms)]

    @classmethod
    def clear_due_changes(cls) -> list[Action]:
        """Have the sweep look at the item no more."""
        return [cls.due.remove(), cls.due_at.remove()]

    def set_due(self, at_ms: float) -> None:
        """Have the sweep look at an item that is not stored yet, as `set_due_changes` does."""
        self.due, self.due_at = self._make_due_key(), at_ms

    def _make_due_key(self) -> str:
        return self._make_due_partition(choose_shard(DUE_SHARDS, self.pk, self.sk))

    @classmethod
    def _make_due_partition(cls, shard: int) -> str:
        """Make the key of a partition of due items. Those of a kind are spread, so that none becomes hot."""
        return make_key("DUE", str(cls.kind.get_discriminator(cls)), "SHARD", str(shard))

    @classmethod
    def list_due(cls, until_ms: float) -> Iterator[Self]:
        """List the items of this kind that were due by then, with their keys alone, as the index knows them.
        In each of DUE_SHARDS partitions those that have waited longest come first; the partitions come in
        another order each time, so that none is always last.
        """
        for shard in random.sample(range(DUE_SHARDS), DUE_SHARDS):
            yield from cls.query(cls._make_due_partition(shard), cls.due_at <= until_ms, index_name="due")

    def find_stored(self) -> Self | None:
        """Find this item as it is now, or None: `StateRow.of(app).find_stored()`."""
        return self.find(self.pk, self.sk)

    def count_text_bytes(self) -> int:
        """Count about what the item takes, its texts uncompressed."""
        return sum(len(name) + len(str(value).encode()) for name, value in self.attribute_values.items())

    def insert(self) -> bool:
        """Store the item unless its key is taken. Answers whether it was stored."""
        try:
            self.save(condition=type(self).pk.does_not_exist())
        except PutError as refused:
            return _check_condition_failed(refused)
        return True

    def remove(self) -> bool:
        """Delete the item. Answers whether it was there."""
        try:
            self.delete(condition=type(self).pk.exists())
        except DeleteError as refused:
            return _check_condition_failed(refused)
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
            _check_condition_failed(refused)
            return None
        before = type(self)(self.pk, self.sk)
        before.deserialize(reply.get("Attributes", {}))
        return before

    def change_or_find(self, actions: Sequence[Action], condition: Condition) -> tuple[bool, Self | None]:
        """Create or update the item in one write. Answers whether it was written and, where the condition
        does not hold, the item as it is stored, or None where it is not there.
        """
        kind = type(self).kind.set(type(self))
        planned = self.get_update_kwargs_from_instance(
            actions=[*actions, kind], condition=condition, return_values_on_condition_failure="ALL_OLD"
        )
        try:
            # pynamodb's own update_item does not pass on what a condition brings along.
            self._get_connection().connection.dispatch("UpdateItem", planned)
        except VerboseClientError as refused:
            if refused.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            stored = cast(Any, refused.__cause__).response.get("Item")
            return False, self.from_raw_data(stored) if stored else None
        return True, None

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
    a: A | None, b: B | None, c: C | None, d: D | None, e: E | None, f: F | None, /
) -> tuple[A | None, B | None, C | None, D | None, E | None, F | None]: ...
def find_together(*rows: Item | None) -> tuple[Item | None, ...]:
    """Find items of several kinds in one call, strongly consistent: each as it is now, or None where it is
    not there or was not asked for (None).
    """
    found = Item.find_all((row.pk, row.sk) for row in rows if row is not None)
    return tuple(None if row is None else found.get((row.pk, row.sk)) for row in rows)


class _Opening(Item):
    """The class that pynamodb opens the connection on: it keeps it there before the client is made."""


def _open_connection() -> TableConnection:
    """Open a connection with the settings of now, its client made and its hooks registered: whoever takes it
    from `Item` takes all of it.
    """
    meta = cast(Any, Item.Meta)
    meta.table_name, meta.region, meta.host = (
        get_settings().table_name,
        get_settings().region,
        get_settings().dynamodb_endpoint,
    )
    _Opening._connection = None
    connection = cast(Any, Model._get_connection).__func__(_Opening)
    register_hooks(connection.connection.client.meta.events)
    return cast(TableConnection, connection)


def forget_connection() -> None:
    """Have the next call open a connection, with the settings of then."""
    Item._connection = None


def _check_condition_failed(refused: PutError | UpdateError | GetError | DeleteError) -> bool:
    """Answer False where a condition has failed, and raise any other error again."""
    if refused.cause_response_code != "ConditionalCheckFailedException":
        raise refused
    return False
