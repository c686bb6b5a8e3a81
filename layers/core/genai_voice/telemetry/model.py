"""Events: what is asked and what is answered."""

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


def _first(events: object) -> object:
    return events[:MAX_EVENTS] if isinstance(events, list) else events


class EventBatch(Request):
    session_id: Name
    events: Annotated[list[Event], FailFast(), BeforeValidator(_first)]
    """What comes after the hundredth is dropped unseen."""


class EventsInserted(TypedDict):
    inserted: int
