"""What follows an attempt to deliver a webhook: it is delivered, tried again, or given up."""

from datetime import UTC
from email.utils import parsedate_to_datetime

from genai_voice.delivery.model import NextStep, RetrySchedule

SCHEDULE = RetrySchedule(waits_s=(5, 30, 120, 600, 3_600, 14_400, 43_200), longest_asked_s=3_600)
"""Eight attempts in 17 hours and 13 minutes; `Retry-After` is obeyed within an hour."""
GONE = 410
"""The answer of an address that wants no more of this."""

_PASSING = {408, 425, 429}
"""Of 4xx what may pass: timeout, too early, too many requests."""


def plan_after_answer(attempt: int, status: int, retry_after: str | None, now_ms: float) -> NextStep:
    """Plan what follows an answer to the n-th attempt (from 1). `retry_after` is the header as it came:
    seconds, or a date of HTTP (RFC 9110, 10.2.3).
    """
    if 200 <= status < 300:
        return NextStep("delivered")
    if status < 500 and status not in _PASSING:
        return NextStep("failed")
    return SCHEDULE.plan_retry(attempt, _parse_retry_after(retry_after, now_ms))


def plan_after_error(attempt: int, *, for_good: bool) -> NextStep:
    """Plan what follows where there was no answer; `for_good` where asking again is no use."""
    return NextStep("failed") if for_good else SCHEDULE.plan_retry(attempt)


def _parse_retry_after(header: str | None, now_ms: float) -> float:
    """Seconds, or 0 where the header says nothing that can be understood."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now_ms / 1000
