"""Requests and replies of conversations and annotations."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NotRequired, Self, TypeVar, get_args

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
)
from pydantic.types import FailFast
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from genai_voice.conversations.lifecycle import STATUSES
from genai_voice.conversations.lines import read_lines
from genai_voice.foundation.model import (
    EnumOrDefault,
    Label,
    Listing,
    LongText,
    Moment,
    Name,
    OrDefault,
    PageSize,
    Request,
    Text,
    Time,
    add_optional,
    limit_items,
    refuse,
)

V = TypeVar("V", bound=Mapping[str, Any])

MAX_FAILURE_MODES = 50

Quality = Literal["good", "bad", "mixed"]


class TranscriptItem(TypedDict):
    role: Text
    content: str
    ts: Moment
    """As sent: seconds or milliseconds, never converted."""


class SentLines(list[TranscriptItem]):
    """The lines of a transcript that a request brings, in the order sent."""

    ignored: int = 0
    """How many items were left out, because nothing is said in them or nobody says it."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        strict = handler.generate_schema(Annotated[list[TranscriptItem], FailFast()])
        return core_schema.with_info_wrap_validator_function(cls._read, strict)

    @classmethod
    def _read(cls, value: object, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Self:
        """Read the lines: as they are, or else item by item. Raises ValidationError for what is no list."""
        try:
            return cls(check(value))
        except ValidationError:
            if not isinstance(value, list):
                raise
        found = list(read_lines(value, info.data.get("started_at") or 0))
        lines = cls({"role": line.role, "content": line.content, "ts": line.ts} for line in found if line)
        lines.ignored = len(found) - len(lines)
        return lines


def tell_ignored(reply: V, sent: SentLines | None) -> V:
    """Say in the reply how many items were left out, if any, and answer it."""
    return add_optional(reply, ignored=sent.ignored or None) if sent is not None else reply


def _check_status(value: object) -> object:
    if isinstance(value, str) and value not in STATUSES:
        raise refuse("Invalid status")
    return value


Status = Annotated[str, BeforeValidator(_check_status), Field(json_schema_extra={"enum": list(STATUSES)})]


class ConversationSave(Request):
    """A save of the whole conversation so far. What is absent is left as it is stored."""

    session_id: Name
    started_at: Time | None = None
    """Epoch ms; 0 and absent mean now. Only the first save decides."""
    messages: SentLines | None = None
    """Of other shapes too, as other stacks keep their lines: what is usable is stored."""
    status: EnumOrDefault[Status | None] = None
    channel: Label | None = None
    resolution: Label | None = None
    agent_modes: Label | None = None
    replace_transcript: bool | None = None
    """Have these messages replace what is stored instead of being added to it."""
    ended_at: Time | None = None
    """Epoch ms; 0 and absent mean now. For calls that are imported."""


class ConversationSaved(TypedDict):
    ok: bool
    ignored: NotRequired[int]
    """Items of `messages` that say nothing, or do not tell who says it."""
    truncated: NotRequired[bool]
    """True where the newest lines were left out, because 5 MB hold no more."""


class ConversationQuery(Listing):
    status: str | None = None
    session_id: str | None = None
    """Answer the conversation of this session alone."""


class ConversationFacts(TypedDict):
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
    personaVersion: NotRequired[str]
    """The version in force when it began: `<personaId>@<n>` or `own@<n>`."""
    configHash: NotRequired[str]
    """The hash of the configuration of the last live token that was made for it."""
    experimentVariant: NotRequired[str]
    """The variant that its session was assigned last, of whatever experiment."""


class ConversationView(ConversationFacts):
    transcript: NotRequired[str]
    """JSON text."""
    transcriptOmitted: NotRequired[bool]
    """True for a transcript that no reply can hold."""


class ConversationDump(ConversationFacts):
    transcript: NotRequired[list[TranscriptItem]]
    """Parsed."""
    transcriptOmitted: NotRequired[bool]
    """True for a transcript that lacks a part."""


class ConversationPage(TypedDict):
    conversations: list[ConversationView]
    cursor: NotRequired[str]


def _check_quality(value: object) -> object:
    if isinstance(value, str) and value not in get_args(Quality):
        raise refuse("qualityRating must be one of: good, bad, mixed")
    return value


class AnnotationSave(Request):
    """What a person thinks of a conversation. What is absent goes back to its default."""

    missing: ClassVar[str] = "Missing required fields: sessionId, qualityRating"

    session_id: Name
    quality_rating: Annotated[Quality, BeforeValidator(_check_quality)]
    conversation_id: Label | None = None
    """Only the first save decides."""
    failure_modes: OrDefault[Annotated[list[Label], FailFast(), limit_items(MAX_FAILURE_MODES)]] = Field(
        default_factory=list
    )
    notes: OrDefault[LongText] = ""
    annotated_by: OrDefault[Label] = "dashboard-user"


class AnnotationSaved(TypedDict):
    ok: bool
    id: str


class AnnotationQuery(Listing):
    session_id: str | None = None
    """Answer the annotation of this session alone."""
    quality: str | None = None
    limit: PageSize = 200


class AnnotationView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    sessionId: str
    conversationId: NotRequired[str]
    qualityRating: str
    failureModes: list[str]
    notes: str
    annotatedBy: str
    createdAt: float
    updatedAt: float


class AnnotationFound(TypedDict):
    annotation: AnnotationView | None


class AnnotationPage(TypedDict):
    annotations: list[AnnotationView]
    cursor: NotRequired[str]
