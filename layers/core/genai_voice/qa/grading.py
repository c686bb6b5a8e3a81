"""Grade answers, by strings and by the judge, and store what came of it."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import from_json, to_json

from genai_voice.conversations.listing import find_last_answer
from genai_voice.foundation.clock import get_now_ms, make_time_ordered_id
from genai_voice.foundation.errors import BadRequest, UpstreamFailed
from genai_voice.foundation.keys import digest
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.transactions import Change, write_together
from genai_voice.handoffs import desk
from genai_voice.qa.checks import (
    Grade,
    compare_answer,
    convert_scores,
    grade_checks,
    pass_by_default,
    plan_grading,
)
from genai_voice.qa.flakiness import RecentResult, add_newest
from genai_voice.qa.judge import judge
from genai_voice.qa.judgement import Judgement, JudgeQuestion
from genai_voice.qa.model.runs import (
    MAX_RESPONSE_BYTES,
    MAX_TOOLS,
    AgentAnswer,
    CheckResult,
    ExecutionMode,
    QaRunInput,
)
from genai_voice.qa.model.scenarios import Expectations
from genai_voice.qa.rows import RecentRow, RunRow, ScenarioRow
from genai_voice.tools import executions


class AnswerToGrade(NamedTuple):
    """One answer to one scenario."""

    scenario: ScenarioRow
    recent: RecentRow | None
    """The last results of the scenario, as they were read together with it."""
    answer: AgentAnswer
    session_id: str | None = None
    from_conversation: bool = False


class GradedAnswer(NamedTuple):
    checks: list[CheckResult]
    """All but those of the judge."""
    judgement: Judgement | None
    """None off the judge path; without scores where the model was not asked."""
    judge_runs: int | None
    """How often the model was asked."""

    @property
    def results(self) -> list[CheckResult]:
        return [*self.checks, *convert_scores(self.judgement.scores if self.judgement else ())]

    @property
    def grade(self) -> Grade:
        return grade_checks(self.results)


def read_answer(app: str, session: str) -> AgentAnswer:
    """Read what is graded of a stored conversation: what its agent said last, the tools that were executed
    in it, whether it was handed over to a person.

    Raises NotFound where nothing of it is saved, BadRequest for an answer that is longer than any graded.
    """
    said = find_last_answer(app, session)
    if len(said.encode()) > MAX_RESPONSE_BYTES:
        raise BadRequest(f"The last answer in the conversation has over {MAX_RESPONSE_BYTES:,} bytes")
    tools = executions.list_executed_tools(app, session)[:MAX_TOOLS]
    triggered = desk.has_handoff(app, session)
    return {"responseText": said, "calledTools": tools, "handoffTriggered": triggered}


def grade_answers(
    attempts: Sequence[AnswerToGrade], *, use_llm_judge: bool, judge_runs: int, within_s: float
) -> list[GradedAnswer | UpstreamFailed]:
    """Grade each answer, or tell why the judge could not. All that need the judge are judged at once, within
    this time.
    """
    plans = [
        plan_grading(each.scenario.evaluator_type, use_llm_judge, bool(from_json(each.scenario.criteria)))  # type: ignore[arg-type]
        for each in attempts
    ]
    questions = [_make_question(each) for each, how in zip(attempts, plans, strict=True) if how.asks_model]
    judged = iter(judge(questions, judge_runs, within_s) if questions else ())
    graded: list[GradedAnswer | UpstreamFailed] = []
    for attempt, how in zip(attempts, plans, strict=True):
        judgement = next(judged) if how.asks_model else Judgement([], None) if how.is_judged else None
        if isinstance(judgement, UpstreamFailed):
            graded.append(judgement)
            continue
        expectations: Expectations = from_json(attempt.scenario.expectations)
        checks = compare_answer(expectations, attempt.answer) if how.has_string_checks else []
        if not checks and not how.is_judged:
            checks = [pass_by_default()]
        graded.append(GradedAnswer(checks, judgement, judge_runs if how.asks_model else None))
    return graded


def save_run(app: str, attempt: AnswerToGrade, graded: GradedAnswer, mode: ExecutionMode) -> str:
    """Store the run, in one transaction with the last results of its scenario. Answers its id. Raises Busy
    when other runs of the scenario win every time.
    """
    row, place = _make_row(app, attempt, graded, mode), RecentRow.of(app, attempt.scenario.scenario_id)
    result = RecentResult(row.run_id, graded.grade.status, _compute_fingerprint(attempt))

    def try_after(recent: RecentRow | None) -> str | None:
        last = recent.results if recent else []
        if result in last:  # by a write whose answer was lost
            return row.run_id
        packed = RecentRow.pack(add_newest(last, result))
        actions = [RecentRow.packed.set(packed), RecentRow.version.add(1)]
        change = Change(place, actions, RecentRow.is_unchanged(recent))
        return row.run_id if write_together([change], inserts=[row]) else None

    return retry_lost_races(
        lambda: try_after(attempt.recent),
        after_loss=lambda: try_after(place.find_stored()),
        busy="Too many runs of this scenario at once: try again",
    )


def _make_question(attempt: AnswerToGrade) -> JudgeQuestion:
    scenario = attempt.scenario
    return JudgeQuestion(
        from_json(scenario.turns), from_json(scenario.criteria), attempt.answer["responseText"]
    )


def _compute_fingerprint(attempt: AnswerToGrade) -> str:
    """Compute what stands for the answer and for all of the scenario that decides how it is graded."""
    answer = attempt.answer
    tools = sorted({each.lower() for each in answer.get("calledTools", ())})
    handed_over = "handed over" if answer.get("handoffTriggered") else ""
    return digest(attempt.scenario.fingerprint, answer["responseText"], handed_over, *tools)


def _make_row(app: str, attempt: AnswerToGrade, graded: GradedAnswer, mode: ExecutionMode) -> RunRow:
    now = get_now_ms()
    row = RunRow.of(app, make_time_ordered_id(now))
    row.set_scenario(app, attempt.scenario)
    row.session_id, row.execution_mode, row.created_at = attempt.session_id or None, mode, now
    row.status = graded.grade.status
    row.checks, row.input = to_json(graded.checks).decode(), to_json(_describe_input(attempt)).decode()
    if graded.judgement and graded.judgement.scores:
        row.judge_scores = to_json(graded.judgement.scores).decode()
        row.judge_runs, row.agreement = graded.judge_runs, graded.judgement.agreement
    return row


def _describe_input(attempt: AnswerToGrade) -> QaRunInput:
    answer = attempt.answer
    given: QaRunInput = {
        "responseText": answer["responseText"],
        "calledTools": answer.get("calledTools", []),
        "handoffTriggered": bool(answer.get("handoffTriggered")),
    }
    return {**given, "fromConversation": True} if attempt.from_conversation else given
