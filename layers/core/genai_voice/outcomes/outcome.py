"""The outcome of a conversation: what it counts for in the experiments that its session takes part in."""

from collections.abc import Mapping
from typing import Final, NamedTuple

_DAY_MS: Final = 24 * 3_600_000


class Outcome(NamedTuple):
    """What one conversation counts for. The first three are 0 or 1."""

    resolved: int
    handed_off: int
    """1 if it was with a person at any time, whatever became of it."""
    abandoned: int
    duration_ms: int
    messages: int

    def to_sums(self) -> dict[str, int]:
        """Convert to what it adds to the sums of its variant, with the squares of what has a mean and a
        variance.
        """
        squares = {"duration_ms_squared": self.duration_ms**2, "messages_squared": self.messages**2}
        return {"conversations": 1, **self._asdict(), **squares}


def derive_outcome(
    status: str,
    *,
    was_handed_off: bool,
    started_at: float,
    ended_at: float,
    created_at: float,
    messages: float,
) -> Outcome | None:
    """Derive what a conversation counts for. Answers None for one that is active and never was with a person:
    it has no outcome yet. Times in epoch ms.
    """
    if status == "active" and not was_handed_off:
        return None
    return Outcome(
        resolved=int(status == "resolved"),
        handed_off=int(was_handed_off or status == "handed_off"),
        abandoned=int(status == "abandoned"),
        duration_ms=round(measure_duration_ms(started_at, ended_at, created_at)),
        messages=int(messages),
    )


def measure_duration_ms(started_at: float, ended_at: float, created_at: float) -> float:
    """Measure how long a conversation took, from its start to its last save. Times in epoch ms.

    A start is the client's word. One that is no moment of the day before the first save (seconds for
    milliseconds, a wrong clock) would make years of a minute: the first save is taken in its place.
    """
    started = started_at if 0 <= created_at - started_at <= _DAY_MS else created_at
    return max(0.0, ended_at - started)


def subtract_outcomes(after: Outcome | None, before: Outcome | None) -> Mapping[str, int]:
    """Find what has to be added to sums that count a conversation as it was `before`, so that they count it
    as it is `after`. Sums that stay the same are left out.
    """
    old, new = before.to_sums() if before else {}, after.to_sums() if after else {}
    changes = {name: new.get(name, 0) - old.get(name, 0) for name in {**old, **new}}
    return {name: change for name, change in changes.items() if change}
