"""What botocore is told to do with the answers of DynamoDB, and where none comes: send again what passes by
itself, say in time that the table is busy where that did not help, and count what each call costs.
"""

import random
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError

from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import Busy
from genai_voice.foundation.metering import count_call, count_lost_time

CONNECT_S = 1
READ_S = 3
"""How long an attempt waits for a connection, and then for an answer. DynamoDB mostly takes milliseconds."""

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
_PATIENCE_S = 8
"""How long a request waits in all for a table that fails: many clients give up after 10 s."""
_SHORT_DELAY_S = 0.2
"""The longest wait before another attempt. After one that was throttled, botocore waits up to 1, 2, 4 s."""


def register_hooks(events: Any) -> None:
    """Have a botocore client call what is below: `client.meta.events` is where it keeps its hooks."""
    events.register("before-call.dynamodb", _note_start)
    events.register_first("needs-retry.dynamodb", _decide_retry)
    events.register("after-call.dynamodb", _count_capacity)
    events.register("after-call.dynamodb", _raise_if_busy)
    events.register("after-call-error.dynamodb", _raise_if_unreachable)


def _note_start(context: dict[str, Any], **_: object) -> None:
    context["attempt_began_ms"] = get_now_ms()


def _decide_retry(
    response: Any, caught_exception: Exception | None, attempts: int, request_dict: Any, **_: object
) -> float | bool | None:
    """Tell botocore how many seconds to wait before it sends the same request (with the same
    ClientRequestToken) again, or False for never; None leaves it to botocore's own rules.

    Never, where the failed attempts of this request have taken so long that another one might end after
    _PATIENCE_S. After 10 to 200 ms, up to 5 times, where DynamoDB answers TransactionConflict, because an
    item is in another's transaction, or has cancelled a transaction because one of its items is throttled:
    neither botocore nor pynamodb retries so.
    """
    status, codes = (response[0].status_code, _read_codes(response[1])) if response else (0, set())
    is_ours = _may_pass(codes, _CONFLICT | _THROTTLED) and attempts <= _CONFLICT_RETRIES
    is_throttled = _may_pass(codes, _PASSING) and not is_ours
    if not (caught_exception or is_ours or is_throttled or status >= HTTPStatus.INTERNAL_SERVER_ERROR):
        return None
    now, context = get_now_ms(), request_dict["context"]
    lost_s = count_lost_time((now - context["attempt_began_ms"]) / 1000)
    context["attempt_began_ms"] = now
    longest_delay_s = 2 ** (attempts - 1) if is_throttled else _SHORT_DELAY_S
    if lost_s + longest_delay_s + CONNECT_S + READ_S > _PATIENCE_S:
        return False
    return random.uniform(0.01, min(_SHORT_DELAY_S, 0.025 * 2**attempts)) if is_ours else None  # noqa: S311 - spreads retries


def _count_capacity(parsed: Mapping[str, Any], model: Any, **_: object) -> None:
    """Count the call and the capacity it consumed with the request that it is for."""
    consumed = parsed.get("ConsumedCapacity", [])
    each_table = consumed if isinstance(consumed, list) else [consumed]
    count_call(model.name, sum(each.get("CapacityUnits", 0.0) for each in each_table))


def _raise_if_busy(parsed: Mapping[str, Any], http_response: Any, **_: object) -> None:
    """Raise Busy for an error that outlasts the retries but goes by itself: it is no bug."""
    is_broken = http_response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    if is_broken or _may_pass(_read_codes(parsed), _PASSING):
        raise Busy(BUSY)


def _raise_if_unreachable(exception: Exception, **_: object) -> None:
    """Raise Busy where no answer has come: a timeout, or a connection that failed or broke."""
    if isinstance(exception, HTTPClientError | NoConnection):
        raise Busy(BUSY) from exception


def _may_pass(codes: set[str], passing: set[str]) -> bool:
    """Say whether an error goes by itself: a condition that has failed does not."""
    return bool(codes & passing) and "ConditionalCheckFailed" not in codes


def _read_codes(parsed: Mapping[str, Any]) -> set[str]:
    """Read the codes of an error, and of the reasons why a transaction was cancelled."""
    reasons = parsed.get("CancellationReasons", [])
    return {each["Code"] for each in (parsed.get("Error", {}), *reasons) if "Code" in each}
