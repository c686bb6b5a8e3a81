"""Agent sessions and their runs: what is asked and what is answered."""

from typing import Annotated, Any, ClassVar, Literal, NotRequired

from pydantic import BeforeValidator
from typing_extensions import TypedDict

from genai_voice.foundation.model import (
    EnumOrDefault,
    Label,
    Listing,
    LongText,
    Name,
    Number,
    OrDefault,
    PageSize,
    Request,
    Scoped,
    Text,
    Time,
    limit_json_bytes,
    refuse,
)

MAX_METADATA_BYTES = 50_000

_INVALID_RUNTIME = "Invalid runtime. Must be 'pi'."


def _check_runtime(value: object) -> object:
    if value != "pi":
        raise refuse(_INVALID_RUNTIME)
    return value


class NewAgentSession(Request):
    missing: ClassVar[str] = _INVALID_RUNTIME

    runtime: Annotated[Literal["pi"], BeforeValidator(_check_runtime)]
    provider: Label | None = None
    model: Label | None = None
    branch_id: Label | None = None
    thread_id: Label | None = None
    cwd: Label | None = None


class AgentSessionCreated(TypedDict):
    sessionId: str
    runtime: str
    status: str


class AgentSessionQuery(Scoped):
    missing: ClassVar[str] = "sessionId query parameter is required"

    session_id: Name


class AgentSessionView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    sessionId: str
    runtime: str
    provider: NotRequired[str]
    model: NotRequired[str]
    status: str
    branchId: NotRequired[str]
    threadId: NotRequired[str]
    cwd: NotRequired[str]
    runCount: float
    lastRunAt: NotRequired[float]
    """When the run ended that ended last, epoch ms."""
    lastFailureReason: NotRequired[str]
    """Of that run; absent when it did not fail."""
    createdAt: float
    endedAt: NotRequired[float]


class PromptRequest(Request):
    missing: ClassVar[str] = "sessionId and text are required"

    session_id: Name
    text: Text


class PromptQueued(TypedDict):
    sessionId: str
    status: str
    message: str


class AgentRun(Request):
    """One run of an agent, reported when it has ended."""

    run_id: Name
    provider: Name
    model: Name
    status: Name
    """`success` or `error`, so far."""
    runtime: EnumOrDefault[Label] = "pi"
    started_at: Time | None = None
    """Epoch ms; absent means now, as for `ended_at`."""
    ended_at: Time | None = None
    duration_ms: OrDefault[Number] = 0
    attempt_count: OrDefault[Number] = 1
    fallback_count: OrDefault[Number] = 0
    context_recovery_count: OrDefault[Number] = 0
    tool_output_truncated_chars: OrDefault[Number] = 0
    prompt_chars: OrDefault[Number] = 0
    response_chars: OrDefault[Number] = 0
    auth_profile_id: Label | None = None
    failure_reason: Label | None = None
    error_message: LongText | None = None
    metadata: Annotated[dict[str, Any], limit_json_bytes(MAX_METADATA_BYTES)] | None = None


class AgentRunRequest(Request):
    missing: ClassVar[str] = "sessionId, runId, provider, model, and status are required"

    session_id: Name
    run: AgentRun


class AgentRunRecorded(TypedDict):
    ok: bool
    sessionId: str
    runId: str


class AgentRunQuery(AgentSessionQuery, Listing):
    limit: PageSize = 50


class AgentRunView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    sessionId: str
    runId: str
    runtime: str
    provider: str
    model: str
    status: str
    startedAt: float
    endedAt: float
    durationMs: float
    attemptCount: float
    fallbackCount: float
    contextRecoveryCount: float
    toolOutputTruncatedChars: float
    promptChars: float
    responseChars: float
    authProfileId: NotRequired[str]
    failureReason: NotRequired[str]
    errorMessage: NotRequired[str]
    metadata: NotRequired[str]
    """JSON text."""


class AgentRunPage(TypedDict):
    sessionId: str
    runs: list[AgentRunView]
    cursor: NotRequired[str]


class AgentRuntime(TypedDict):
    id: str
    name: str
    description: str
    providers: list[str]


class AgentRuntimes(TypedDict):
    runtimes: list[AgentRuntime]
