"""Which status a conversation may take (contract 5.1)."""

from typing import Final

STATUSES: Final = ("active", "handed_off", "resolved", "abandoned")

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


def refusing(requested: str) -> frozenset[str]:
    """The stored statuses that do not yield to the requested one: what a conditional write has to exclude."""
    return frozenset(stored for stored, applied in _APPLIED.items() if stored and requested not in applied)
