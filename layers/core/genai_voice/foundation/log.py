"""Write the log: one line for each request or piece of other work, and one for each bug. No line has a body,
a query string, a credential or anything that a person has said.
"""

import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from genai_voice.foundation.caches import cache_results
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.metering import Meter

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger


@cache_results()
def get_logger() -> "Logger":
    """Answer the JSON logger of this process. It is made on first use, as most processes never need it."""
    from aws_lambda_powertools import Logger

    return Logger()


def report_request(
    route: str,
    status: int,
    *,
    app: str | None,
    session: str | None,
    trace_id: str | None,
    duration_ms: float,
    meter: Meter,
) -> None:
    """Report a request: its route, status, app, session and trace, how long it took, and its calls to
    DynamoDB.

    CloudWatch makes of these lines the one metric that an alarm needs (`SaveDuration` in the template); all
    else is found by a query. A metric for each route would be billed by the month.
    """
    told = {"app": app, "session": session, "trace_id": trace_id}
    named = {name: value for name, value in told.items() if value is not None}
    _write_line("request", {"route": route, "status": int(status)}, duration_ms, meter, named)


def report_work(worker: str, *, named: Mapping[str, Any], duration_ms: float, meter: Meter) -> None:
    """Report a piece of work that no request asked for. `named` has its `outcome` and its ids."""
    _write_line("work", {"worker": worker}, duration_ms, meter, named)


def _write_line(
    message: str, what: Mapping[str, Any], duration_ms: float, meter: Meter, named: Mapping[str, Any]
) -> None:
    line = {
        "message": message,
        "timestamp": get_now_ms(),
        **what,
        "duration_ms": round(duration_ms, 3),
        "dynamodb_calls": len(meter.operations),
        "dynamodb_units": meter.units,
        **named,
    }
    sys.stdout.write(to_json(line).decode() + "\n")  # in one piece: requests in threads would mix


def report_fault(route: str, trace_id: str | None, fault: Exception) -> None:
    """Report a bug: its kind, AWS's error code where it has one, and where it happened. Not its message,
    which may quote what somebody said.
    """
    frames = traceback.extract_tb(fault.__traceback__)
    get_logger().error(
        "fault",
        route=route,
        trace_id=trace_id,
        **_name_error(fault),
        frames=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    )


def _name_error(error: BaseException) -> dict[str, Any]:
    """Name an error by its kind and, where it comes from an answer of AWS, by the codes in there."""
    from botocore.exceptions import ClientError

    named = {"error": type(error).__qualname__}
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ClientError):
            reasons = getattr(cause, "cancellation_reasons", [])  # pynamodb's, of a transaction
            codes = [cause.response["Error"]["Code"], *(each.code for each in reasons if each)]
            return named | {"code": " ".join(codes)}
        cause = cause.__cause__ or cause.__context__
    return named


def report_unusable_rule(app: str, rule: str) -> None:
    """Report a stored guardrail rule that can match nothing. The list of rules says what is wrong with it."""
    get_logger().warning("rule matches nothing", app=app, rule=rule)


def report_lost_call(reason: Exception, messages: int) -> None:
    """Report messages that never reached their queue: the next sweep does their work."""
    get_logger().warning("nudge lost", **_name_error(reason), messages=messages)


def report_refused_messages(codes: Iterable[str]) -> None:
    """Report messages that a queue did not take, by SQS's code for each: the next sweep does their work."""
    for code, messages in Counter(codes).items():
        get_logger().warning("nudge lost", error="Refused", code=code, messages=messages)


def report_upstream_failure(upstream: str, kind: str, status: int | None) -> None:
    """Report that an outside service failed: how, and its HTTP status if there was one. None of its words,
    which may quote a key or what somebody said.
    """
    get_logger().warning("upstream failed", upstream=upstream, error=kind, status=status)


def report_lost_violations(app: str, session: str, rules: Sequence[str]) -> None:
    """Report violations that a check has found and answered, and that could not be stored."""
    get_logger().error("violations lost", app=app, session=session, rules=rules)
