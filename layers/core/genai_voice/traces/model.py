"""Requests and replies of timelines."""

from typing import Any, ClassVar, NotRequired

from typing_extensions import TypedDict

from genai_voice.foundation.model import Listing, Name


class TraceQuery(Listing):
    missing: ClassVar[str] = "Missing required parameter: traceId"

    trace_id: Name
    session_id: str | None = None
    """The session of handoffs and violations, which belong to no trace."""


class EventData(TypedDict):
    id: str
    eventType: str
    sessionId: str
    data: Any


class MessageData(TypedDict):
    id: str
    role: str
    content: str
    participantIdentity: str
    language: NotRequired[str]


class ToolExecutionData(TypedDict):
    id: str
    toolName: str
    parameters: Any
    result: Any
    status: str
    durationMs: float
    spanId: NotRequired[str]


class HandoffData(TypedDict):
    id: str
    reason: str
    status: str
    priority: str
    assignedAgent: NotRequired[str]
    claimedAt: NotRequired[float]
    resolvedAt: NotRequired[float]


class ViolationData(TypedDict):
    id: str
    ruleId: str
    violationType: str
    direction: str
    content: str
    action: str
    shadow: NotRequired[bool]


TimelineData = EventData | MessageData | ToolExecutionData | ViolationData | HandoffData


class TimelineEntry(TypedDict):
    type: str
    timestamp: float
    """Epoch ms."""
    data: TimelineData


class TimelinePage(TypedDict):
    traceId: str
    timeline: list[TimelineEntry]
    cursor: NotRequired[str]
    truncated: NotRequired[bool]
    """True where the page ends because of what it may read: what is left is behind `cursor`. Where batches of
    events overlap for more than a page, and where a trace has over 100 sessions or their first rows are very
    large, what follows may be of an earlier moment.
    """
