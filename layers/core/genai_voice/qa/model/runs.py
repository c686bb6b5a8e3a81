"""Runs: what is asked and what is answered."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NotRequired, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.types import FailFast
from typing_extensions import TypedDict

from genai_voice.foundation.model import (
    EnumOrDefault,
    Label,
    Listing,
    Name,
    OrDefault,
    PageSize,
    Request,
    Time,
    limit_bytes,
    limit_items,
    refuse,
)

MAX_RESPONSE_BYTES = 100_000
MAX_TOOLS = 100
MAX_JUDGE_RUNS = 5

ExecutionMode = Literal["manual", "automated", "ci"]
RunStatus = Literal["passed", "failed"]


def _drop_non_array(value: object) -> object:
    return value if isinstance(value, list) else []


ResponseText = Annotated[str, limit_bytes(MAX_RESPONSE_BYTES)]
CalledTools = Annotated[
    list[Label],
    FailFast(),
    limit_items(MAX_TOOLS),
    BeforeValidator(_drop_non_array),
    WithJsonSchema({"items": {"type": "string", "maxLength": 1000}, "maxItems": MAX_TOOLS}),
]
"""What is no array is []."""
JudgeRuns = OrDefault[Annotated[int, Field(ge=1, le=MAX_JUDGE_RUNS)]]
"""How often the judge is asked: the majority decides each criterion."""


class AgentAnswer(TypedDict):
    """What is graded of an agent."""

    responseText: ResponseText
    calledTools: NotRequired[CalledTools]
    handoffTriggered: NotRequired[bool | None]


_READ_FROM_CONVERSATION = {"responseText", "calledTools", "handoffTriggered"}
"""What a stored conversation says itself."""


class QaRunRequest(Request):
    """One response to a scenario, or the agent's last answer in a stored conversation."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"scenarioId": "x", "responseText": "Your appointment is booked."}]}
    )
    missing: ClassVar[str] = "scenarioId and responseText are required"

    scenario_id: Name
    response_text: ResponseText | None = None
    """May be empty. Required without `fromConversation`, ignored with it; so are the next two."""
    called_tools: CalledTools = Field(default_factory=list)
    handoff_triggered: OrDefault[bool] = False
    session_id: Label | None = None
    from_conversation: OrDefault[bool] = False
    """Grade the conversation `sessionId`: what its agent said last, the tools that were executed in it, and
    whether it has a handoff.
    """
    use_llm_judge: OrDefault[bool] = False
    judge_runs: JudgeRuns = 1
    execution_mode: EnumOrDefault[ExecutionMode] = "manual"

    @model_validator(mode="before")
    @classmethod
    def _require_answer(cls, data: Mapping[str, Any]) -> Mapping[str, Any]:
        if data.get("fromConversation") is True:
            return {name: value for name, value in data.items() if name not in _READ_FROM_CONVERSATION}
        if data.get("responseText") is None:
            missing = [] if data.get("scenarioId") else ["scenarioId"]
            raise refuse(cls.missing, missing=[*missing, "responseText"])
        return data

    @model_validator(mode="after")
    def _require_session(self) -> Self:
        if self.from_conversation and not self.session_id:
            raise refuse("sessionId is required with fromConversation")
        return self


class QaRunQuery(Listing):
    scenario_id: str | None = None
    since: Annotated[Time | None, BeforeValidator(lambda text: _parse_moment(text))] = None
    """Epoch ms: runs from then on."""
    limit: PageSize = 100


def _parse_moment(text: object) -> object:
    """Parse epoch milliseconds as they stand in a query. Raises ValueError."""
    return float(str(text)) if text not in (None, "") else None


class CheckResult(TypedDict):
    check: str
    """shouldContain, shouldNotContain, shouldCallTool, shouldHandoff, hasExpectations or
    llm_judge:<criterion>.
    """
    passed: bool
    detail: str


class JudgeScore(TypedDict):
    criterion: str
    passed: bool
    reasoning: str
    agreement: NotRequired[float]
    """Where the judge was asked several times: the share of its answers that say the same of this criterion
    as the majority, 1 where all do.
    """


class QaRunReply(TypedDict):
    id: str
    status: RunStatus
    score: float
    """Passed checks of all, 0 to 1; 1 without any."""
    totalChecks: int
    passedChecks: int
    results: list[CheckResult]
    llmJudgeScores: NotRequired[list[JudgeScore]]
    """On the judge path only."""
    agreement: NotRequired[float]
    """Where the judge was asked several times: the share of its answers that agree with the majority on every
    criterion.
    """


class QaRunInput(TypedDict, total=False):
    """What was graded."""

    responseText: str
    calledTools: list[str]
    handoffTriggered: bool
    fromConversation: bool
    """True where it was taken from the conversation `sessionId`."""


class QaRunView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    scenarioId: str
    scenarioName: str
    sessionId: NotRequired[str]
    status: RunStatus
    score: float
    totalChecks: int
    passedChecks: int
    results: list[CheckResult]
    input: QaRunInput
    executionMode: ExecutionMode
    llmJudgeScores: list[JudgeScore]
    judgeRuns: NotRequired[int]
    """How often the judge was asked; absent where it was not."""
    agreement: NotRequired[float]
    createdAt: float
    completedAt: float


class QaRunPage(TypedDict):
    runs: list[QaRunView]
    cursor: NotRequired[str]
