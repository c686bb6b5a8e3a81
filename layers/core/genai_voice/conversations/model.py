"""Conversations and messages: what is asked and what is answered."""

from typing import Annotated, ClassVar, NotRequired

from pydantic import BeforeValidator, Field
from pydantic.types import FailFast
from typing_extensions import TypedDict

from genai_voice.conversations.lifecycle import STATUSES
from genai_voice.foundation.model import (
    EnumOrDefault,
    Label,
    Listing,
    Name,
    Request,
    Text,
    Time,
    at_most,
    at_most_items,
    refuse,
)

MAX_MESSAGES = 500
MAX_CONTENT_BYTES = 10 * 1024


class TranscriptItem(TypedDict):
    role: Text
    content: str
    ts: Time
    """As sent: seconds or milliseconds, never converted."""


def _known_status(value: object) -> object:
    if isinstance(value, str) and value not in STATUSES:
        raise refuse("Invalid status")
    return value


Status = Annotated[str, BeforeValidator(_known_status), Field(json_schema_extra={"enum": list(STATUSES)})]


class ConversationSave(Request):
    """A save of the whole conversation so far. What is absent is left as it is stored."""

    session_id: Name
    started_at: Time | None = None
    """Epoch ms; 0 and absent mean now. Only the first save decides."""
    messages: Annotated[list[TranscriptItem] | None, FailFast()] = None
    status: EnumOrDefault[Status | None] = None
    channel: Label | None = None
    resolution: Label | None = None
    agent_modes: Label | None = None


class ConversationQuery(Listing):
    status: str | None = None


class ConversationView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    sessionId: str
    status: str
    startedAt: float
    endedAt: float
    messageCount: int
    channel: NotRequired[str]
    resolution: NotRequired[str]
    agentModes: NotRequired[str]
    transcript: NotRequired[str]
    """JSON text."""
    transcriptOmitted: NotRequired[bool]
    """True for a transcript that no reply can hold."""


class ConversationPage(TypedDict):
    conversations: list[ConversationView]
    cursor: NotRequired[str]


class Message(TypedDict):
    sessionId: Name
    participantIdentity: Name
    role: Name
    content: Annotated[str, at_most(MAX_CONTENT_BYTES)]
    isFinal: bool
    createdAt: Time
    roomName: NotRequired[Label | None]
    language: NotRequired[Label | None]


class MessageBatch(Request):
    missing: ClassVar[str] = "Missing or empty messages array"

    messages: Annotated[list[Message], FailFast(), Field(min_length=1), at_most_items(MAX_MESSAGES)]


class MessagesSaved(TypedDict):
    ok: bool
    count: int
    """Messages in the request, those stored before included."""


class MessageQuery(Listing):
    missing: ClassVar[str] = "Missing sessionId"

    session_id: Name
    all: str | None = None

    def covers(self, app: str) -> bool:
        return self.all != "true" or super().covers(app)


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


class Recordings(TypedDict):
    user: None
    agent: None
    conversation: None


class MessagePage(TypedDict):
    messages: list[MessageView]
    recordings: Recordings
    cursor: NotRequired[str]
