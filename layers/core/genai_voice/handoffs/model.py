"""Requests and replies of handoffs."""

from typing import Annotated, Any, Literal, NotRequired, Self, get_args

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import TypedDict

from genai_voice.conversations.model import SentLines
from genai_voice.foundation.model import (
    EnumOrDefault,
    Label,
    Listing,
    LongText,
    Name,
    Number,
    OrDefault,
    Request,
    limit_json_bytes,
    refuse,
)

MAX_CUSTOMER_BYTES = 50_000

Status = Literal["pending", "claimed", "resolved", "expired"]


def _check_status(value: object) -> object:
    if isinstance(value, str) and value not in get_args(Status):
        raise refuse("Invalid status")
    return value


class HandoffRequest(Request):
    """A request to pass a conversation to a person. Asked again, it is passed again."""

    session_id: Name
    reason: Name
    """Known: user_requested, low_confidence, sentiment_negative, tool_failed, topic_boundary,
    max_turns_exceeded, guardrail_violation, custom.
    """
    transcript: SentLines
    """What was said so far; may be empty. Of other shapes too, as other stacks keep their lines."""
    channel: OrDefault[Label] = "web"
    reason_detail: LongText | None = None
    priority: OrDefault[Label] = "normal"
    """Known: low, normal, high, urgent."""
    ai_summary: LongText | None = None
    customer_data: Annotated[dict[str, Any], limit_json_bytes(MAX_CUSTOMER_BYTES)] | None = None


class HandoffRequested(TypedDict):
    id: str
    ignored: NotRequired[int]
    """Items of `transcript` that say nothing, or do not tell who says it."""


class HandoffQuery(Listing):
    status: str | None = None
    session_id: str | None = None
    assigned_agent: str | None = None
    """The person who has claimed it."""


class HandoffUpdate(Request):
    """A change of a handoff. The three judgements are kept whatever the status."""

    handoff_id: Name
    status: Annotated[Status, BeforeValidator(_check_status)]
    assigned_agent: Label | None = None
    """The person who claims it. Used with `claimed` alone."""
    necessity_score: Annotated[Number, Field(ge=0, le=1)] | None = None
    resolution_quality: EnumOrDefault[Literal["excellent", "good", "poor"] | None] = None
    agent_feedback: LongText | None = None
    return_to_agent: bool | None = None
    """With `resolved`: the conversation goes back to its agent."""

    @model_validator(mode="after")
    def _check_return(self) -> Self:
        if self.return_to_agent and self.status != "resolved":
            raise refuse("returnToAgent goes with the status resolved")
        return self


class HandoffView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    sessionId: str
    channel: str
    reason: str
    status: str
    priority: str
    createdAt: float
    transcript: NotRequired[str]
    """JSON text."""
    transcriptOmitted: NotRequired[bool]
    """True for a transcript that no reply can hold."""
    reasonDetail: NotRequired[str]
    aiSummary: NotRequired[str]
    assignedAgent: NotRequired[str]
    customerData: NotRequired[str]
    """JSON text."""
    necessityScore: NotRequired[float]
    resolutionQuality: NotRequired[str]
    agentFeedback: NotRequired[str]
    claimedAt: NotRequired[float]
    resolvedAt: NotRequired[float]


class HandoffPage(TypedDict):
    handoffs: list[HandoffView]
    cursor: NotRequired[str]
