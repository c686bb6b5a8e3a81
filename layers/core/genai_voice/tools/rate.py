"""Count how often a session acts, in a sliding window of a minute."""

from collections.abc import Sequence

WINDOW_MS = 60_000


def select_recent(hits: Sequence[str], now: int) -> list[str]:
    """Select the hits (`<epoch ms>-<call>`) of the last 60 s."""
    return [hit for hit in hits if int(hit.partition("-")[0]) > now - WINDOW_MS]


def has_hit(hits: Sequence[str], call: str) -> bool:
    """Whether this call is among the hits."""
    return any(hit.partition("-")[2] == call for hit in hits)
