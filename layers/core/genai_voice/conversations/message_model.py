"""Requests and replies of messages."""

from typing import Annotated, Any, ClassVar, NotRequired, Self

from pydantic import Field, GetCoreSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic.types import FailFast
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from genai_voice.conversations.lines import find_content, read_time
from genai_voice.foundation.model import MAX_LABEL, Label, Listing, Moment, Name, Request

MAX_CONTENT = 65_536
"""Characters. Of four bytes each they fit an item of the table, beside names of 1,000."""

_FINAL = {"true": True, "1": True, "false": False, "0": False}


class Message(TypedDict):
    sessionId: Name
    participantIdentity: Name
    role: Name
    content: str
    isFinal: bool
    createdAt: Moment
    roomName: NotRequired[Label | None]
    language: NotRequired[Label | None]


class SentMessages(list[Message]):
    """The messages that a request brings, in the order sent. As they should be they are checked by pydantic
    alone. Only where that fails is each item read by what it means, as the lines of transcripts are.
    """

    ignored: int = 0
    """How many items were left out, because they do not tell what was said, by whom and in which session."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        strict = handler.generate_schema(Annotated[list[Message], FailFast(), Field(min_length=1)])
        return core_schema.no_info_wrap_validator_function(cls._read, strict)

    @classmethod
    def _read(cls, value: object, check: ValidatorFunctionWrapHandler) -> Self:
        """Read the messages: as they are, or else item by item. Raises ValidationError for what is no list,
        and where no item is whole.
        """
        try:
            return cls(check(value))
        except ValidationError:
            if not isinstance(value, list) or not value:
                raise
        items = [_read_item(item) for item in value]
        whole = next(filter(None, (_find_valid(item, check) for item in items)), None)
        if whole is None:
            return cls(check(items))  # which says what the first of them lacks
        return cls._take_usable(items, whole["createdAt"], check)

    @classmethod
    def _take_usable(cls, items: list[Any], before: float, check: ValidatorFunctionWrapHandler) -> Self:
        """Take what is usable: beside messages that are whole, one that does not tell its time has that of
        the message before it, and one that does not tell whether it is final is.
        """
        sent = cls()
        for item in items:
            told = {"createdAt": before, "isFinal": True} | item if isinstance(item, dict) else item
            message = _find_valid(told, check)
            if message is None:
                sent.ignored += 1
            else:
                sent.append(message)
                before = message["createdAt"]
        return sent


def _read_item(item: object) -> object:
    """Read what an item tells, and leave out what cannot be read."""
    if not isinstance(item, dict):
        return item
    read = {
        "content": find_content(item),
        "createdAt": read_time(item.get("createdAt")),
        "isFinal": _FINAL.get(str(item.get("isFinal")).lower()),
        "roomName": _read_label(item.get("roomName")),
        "language": _read_label(item.get("language")),
    }
    return {name: value for name, value in (item | read).items() if value is not None}


def _read_label(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= MAX_LABEL else None


def _find_valid(item: object, check: ValidatorFunctionWrapHandler) -> Message | None:
    try:
        found: list[Message] = check([item])
    except ValidationError:
        return None
    return found[0]


class MessageBatch(Request):
    missing: ClassVar[str] = "Missing or empty messages array"

    messages: SentMessages
    """Of other shapes too, as other stacks keep their lines: what is usable is stored."""


class MessagesSaved(TypedDict):
    ok: bool
    count: int
    """Messages of the request that are stored now, those stored before included."""
    ignored: NotRequired[int]
    """Items that do not tell what was said, by whom and in which session."""


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
