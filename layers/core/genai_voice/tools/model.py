"""Tools and their executions: what is asked and what is answered."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from typing_extensions import TypedDict

from genai_voice.foundation.model import (
    EnumOrDefault,
    JsonObjectText,
    Label,
    Name,
    OrDefault,
    PromptText,
    Request,
    Text,
    Time,
    limit_bytes,
    limit_json_bytes,
    parse_json_object,
    refuse,
)

MAX_TOOLS = 200
"""Of an app."""
MAX_TOOLS_BYTES = 1024 * 1024
"""Of all tools of an app: of their descriptions, schemas, endpoints and sealed headers."""
MAX_PARAMETERS_BYTES = 128 * 1024
"""Of a call, as JSON; also of a result that is logged. Two such texts, or one and an answer of 256 KB, fit a
row of 400 KB however little they compress.
"""
MASK = "********"
"""What is shown for the value of a stored header, whatever it is."""
NO_ENDPOINT = "Active tools must have an endpoint"


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
    endpoint: NotRequired[str]
    httpMethod: NotRequired[str]
    headers: NotRequired[str]
    """JSON text of an object, every value of which is the mask."""
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
    result: NotRequired[str]
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


def _require_endpoint(value: object) -> object:
    if value in (None, ""):
        raise refuse(NO_ENDPOINT)
    return value


def _check_transport(value: object) -> object:
    if value == "livekit_data":
        raise refuse("Invalid field: transport (livekit_data needs rooms, which do not exist yet: only http)")
    return value


def _check_header_texts(text: str) -> str:
    """Refuse values that are no texts, and the mask: sent back it would replace what it stands for."""
    if not all(isinstance(value, str) and value != MASK for value in parse_json_object(text).values()):
        raise ValueError("must be texts, and not the mask of a stored one")
    return text


Description = Annotated[PromptText, Field(min_length=1)]
HeadersText = Annotated[JsonObjectText, AfterValidator(_check_header_texts)]
"""JSON text of an object of texts."""
Transport = Annotated[EnumOrDefault[Literal["http"]], BeforeValidator(_check_transport)]
HttpMethod = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
"""No HEAD: it is answered without the JSON that a tool's result is made of."""


class ToolRegistration(Request):
    """A whole tool: what is absent is what the contract says, not what was there before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "open_door",
                    "description": "Opens the door of a room.",
                    "parametersSchema": '{"type": "object", "required": ["room"]}',
                    "endpoint": "https://tools.example.com/doors",
                }
            ]
        }
    )

    name: Name
    description: Description
    parameters_schema: JsonObjectText
    transport: Transport = "http"
    endpoint: Annotated[str, BeforeValidator(_require_endpoint), Field(validate_default=True)] = ""
    """https address; checked against the policy once the caller is known, as that may ask the DNS."""
    headers: HeadersText | None = None
    http_method: EnumOrDefault[HttpMethod] = "POST"
    requires_confirmation: OrDefault[bool] = False
    requires_auth: OrDefault[bool] = False


class ToolUpdate(Request):
    """What is absent is left alone."""

    name: Name
    description: Description | None = None
    parameters_schema: JsonObjectText | None = None
    transport: Transport = "http"
    endpoint: Text | None = None
    headers: HeadersText | None = None
    """`{}` removes the stored ones."""
    http_method: EnumOrDefault[HttpMethod | None] = None
    requires_confirmation: bool | None = None
    requires_auth: bool | None = None
    is_active: bool | None = None


class ToolRemoval(Request):
    name: Name


class ExecuteRequest(Request):
    session_id: Name
    tool_name: Name
    parameters: OrDefault[Annotated[dict[str, Any], limit_json_bytes(MAX_PARAMETERS_BYTES)]] = Field(
        default_factory=dict
    )
    trace_id: Label | None = None
    span_id: Label | None = None
    tool_call_id: Name | None = None
    """Sent again within 24 h, in this session, the call has the result it had before, unless nothing could be
    sent to the tool's endpoint.
    """


class LogRequest(Request):
    """What an agent did itself."""

    session_id: Name
    tool_name: Name
    status: Name
    """Known: success, timeout, error."""
    parameters: OrDefault[Annotated[str, limit_bytes(MAX_PARAMETERS_BYTES)]] = "{}"
    result: Annotated[str, limit_bytes(MAX_PARAMETERS_BYTES)] | None = None
    duration_ms: OrDefault[Time] = 0
    executed_at: Time | None = None
    trace_id: Label | None = None
    span_id: Label | None = None
    source: OrDefault[Label] = "agent_datachannel"


class ToolResult(TypedDict):
    success: bool
    data: NotRequired[Any]
    error: NotRequired[str]
    handoff: NotRequired[bool]
    """True where the agent is to announce that a person takes over, with these two."""
    reason: NotRequired[str]
    priority: NotRequired[str]
