"""Requests and replies of messages."""

from typing import Annotated, ClassVar, NotRequired

from pydantic import Field
from pydantic.types import FailFast
from typing_extensions import TypedDict

from genai_voice.foundation.model import Label, Listing, Name, Request, Time

MAX_CONTENT = 65_536
"""Characters. Of four bytes each they fit an item of the table, beside names of 1,000."""


class Message(TypedDict):
    sessionId: Name
    participantIdentity: Name
    role: Name
    content: str
    isFinal: bool
    createdAt: Time
    roomName: NotRequired[Label | None]
    language: NotRequired[Label | None]


class MessageBatch(Request):
    missing: ClassVar[str] = "Missing or empty messages array"

    messages: Annotated[list[Message], FailFast(), Field(min_length=1)]


class MessagesSaved(TypedDict):
    ok: bool
    count: int
    """Messages in the request, those stored before included."""


class MessageQuery(Listing):
    missing: ClassVar[str] = "Missing sessionId"

    session_id: Name
    all: str | None = None

    def is_for(self, app: str) -> bool:
        return self.all != "true" or super().is_for(app)


class MessageView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    sessionId: str
    participantIdentity: str
    role: str
    content: str
    isFinal: bool
    createdAt: float
    roomName: NotRequired[str]
    language: NotRequired[str]
    traceId: NotRequired[str]
    truncated: NotRequired[bool]
    """True where what was sent was longer than 65,536 characters."""
    muted: NotRequired[bool]
    """True for what the agent said while a person had the conversation, where the app mutes it."""


class Recordings(TypedDict):
    user: None
    agent: None
    conversation: None


class MessagePage(TypedDict):
    messages: list[MessageView]
    recordings: Recordings
    cursor: NotRequired[str]
