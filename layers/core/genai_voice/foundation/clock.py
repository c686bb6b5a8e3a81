"""The time, and identifiers that sort by it."""

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
