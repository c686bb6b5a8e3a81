"""The time, identifiers that sort by it, and waiting."""

import random
import secrets
import time


def now_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


def time_ordered_id() -> str:
    """An identifier that sorts by the moment it was made (16 digits of epoch microseconds), unique by 40
    random bits.
    """
    return f"{time.time_ns() // 1000:016d}-{secrets.token_hex(5)}"


def back_off(attempt: int) -> None:
    """Wait before an attempt after one that others have won: up to 5 ms after the first (0), doubling to 160
    ms.
    """
    time.sleep(random.uniform(0, 0.005 * 2 ** min(attempt, 5)))  # noqa: S311 - spreads retries
