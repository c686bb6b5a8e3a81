"""Make reference numbers that a caller can read aloud."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def make_reference(prefix: str, now: datetime) -> str:
    """Make `<prefix>-<epoch milliseconds in upper-case base 36>`. `now` is aware and after 1970."""
    rest, digits = (now - _EPOCH) // timedelta(milliseconds=1), ""
    while rest:
        rest, digit = divmod(rest, 36)
        digits = _DIGITS[digit] + digits
    return f"{prefix}-{digits or '0'}"
