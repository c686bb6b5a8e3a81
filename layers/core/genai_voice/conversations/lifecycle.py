"""Which status a conversation may take (contract 5.1)."""

from typing import Final

STATUSES: Final = ("active", "handed_off", "resolved", "abandoned")

_DAY_MS: Final = 24 * 3_600_000

# stored ↓ requested →   active   resolved   abandoned   handed_off
_APPLIED: Final = {
    None: {"active", "resolved", "abandoned", "handed_off"},
    "active": {"active", "resolved", "abandoned", "handed_off"},
    "resolved": {"resolved", "abandoned", "handed_off"},
    "abandoned": {"resolved", "abandoned", "handed_off"},
    "handed_off": {"abandoned", "handed_off"},
}


def next_status(stored: str | None, requested: str | None) -> str:
    """The status after a save. One that is refused is kept without an error: the save itself goes through."""
    if requested is None:
        return stored or "active"
    return requested if requested in _APPLIED[stored] else stored or "active"


def is_stale(started_at: float, ended_at: float | None, now_ms: float, stale_after_ms: float) -> bool:
    """Whether an active conversation has been left: nothing was saved of it for that long (contract 3.18)."""
    return now_ms - (started_at if ended_at is None else ended_at) >= stale_after_ms


def lasted_ms(started_at: float, ended_at: float, created_at: float) -> float:
    """How long a conversation took, from its start to its last save.

    A start is the client's word. One that is no moment of the day before the first save (seconds for
    milliseconds, a wrong clock) would make years of a minute: the first save is taken in its place.
    """
    started = started_at if 0 <= created_at - started_at <= _DAY_MS else created_at
    return max(0.0, ended_at - started)


def refusing(requested: str) -> frozenset[str]:
    """The stored statuses that do not yield to the requested one: what a conditional write has to exclude."""
    return frozenset(stored for stored, applied in _APPLIED.items() if stored and requested not in applied)
