"""What is sent as a line of a transcript is read as one, in whatever shape other stacks keep their lines.

Lines as they should be are checked by pydantic alone (`model.SentLines`). Only where that fails is each item
read by what it means:

    content   a text, null (""), a list of texts or of parts with a text; or `parts`, as Gemini has it
    ts        seconds or milliseconds as sent; micro- and nanoseconds and ISO 8601 are brought to milliseconds

An item that says nothing, or does not tell who says it, is left out and counted: a save never fails for an
item.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from genai_voice.foundation.model import LATEST_MS, SMALLEST

_LATEST_US = 10**17  # what is more counts nanoseconds
_LATEST_NS = 10**20
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_SAID_IN_PART = ("text", "transcript", "refusal")  # where a part has what is said, as text or as sound
_UNSAID_PARTS = ("reasoning", "thinking")
_TOOL_CALLS = ("function_call", "function_call_output")


class Line(NamedTuple):
    role: str
    content: str
    ts: float


def read_lines(items: Iterable[object], started_at: float) -> Iterator[Line | None]:
    """Read items of any shape. Answers None for what is no line. A line without a time has that of the line
    before it, the first line that of the start.
    """
    ts = started_at
    for item in items:
        line = _read_line(item, ts)
        ts = line.ts if line else ts
        yield line


def read_content(value: object) -> str | None:
    """Read what is said. Answers None where that is nothing."""
    match value:
        case str():
            return value
        case None:
            return ""
        case list():
            return " ".join(filter(None, map(_read_part, value))) or None
        case {"parts": list(parts)}:
            return read_content(parts)
    return _read_part(value) or None


def read_time(value: object) -> int | float | None:
    """Read a moment since 1970: seconds or milliseconds as sent, all else in milliseconds. Answers None for
    what is no such moment.
    """
    match value:
        case bool():
            return None
        case int() | float():
            return _convert_to_ms(value)
        case str():
            return _read_time_text(value.strip().upper())
    return None


def _read_line(item: object, ts_before: float) -> Line | None:
    """Read one item. Answers None where nothing is said in it, or nobody says it."""
    if not isinstance(item, dict):
        return None
    role, content, ts = item.get("role"), find_content(item), read_time(item.get("ts"))
    if not (isinstance(role, str) and role) or content is None:
        return None
    return Line(role, content, ts_before if ts is None else ts)


def find_content(item: Mapping[str, Any]) -> str | None:
    """Find what is said in an item. A message may say nothing (null and "" are empty lines), a call of a tool
    may not.
    """
    said = read_content(item["content"]) if "content" in item else None
    if not said and isinstance(item.get("parts"), list):
        said = read_content(item["parts"])
    return None if not said and item.get("type") in _TOOL_CALLS else said


def _read_part(part: object) -> str:
    """Read a part of what is said: a text, or an object that has one. "" for a picture, a thought, a call."""
    if not isinstance(part, dict):
        return part if isinstance(part, str) else ""
    if part.get("thought") or part.get("type") in _UNSAID_PARTS:
        return ""
    said = (part.get(name) for name in _SAID_IN_PART)
    texts = (each.get("value") if isinstance(each, dict) else each for each in said)
    return next((each for each in texts if isinstance(each, str) and each), "")


def _read_time_text(text: str) -> int | float | None:
    """Read a number as one, and else ISO 8601, which means UTC where it names no zone."""
    if _NUMBER.fullmatch(text):
        return _convert_to_ms(float(text) if "." in text else int(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH
    return _trim(since / _MILLISECOND) if since >= timedelta() else None


def _convert_to_ms(number: float) -> int | float | None:
    if number == 0 or SMALLEST <= number <= LATEST_MS:
        return number
    if LATEST_MS < number <= _LATEST_NS:
        return _trim(number / (1_000 if number <= _LATEST_US else 1_000_000))
    return None


def _trim(ms: float) -> int | float:
    """Write whole milliseconds without a fraction."""
    return int(ms) if ms.is_integer() else ms
