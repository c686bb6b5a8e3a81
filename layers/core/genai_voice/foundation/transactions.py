"""Writing several items: all or none of them in a transaction, or many in batches."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pynamodb.exceptions import TransactWriteError

from genai_voice.foundation.connection import BUSY, LOST_RACE
from genai_voice.foundation.errors import Busy
from genai_voice.foundation.table import Action, Condition, Item

_BATCH = 25  # items of one BatchWriteItem, DynamoDB's limit


@dataclass(frozen=True, slots=True)
class Change:
    """A planned update, to be written alone (`row.change`) or together with others. Without actions it only
    checks its condition.
    """

    row: Item
    actions: Sequence[Action]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """A planned removal of an item, which must be there and of which the condition must hold."""

    row: Item
    condition: Condition


def write_together(
    changes: Sequence[Change],
    puts: Sequence[Item] = (),
    inserts: Sequence[Item] = (),
    removals: Sequence[Item | Removal] = (),
) -> bool:
    """Write all of these or none (TransactWriteItems, at double cost, at most 100 items). What is inserted
    must be new, what is removed must be there.

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
            delete_items=[_plan_removal(each) for each in removals],
            put_items=[
                *(row.get_save_kwargs_from_instance() for row in puts),
                *(row.get_save_kwargs_from_instance(type(row).pk.does_not_exist()) for row in inserts),
            ],
            update_items=updates,
        )
    except TransactWriteError as refused:
        if any(reason and reason.code in LOST_RACE for reason in refused.cancellation_reasons):
            return False
        raise
    return True


def _plan_removal(planned: Item | Removal) -> dict[str, Any]:
    if isinstance(planned, Removal):
        row, condition = planned.row, type(planned.row).pk.exists() & planned.condition
    else:
        row, condition = planned, type(planned).pk.exists()
    return row.get_delete_kwargs_from_instance(condition)


def write(
    changes: Sequence[Change],
    puts: Sequence[Item] = (),
    inserts: Sequence[Item] = (),
    removals: Sequence[Item | Removal] = (),
) -> bool:
    """Write all of these or none, as `write_together` does; a change that is alone is a plain update, at half
    the cost.
    """
    if len(changes) == 1 and not (puts or inserts or removals):
        return changes[0].row.change(changes[0].actions, changes[0].condition)
    return write_together(changes, puts, inserts, removals)


def put_all(rows: Sequence[Item]) -> None:
    """Store items, 25 in a call; each replaces the one with its key. The caller leaves out items with equal
    keys: DynamoDB refuses them in one call.

    Raises Busy when DynamoDB leaves items unprocessed for about 3 s. Storing them all again is harmless then.
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
    raise Busy(BUSY)
