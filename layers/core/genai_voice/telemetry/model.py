"""Requests and replies of events."""

from typing import Annotated, NotRequired

from pydantic import BeforeValidator
from pydantic.types import FailFast
from typing_extensions import TypedDict

from genai_voice.foundation.model import Name, Request, Time, limit_bytes

MAX_EVENTS = 100
MAX_DATA_BYTES = 256 * 1024


class Event(TypedDict):
    eventType: Name
    ts: Time
    data: NotRequired[Annotated[str, limit_bytes(MAX_DATA_BYTES)] | None]
    """JSON text."""


def _drop_excess(events: object) -> object:
    return events[:MAX_EVENTS] if isinstance(events, list) else events


class EventBatch(Request):
    session_id: Name
    events: Annotated[list[Event], FailFast(), BeforeValidator(_drop_excess)]
    """Those after the hundredth are dropped without being looked at."""


class EventsInserted(TypedDict):
    inserted: int
