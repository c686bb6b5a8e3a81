"""Requests and replies of events."""

from typing import Annotated, Any, NotRequired, Self

from pydantic import BeforeValidator, ModelWrapValidatorHandler, PrivateAttr, model_validator
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
    _dropped: int = PrivateAttr(0)

    @model_validator(mode="wrap")
    @classmethod
    def _count_dropped(cls, body: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        batch = handler(body)
        batch._dropped = len(body["events"]) - len(batch.events)
        return batch

    @property
    def dropped(self) -> int:
        """How many events were sent beyond the hundredth."""
        return self._dropped


class EventsInserted(TypedDict):
    inserted: int
    """What was stored."""
    dropped: NotRequired[int]
    """What was sent beyond the hundredth, if anything was."""
