"""moto at a cost that does not grow with its table, where its own way is to look at the whole of it.

Only how the work is done is replaced, never an answer: what moto refuses without these patches, it refuses
with them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from unittest.mock import patch

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

_transact_slowly = DynamoDBBackend.transact_write_items


@contextmanager
def fast_moto() -> Iterator[None]:
    """Run moto with the patches of this module."""
    with (
        patch.object(Table, "__deepcopy__", _return_itself, create=True),
        patch.object(DynamoDBBackend, "transact_write_items", _transact),
    ):
        yield


# -- transactions ------------------------------------------------------------------------------------------


def _return_itself(table: Table, memo: dict[int, Any]) -> Table:
    """Save the copy of a whole table that moto makes for each item of a transaction. Nothing else that tests
    ask of moto copies a table.
    """
    return table


def _transact(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    """Put back the items that a failing transaction names: no others can have changed."""
    stored = [_copy_stored_item(backend, *change) for item in transact_items for change in item.items()]
    try:
        _transact_slowly(backend, transact_items)
    except Exception:
        for table, hash_key, range_key, item in stored:
            if item is not None:
                table.items[hash_key][range_key] = item
            else:
                table.items[hash_key].pop(range_key, None)
        raise


def _copy_stored_item(
    backend: DynamoDBBackend, kind: str, change: dict[str, Any]
) -> tuple[Table, DynamoType, DynamoType, Item | None]:
    table = backend.get_table(change["TableName"])
    key = change["Item" if kind == "Put" else "Key"]
    hash_key, range_key = DynamoType(key[table.hash_key_attr]), DynamoType(key[str(table.range_key_attr)])
    return table, hash_key, range_key, deepcopy(table.items.get(hash_key, {}).get(range_key))
