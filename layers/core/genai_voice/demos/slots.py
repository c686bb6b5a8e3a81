"""Tell when the clinic can see a patient: which slots exist, which two are the same, and when one starts."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from typing import NamedTuple

PROVIDERS = ("Dr. Emily Chen", "Dr. James Park", "Lisa Thompson")
_TIMES = ("9:00 AM", "10:30 AM", "1:00 PM", "2:30 PM", "4:00 PM")
_TIME = re.compile(r"(\d{1,2})(?::(\d\d)(?::\d\d)?)?\s*(?:([ap])\.?\s*m\.?)?", re.IGNORECASE | re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?", re.ASCII)
_SATURDAY = 5


class Slot(NamedTuple):
    """A visit as people write it: `2026-04-07`, `9:00 AM` or `14:30`, a provider's name."""

    date: str
    time: str
    provider: str

    def to_key(self) -> tuple[str, str, str]:
        """Make a key that is equal for two spellings of one slot. What cannot be read stands for itself,
        folded.
        """
        day, moment = parse_date(self.date), parse_time(self.time)
        return (
            day.isoformat() if day else self.date.strip().casefold(),
            moment.isoformat() if moment else self.time.strip().casefold(),
            self.provider.strip().casefold(),
        )

    def to_start(self) -> datetime | None:
        """Find the moment it begins, on the clinic's clock; None where date or time cannot be read."""
        day, moment = parse_date(self.date), parse_time(self.time)
        return _localize(datetime.combine(day, moment)) if day and moment else None


def parse_date(written: str) -> date | None:
    """Parse `2026-04-07`, also as `2026-4-7` or before a time of day; None for anything else."""
    match = _DATE.fullmatch(written.strip())
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None


def parse_time(written: str) -> time | None:
    """Parse `2:30 PM`, `2 pm`, `2:30 p.m.`, `14:30` or `14:30:00`, to the minute; None for anything else."""
    match = _TIME.fullmatch(written.strip())
    if not match:
        return None
    hour, minute, half = int(match[1]), int(match[2] or 0), (match[3] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def list_candidates(start: date, provider: str, count: int) -> Iterator[Slot]:
    """List the first `count` slots from `start` on, never at a weekend; providers rotate unless one is asked
    for.

    Ends early at the end of the calendar.
    """
    for i in range(count):
        try:
            day = _skip_weekend(start + timedelta(days=(i + 1) // 2))
        except OverflowError:
            return
        yield Slot(day.isoformat(), _TIMES[i % len(_TIMES)], provider or PROVIDERS[i % len(PROVIDERS)])


def _skip_weekend(day: date) -> date:
    """Answer the day itself, or the Monday after a weekend's."""
    return day + timedelta(days=7 - day.weekday()) if day.weekday() >= _SATURDAY else day


def _localize(local: datetime) -> datetime:
    """Make a local time of America/Los_Angeles aware."""
    # by the US rule since 2007, since not every image of Lambda's has carried a time zone database
    begins = _find_sunday(date(local.year, 3, 8))
    ends = _find_sunday(date(local.year, 11, 1))
    summer = begins <= local < ends
    return local.replace(tzinfo=timezone(timedelta(hours=-7 if summer else -8)))


def _find_sunday(day: date) -> datetime:
    """Find two o'clock on the first Sunday on or after `day`."""
    return datetime.combine(day + timedelta(days=(6 - day.weekday()) % 7), time(2))
