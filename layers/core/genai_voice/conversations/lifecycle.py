"""The rules of a conversation's status (contract 5.1)."""

from collections.abc import Iterable
from typing import Final

STATUSES: Final = ("active", "handed_off", "resolved", "abandoned")

ENDED: Final = frozenset({"resolved", "abandoned"})
"""The statuses of a conversation that is over."""

_AGENTS: Final = frozenset({"agent", "assistant", "model"})

# stored ↓ requested →   active   resolved   abandoned   handed_off
_APPLIED: Final = {
    None: {"active", "resolved", "abandoned", "handed_off"},
    "active": {"active", "resolved", "abandoned", "handed_off"},
    "resolved": {"resolved", "abandoned", "handed_off"},
    "abandoned": {"resolved", "abandoned", "handed_off"},
    "handed_off": {"abandoned", "handed_off"},
}


def decide_status(stored: str | None, requested: str | None) -> str:
    """Decide the status after a save. Where the requested one may not follow, the stored one stays without an
    error: the save itself goes through.
    """
    if requested is None:
        return stored or "active"
    return requested if requested in _APPLIED[stored] else stored or "active"


def is_ending(stored: str | None, requested: str | None) -> bool:
    """Whether a save ends a conversation that was not over."""
    return stored not in ENDED and decide_status(stored, requested) in ENDED


def is_agent(role: str) -> bool:
    """Whether this is the role of an agent (contract 5.13.6)."""
    return role.strip().lower() in _AGENTS


def is_muted(role: str, created_at: float, spans: Iterable[tuple[float, float]]) -> bool:
    """Whether it was an agent who said something while the conversation was with a person. `spans` are the
    times when it was, in epoch ms.
    """
    return is_agent(role) and any(start <= created_at < end for start, end in spans)


def is_stale(started_at: float, ended_at: float | None, now_ms: float, stale_after_ms: float) -> bool:
    """Whether nothing was saved of an active conversation for that long (contract 3.18)."""
    return now_ms - (started_at if ended_at is None else ended_at) >= stale_after_ms


def find_refusing_statuses(requested: str) -> frozenset[str]:
    """Find the stored statuses that the requested one may not follow, for a conditional write to exclude."""
    return frozenset(stored for stored, applied in _APPLIED.items() if stored and requested not in applied)
