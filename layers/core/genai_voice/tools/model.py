"""Tools and their executions: what is asked and what is answered."""

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from genai_voice.foundation.model import Label, Name, OrDefault, Request, json_at_most

MAX_PARAMETERS_BYTES = 128 * 1024


class ToolSummary(TypedDict):
    """Exactly what an agent needs to offer the tool to its model."""

    name: str
    description: str
    parametersSchema: str
    """JSON text."""
    requiresConfirmation: bool
    requiresAuth: bool


class ToolSummaries(TypedDict):
    tools: list[ToolSummary]
    cursor: NotRequired[str]


class ToolView(ToolSummary):
    _id: str
    _creationTime: float
    appSlug: str
    isActive: bool
    createdAt: float
    updatedAt: float


class ToolPage(TypedDict):
    tools: list[ToolView]
    cursor: NotRequired[str]


class ExecutionView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    sessionId: str
    toolName: str
    parameters: str
    """JSON text."""
    result: str
    """JSON text."""
    status: str
    executedAt: float
    durationMs: float
    source: str
    traceId: NotRequired[str]
    spanId: NotRequired[str]


class ExecutionPage(TypedDict):
    executions: list[ExecutionView]
    cursor: NotRequired[str]


class ExecuteRequest(Request):
    session_id: Name
    tool_name: Name
    parameters: OrDefault[Annotated[dict[str, Any], json_at_most(MAX_PARAMETERS_BYTES)]] = Field(
        default_factory=dict
    )
    trace_id: Label | None = None
    span_id: Label | None = None


class ToolResult(TypedDict):
    success: bool
    data: NotRequired[Any]
    error: NotRequired[str]
