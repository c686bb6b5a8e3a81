"""One line per request, log and metrics in one. Never a body, a query string, a credential or what anybody
said.
"""

from collections.abc import Iterable
from functools import cache
from traceback import FrameSummary
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from genai_voice.foundation.metering import Meter

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger


@cache
def logger() -> "Logger":
    """The JSON logger of this process, which most processes never need."""
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
    """How a request went: who, which, how long, what it asked of DynamoDB.

    One line that is both: CloudWatch makes metrics of it (Embedded Metric Format), and it is searched like
    any other log line. Two lines would cost twice the time and twice the ingestion.
    """
    # One object per request: Powertools' Metrics keeps its values on the class, where requests in threads
    # would mix.
    metrics = EphemeralMetrics()
    metrics.add_dimension("route", route)
    metrics.add_metric("Duration", MetricUnit.Milliseconds, duration_ms)
    metrics.add_metric("Faults", MetricUnit.Count, int(status >= 500))
    metrics.add_metric("DynamoDBUnits", MetricUnit.Count, meter.units)
    told = {"app": app, "session": session, "trace_id": trace_id, "dynamodb_calls": len(meter.operations)}
    for name, value in {"message": "request", "status": int(status), **told}.items():
        if value is not None:
            metrics.add_metadata(name, value)
    metrics.flush_metrics()


def report_fault(route: str, trace_id: str | None, kind: str, frames: Iterable[FrameSummary]) -> None:
    """A bug: its kind and where it happened. Not its message, which may quote what somebody said."""
    logger().error(
        "fault",
        route=route,
        trace_id=trace_id,
        error=kind,
        frames=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    )
