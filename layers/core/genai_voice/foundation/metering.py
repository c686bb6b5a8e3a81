"""Count the calls to DynamoDB that one request makes, and the time that failed ones took."""

from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Meter:
    """The calls of one request."""

    operations: list[str] = field(default_factory=list)
    """In the order of the calls."""
    units: float = 0.0
    """Of consumed capacity, read and write together."""
    lost_s: float = 0.0
    """What attempts that failed took, and the waits before the next ones."""


_meter: ContextVar[Meter | None] = ContextVar("meter", default=None)


def start_metering() -> Meter:
    """Count the calls of this thread from now on, in the meter that is answered."""
    meter = Meter()
    _meter.set(meter)
    return meter


def count_call(operation: str, units: float) -> None:
    """Count a call and its capacity units in the meter of this thread, if there is one."""
    meter = _meter.get()
    if meter is not None:
        meter.operations.append(operation)
        meter.units += units


def count_lost_time(seconds: float) -> float:
    """Count the time that a failed attempt took. Answers the sum of this request's, or this one alone where
    there is no meter.
    """
    meter = _meter.get()
    if meter is None:
        return seconds
    meter.lost_s += seconds
    return meter.lost_s
