"""QA: what is asked and what is answered."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NotRequired, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic.types import FailFast
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
    Time,
    limit_bytes,
    limit_items,
    limit_json_bytes,
    refuse,
)

MAX_TURNS = 100
MAX_TURNS_BYTES = 50_000
MAX_PHRASES = 100
MAX_EXPECTATIONS_BYTES = 20_000
MAX_CRITERIA = 20
MAX_DESCRIPTION_BYTES = 2_000
"""Of a criterion."""
MAX_TAGS = 50
MAX_RESPONSE_BYTES = 100_000
MAX_TOOLS = 100
MAX_JUDGE_RUNS = 5
MAX_SUITE = 50
"""Scenarios of one call of `suites/run`."""
MAX_ANSWERS = 500
"""Of one call of `suites/run`: with a tag it takes several calls, and all may bring all answers."""

TURNS = "turns must be [{ role: 'user', content: string }]"

EvaluatorType = Literal["string_match", "llm_judge", "hybrid"]
ExecutionMode = Literal["manual", "automated", "ci"]
Status = Literal["passed", "failed"]


# -- scenarios ---------------------------------------------------------------------------------------------


def _trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _trimmed_or_none(value: object) -> object:
    return (_trimmed(value) or None) if isinstance(value, str) else value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("blank")
    return value


def _with_own_text(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    try:
        return validate(value)
    except ValidationError:
        raise refuse(TURNS) from None


def _without_nulls(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """An optional null is absent, also where what is stored is shown."""
    return {name: each for name, each in value.items() if each is not None}


def _of_different_names(criteria: list["Criterion"]) -> list["Criterion"]:
    if len({each["name"] for each in criteria}) < len(criteria):
        raise refuse("llmJudgeCriteria must have different names")
    return criteria


class Turn(TypedDict):
    role: Literal["user"]
    content: Annotated[str, AfterValidator(_not_blank)]


Phrases = Annotated[list[str], Field(fail_fast=True), limit_items(MAX_PHRASES)]


class Expectations(TypedDict, total=False):
    """What a response must be like. Case makes no difference."""

    shouldContain: Phrases | None
    shouldNotContain: Phrases | None
    shouldCallTool: str | Phrases | None
    shouldHandoff: bool | None


class Criterion(TypedDict):
    """What the judge grades by."""

    name: Annotated[Name, BeforeValidator(_trimmed)]
    description: Annotated[str, limit_bytes(MAX_DESCRIPTION_BYTES)]
    weight: NotRequired[Number | None]
    """Stored, and of no effect."""


class ScenarioSave(Request):
    """A whole scenario. One of the same name is replaced: what is absent goes back to its default."""

    missing: ClassVar[str] = "name and turns are required"

    name: Annotated[Name, BeforeValidator(_trimmed)]
    turns: Annotated[
        list[Annotated[Turn, WrapValidator(_with_own_text)]],
        FailFast(),
        Field(min_length=1),
        limit_items(MAX_TURNS),
        limit_json_bytes(MAX_TURNS_BYTES),
    ]
    description: Annotated[LongText | None, BeforeValidator(_trimmed_or_none)] = None
    expectations: OrDefault[
        Annotated[Expectations, AfterValidator(_without_nulls), limit_json_bytes(MAX_EXPECTATIONS_BYTES)]
    ] = Field(default_factory=Expectations)
    tags: OrDefault[Annotated[list[Label], FailFast(), limit_items(MAX_TAGS)]] = Field(default_factory=list)
    is_active: OrDefault[bool] = True
    evaluator_type: EnumOrDefault[EvaluatorType] = "string_match"
    llm_judge_criteria: OrDefault[
        Annotated[
            list[Annotated[Criterion, AfterValidator(_without_nulls)]],
            FailFast(),
            limit_items(MAX_CRITERIA),
            AfterValidator(_of_different_names),
        ]
    ] = Field(default_factory=list)


class ScenarioQuery(Listing):
    active: str | None = None
    """`true` or `false`; anything else filters nothing."""
    stats: str | None = None
    """`true` adds what came of the last runs."""


class PastResult(TypedDict):
    runId: str
    status: Status


class ScenarioView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    name: str
    description: NotRequired[str]
    turns: list[Turn]
    expectations: Expectations
    tags: list[str]
    evaluatorType: EvaluatorType
    llmJudgeCriteria: list[Criterion]
    isActive: bool
    createdAt: float
    updatedAt: float
    recentResults: NotRequired[list[PastResult]]
    """With `stats=true`: of the last 20 runs, newest first."""
    passRate: NotRequired[float]
    """Of these runs, from 0 to 1; absent where there is none."""
    flaky: NotRequired[bool]
    """Whether among these runs the same answer to the same scenario has passed and has failed."""


class ScenarioPage(TypedDict):
    scenarios: list[ScenarioView]
    cursor: NotRequired[str]


# -- runs --------------------------------------------------------------------------------------------------


def _if_array(value: object) -> object:
    return value if isinstance(value, list) else []


ResponseText = Annotated[str, limit_bytes(MAX_RESPONSE_BYTES)]
CalledTools = Annotated[
    list[Label],
    FailFast(),
    limit_items(MAX_TOOLS),
    BeforeValidator(_if_array),
    WithJsonSchema({"items": {"type": "string", "maxLength": 1000}, "maxItems": MAX_TOOLS}),
]
"""What is no array is []."""
Ids = Annotated[list[Name], Field(min_length=1, fail_fast=True), limit_items(MAX_SUITE)]
JudgeRuns = OrDefault[Annotated[int, Field(ge=1, le=MAX_JUDGE_RUNS)]]
"""How often the judge is asked: the majority decides each criterion."""


_LOOKED_UP = {"responseText", "calledTools", "handoffTriggered"}
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
    def _has_an_answer(cls, data: Mapping[str, Any]) -> Mapping[str, Any]:
        if data.get("fromConversation") is True:
            return {name: value for name, value in data.items() if name not in _LOOKED_UP}
        if data.get("responseText") is None:
            raise refuse(cls.missing)
        return data

    @model_validator(mode="after")
    def _names_its_conversation(self) -> Self:
        if self.from_conversation and not self.session_id:
            raise refuse("sessionId is required with fromConversation")
        return self


class RunQuery(Listing):
    scenario_id: str | None = None
    since: Annotated[Time | None, BeforeValidator(lambda text: _moment(text))] = None
    """Epoch ms: runs from then on."""
    limit: PageSize = 100


def _moment(text: object) -> object:
    """As it stands in a query. Raises ValueError."""
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


class RunReply(TypedDict):
    id: str
    status: Status
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


class RunInput(TypedDict, total=False):
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
    status: Status
    score: float
    totalChecks: int
    passedChecks: int
    results: list[CheckResult]
    input: RunInput
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


# -- suites ------------------------------------------------------------------------------------------------


class Answer(TypedDict):
    """What is graded of an agent."""

    responseText: ResponseText
    calledTools: NotRequired[CalledTools]
    handoffTriggered: NotRequired[bool | None]


def _sized(answers: dict[str, Any]) -> dict[str, Any]:
    if len(answers) > MAX_ANSWERS:
        raise ValueError(f"over {MAX_ANSWERS} scenarios")
    return answers


class SuiteRequest(Request):
    """Run the active scenarios of a tag, or these: at most 50 in one call. Where more have the tag, the reply
    has a `cursor` to go on with.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"tag": "smoke", "responses": {}}]})

    tag: Label | None = None
    scenario_ids: (
        Annotated[list[Name], Field(min_length=1, fail_fast=True), limit_items(MAX_SUITE)] | None
    ) = None
    responses: Annotated[dict[str, ResponseText | Answer], AfterValidator(_sized)] | None = None
    """The answer to each scenario by its id, as text or with the tools that were called."""
    from_conversations: Annotated[dict[str, Name], AfterValidator(_sized)] | None = None
    """For each scenario id the `sessionId` of the conversation that is graded."""
    use_llm_judge: OrDefault[bool] = False
    judge_runs: JudgeRuns = 1
    execution_mode: EnumOrDefault[ExecutionMode] = "automated"
    cursor: str | None = None
    """With a tag: where the call before ended."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if bool(self.tag) == (self.scenario_ids is not None):
            raise refuse("tag or scenarioIds is required, not both")
        if self.responses is None and self.from_conversations is None:
            raise refuse("responses or fromConversations is required")
        if set(self.responses or ()) & set(self.from_conversations or ()):
            raise refuse("A scenario is in responses or in fromConversations, not in both")
        return self


class SuiteResult(TypedDict):
    scenarioId: str
    status: Literal["passed", "failed", "error"]
    scenarioName: NotRequired[str]
    runId: NotRequired[str]
    """The run that was stored; `error` has none."""
    score: NotRequired[float]
    totalChecks: NotRequired[int]
    passedChecks: NotRequired[int]
    error: NotRequired[str]
    """Why it was not graded."""


class SuiteReply(TypedDict):
    total: int
    passed: int
    failed: int
    errors: int
    results: list[SuiteResult]
    """Of each scenario, in the order asked for, or newest first."""
    cursor: NotRequired[str]
