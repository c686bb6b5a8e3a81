"""The time, and identifiers that sort by it."""

import secrets
import time

_LAST_MOMENT = 10**16 - 1  # epoch microseconds of 16 digits, in the year 2286


def get_now_ms() -> int:
    """Answer the time in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def make_time_ordered_id(moment_ms: float | None = None, tie: str | None = None) -> str:
    """Make an identifier that sorts by a moment (16 digits of epoch microseconds), which is now if none is
    given.

    40 random bits make it unique. With a `tie` in their place, the same moment and tie make the same one.
    """
    moment = time.time_ns() // 1000 if moment_ms is None else int(min(moment_ms * 1000, _LAST_MOMENT))
    return f"{moment:016d}-{tie or secrets.token_hex(5)}"


class Deadline:
    """So many milliseconds from now on."""

    def __init__(self, within_ms: int) -> None:
        self._passes_ns = time.time_ns() + within_ms * 1_000_000

    def has_passed(self) -> bool:
        return time.time_ns() > self._passes_ns
