"""What one request asks of DynamoDB, counted where the calls are made and reported with the request."""

from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Meter:
    """`operations` in the order of the calls; `units` of consumed capacity, read and write together."""

    operations: list[str] = field(default_factory=list)
    units: float = 0.0


_meter: ContextVar[Meter | None] = ContextVar("meter", default=None)


def start_metering() -> Meter:
    """Count this thread's calls from now on."""
    meter = Meter()
    _meter.set(meter)
    return meter


def count_call(operation: str, units: float) -> None:
    meter = _meter.get()
    if meter is not None:
        meter.operations.append(operation)
        meter.units += units
