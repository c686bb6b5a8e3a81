"""Tools and their executions: what is asked and what is answered."""

from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError, to_json
from typing_extensions import TypedDict

from genai_voice.foundation.model import Label, Name, OrDefault, Request, finite

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


def _auditable(parameters: dict[str, Any]) -> dict[str, Any]:
    if len(to_json(parameters)) > MAX_PARAMETERS_BYTES:
        raise PydanticCustomError("limit", "over {limit} bytes", {"limit": f"{MAX_PARAMETERS_BYTES:,}"})
    return finite(parameters)


class ExecuteRequest(Request):
    session_id: Name
    tool_name: Name
    parameters: OrDefault[Annotated[dict[str, Any], AfterValidator(_auditable)]] = Field(default_factory=dict)
    trace_id: Label | None = None
    span_id: Label | None = None


class ToolResult(TypedDict):
    success: bool
    data: NotRequired[Any]
    error: NotRequired[str]
