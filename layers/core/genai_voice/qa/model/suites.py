"""Suites: what is asked and what is answered."""

from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from genai_voice.foundation.model import EnumOrDefault, Label, Name, OrDefault, Request, limit_items, refuse
from genai_voice.qa.model.runs import AgentAnswer, ExecutionMode, JudgeRuns, ResponseText

MAX_SUITE = 50
"""Scenarios of one call of `suites/run`."""
MAX_ANSWERS = 500
"""Of one call of `suites/run`: with a tag it takes several calls, and all may bring all answers."""


def _limit_answers(answers: dict[str, Any]) -> dict[str, Any]:
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
    responses: Annotated[dict[str, ResponseText | AgentAnswer], AfterValidator(_limit_answers)] | None = None
    """The answer to each scenario by its id, as text or with the tools that were called."""
    from_conversations: Annotated[dict[str, Name], AfterValidator(_limit_answers)] | None = None
    """For each scenario id the `sessionId` of the conversation that is graded."""
    use_llm_judge: OrDefault[bool] = False
    judge_runs: JudgeRuns = 1
    execution_mode: EnumOrDefault[ExecutionMode] = "automated"
    cursor: str | None = None
    """With a tag: where the call before ended."""

    @model_validator(mode="after")
    def _check_selection(self) -> Self:
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
