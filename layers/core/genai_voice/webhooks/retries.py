"""What follows an attempt to deliver: it was taken, it is tried again, or it is given up."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from math import ceil
from typing import NamedTuple

from genai_voice.webhooks.model import DeliveryStatus

WAITS_S = (5, 30, 120, 600, 3_600, 14_400, 43_200)
"""Before the second attempt, the third, ...: 17 hours and 13 minutes in all."""
MAX_ATTEMPTS = len(WAITS_S) + 1
LONGEST_ASKED_S = 3_600
"""The longest that a receiver may have us wait by `Retry-After`."""
GONE = 410
"""The answer of an address that wants no more of this."""

_LATER = {408, 425, 429}
"""Of 4xx what may pass: timeout, too early, too many requests."""


class Next(NamedTuple):
    status: DeliveryStatus
    wait_s: int = 0
    """Until the next attempt, while it is pending."""


def after_answer(attempt: int, status: int, retry_after: str | None, now_ms: float) -> Next:
    """What follows an answer to the n-th attempt (from 1). `retry_after` is the header as it came: seconds,
    or a date of HTTP (RFC 9110, 10.2.3).
    """
    if 200 <= status < 300:
        return Next("delivered")
    if status < 500 and status not in _LATER:
        return Next("failed")
    return _again(attempt, _asked_s(retry_after, now_ms))


def after_error(attempt: int, *, for_good: bool) -> Next:
    """What follows where there was no answer; `for_good` where asking again is no use."""
    return Next("failed") if for_good else _again(attempt, 0)


def _again(attempt: int, asked_s: float) -> Next:
    if attempt >= MAX_ATTEMPTS:
        return Next("failed")
    return Next("pending", max(WAITS_S[attempt - 1], ceil(min(asked_s, LONGEST_ASKED_S))))


def _asked_s(retry_after: str | None, now_ms: float) -> float:
    """Seconds, or 0 where the header says nothing that can be understood."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now_ms / 1000
