"""What botocore is told to do with the answers of DynamoDB: send again what passes by itself, say that the
table is busy where that did not help, and count what each call costs.
"""

import random
from collections.abc import Mapping
from typing import Any

from genai_voice.foundation.errors import Busy
from genai_voice.foundation.metering import count_call

BUSY = "The table is busy: try again"
LOST_RACE = {"ConditionalCheckFailed", "TransactionConflict"}
"""Why a transaction was cancelled that another writer came before."""

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
"""Errors that go by themselves."""
_CONFLICT_RETRIES = 5


def register_hooks(events: Any) -> None:
    """Have a botocore client call what is below: `client.meta.events` is where it keeps its hooks."""
    events.register_first("needs-retry.dynamodb", _delay_after_conflict)
    events.register("after-call.dynamodb", _count_capacity)
    events.register("after-call.dynamodb", _raise_if_busy)


def _delay_after_conflict(response: Any, attempts: int, **_: object) -> float | None:
    """Have botocore send the same request (with the same ClientRequestToken) again after 10 to 200 ms, up to
    5 times, where DynamoDB answers TransactionConflict, because an item is in another's transaction, or has
    cancelled a transaction because one of its items is throttled. Neither botocore nor pynamodb retries so.
    """
    if response is None or attempts > _CONFLICT_RETRIES:
        return None
    codes = _read_codes(response[1])
    passes = codes & (_CONFLICT | _THROTTLED) and "ConditionalCheckFailed" not in codes
    return random.uniform(0.01, min(0.2, 0.025 * 2**attempts)) if passes else None  # noqa: S311 - spreads retries


def _count_capacity(parsed: Mapping[str, Any], model: Any, **_: object) -> None:
    """Count the call and the capacity it consumed with the request that it is for."""
    consumed = parsed.get("ConsumedCapacity", [])
    each_table = consumed if isinstance(consumed, list) else [consumed]
    count_call(model.name, sum(each.get("CapacityUnits", 0.0) for each in each_table))


def _raise_if_busy(parsed: Mapping[str, Any], **_: object) -> None:
    """Raise Busy for an error that outlasts the retries but goes by itself: it is no bug."""
    codes = _read_codes(parsed)
    if codes & _PASSING and "ConditionalCheckFailed" not in codes:
        raise Busy(BUSY)


def _read_codes(parsed: Mapping[str, Any]) -> set[str]:
    """Read the codes of an error, and of the reasons why a transaction was cancelled."""
    reasons = parsed.get("CancellationReasons", [])
    return {each["Code"] for each in (parsed.get("Error", {}), *reasons) if "Code" in each}
