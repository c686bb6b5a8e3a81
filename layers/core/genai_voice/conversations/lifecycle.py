"""Which status a conversation may take (contract 5.1)."""

from collections.abc import Iterable
from typing import Final

STATUSES: Final = ("active", "handed_off", "resolved", "abandoned")

ENDED: Final = frozenset({"resolved", "abandoned"})
"""What a conversation comes to when it is over."""

_AGENTS: Final = frozenset({"agent", "assistant", "model"})
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


def ends(stored: str | None, requested: str | None) -> bool:
    """Whether a save ends the conversation that has gone on until then."""
    return stored not in ENDED and next_status(stored, requested) in ENDED


def is_agents(role: str) -> bool:
    """Whether it is the role of an agent (contract 5.13.6)."""
    return role.strip().lower() in _AGENTS


def is_muted(role: str, created_at: float, spans: Iterable[tuple[float, float]]) -> bool:
    """Whether an agent said something while the conversation was with a person; times in epoch ms."""
    return is_agents(role) and any(start <= created_at < end for start, end in spans)


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
