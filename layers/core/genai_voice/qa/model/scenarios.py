"""Scenarios: what is asked and what is answered."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NotRequired

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.types import FailFast
from typing_extensions import TypedDict

from genai_voice.foundation.model import (
    EnumOrDefault,
    Label,
    Listing,
    Name,
    Number,
    OrDefault,
    PromptText,
    Request,
    limit_bytes,
    limit_items,
    limit_json_bytes,
    refuse,
)
from genai_voice.qa.model.runs import RunStatus

MAX_STORED = 1_000
"""Scenarios of an app."""
MAX_TURNS = 100
MAX_TURNS_BYTES = 50_000
MAX_PHRASES = 100
MAX_EXPECTATIONS_BYTES = 20_000
MAX_CRITERIA = 20
MAX_DESCRIPTION_BYTES = 2_000
"""Of a criterion."""
MAX_TAGS = 50

TURNS = "turns must be [{ role: 'user', content: string }]"

EvaluatorType = Literal["string_match", "llm_judge", "hybrid"]


def _trim(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _trim_or_drop(value: object) -> object:
    return (_trim(value) or None) if isinstance(value, str) else value


def _refuse_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("blank")
    return value


def _refuse_turn(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    try:
        return validate(value)
    except ValidationError:
        raise refuse(TURNS) from None


def _drop_nulls(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out optional fields that are null, so that they are absent from what is stored and shown too."""
    return {name: each for name, each in value.items() if each is not None}


def _check_names_differ(criteria: list["Criterion"]) -> list["Criterion"]:
    if len({each["name"] for each in criteria}) < len(criteria):
        raise refuse("llmJudgeCriteria must have different names")
    return criteria


class ScenarioTurn(TypedDict):
    role: Literal["user"]
    content: Annotated[str, AfterValidator(_refuse_blank)]


Phrases = Annotated[list[str], Field(fail_fast=True), limit_items(MAX_PHRASES)]


class Expectations(TypedDict, total=False):
    """What a response must be like. Case makes no difference."""

    shouldContain: Phrases | None
    shouldNotContain: Phrases | None
    shouldCallTool: str | Phrases | None
    shouldHandoff: bool | None


class Criterion(TypedDict):
    """What the judge grades by."""

    name: Annotated[Name, BeforeValidator(_trim)]
    description: Annotated[str, limit_bytes(MAX_DESCRIPTION_BYTES)]
    weight: NotRequired[Number | None]
    """Stored, and of no effect."""


class ScenarioSave(Request):
    """A whole scenario. One of the same name is replaced: what is absent goes back to its default."""

    missing: ClassVar[str] = "name and turns are required"

    name: Annotated[Name, BeforeValidator(_trim)]
    turns: Annotated[
        list[Annotated[ScenarioTurn, WrapValidator(_refuse_turn)]],
        FailFast(),
        Field(min_length=1),
        limit_items(MAX_TURNS),
        limit_json_bytes(MAX_TURNS_BYTES),
    ]
    description: Annotated[PromptText | None, BeforeValidator(_trim_or_drop)] = None
    expectations: OrDefault[
        Annotated[Expectations, AfterValidator(_drop_nulls), limit_json_bytes(MAX_EXPECTATIONS_BYTES)]
    ] = Field(default_factory=Expectations)
    tags: OrDefault[Annotated[list[Label], FailFast(), limit_items(MAX_TAGS)]] = Field(default_factory=list)
    is_active: OrDefault[bool] = True
    evaluator_type: EnumOrDefault[EvaluatorType] = "string_match"
    llm_judge_criteria: OrDefault[
        Annotated[
            list[Annotated[Criterion, AfterValidator(_drop_nulls)]],
            FailFast(),
            limit_items(MAX_CRITERIA),
            AfterValidator(_check_names_differ),
        ]
    ] = Field(default_factory=list)


class ScenarioReference(Request):
    missing: ClassVar[str] = "scenarioId is required"

    scenario_id: Name


class ScenarioQuery(Listing):
    active: str | None = None
    """`true` or `false`; anything else filters nothing."""
    stats: str | None = None
    """`true` adds what came of the last runs."""


class PastRun(TypedDict):
    runId: str
    status: RunStatus


class ScenarioView(TypedDict):
    _id: str
    _creationTime: float
    appSlug: str
    name: str
    description: NotRequired[str]
    turns: list[ScenarioTurn]
    expectations: Expectations
    tags: list[str]
    evaluatorType: EvaluatorType
    llmJudgeCriteria: list[Criterion]
    isActive: bool
    createdAt: float
    updatedAt: float
    recentResults: NotRequired[list[PastRun]]
    """With `stats=true`: of the last 20 runs, newest first."""
    passRate: NotRequired[float]
    """Of these runs, from 0 to 1; absent where there is none."""
    flaky: NotRequired[bool]
    """Whether among these runs the same answer to the same scenario has passed and has failed."""


class ScenarioPage(TypedDict):
    scenarios: list[ScenarioView]
    cursor: NotRequired[str]
