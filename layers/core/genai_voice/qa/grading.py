"""Responses are graded, by strings and by the judge, and what came of it is kept."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import from_json, to_json

from genai_voice.conversations.service import last_answer
from genai_voice.foundation.clock import back_off, now_ms, time_ordered_id
from genai_voice.foundation.errors import BadRequest, Busy, UpstreamFailed
from genai_voice.foundation.keys import digest
from genai_voice.foundation.transactions import Change, write_together
from genai_voice.handoffs import desk
from genai_voice.qa.checks import Grade, by_default, by_judge, compare, outcome, plan
from genai_voice.qa.flakiness import RecentResult, with_newest
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
from genai_voice.qa.rows import RecentRow, RunRow, ScenarioRow
from genai_voice.tools import executions

_ATTEMPTS = 12


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
        return [*self.checks, *by_judge(self.judgement.scores if self.judgement else ())]

    @property
    def outcome(self) -> Grade:
        return outcome(self.results)


def held(app: str, session: str) -> AgentAnswer:
    """What is graded of a stored conversation: what its agent said last, the tools that were executed in it,
    whether it was handed over to a person.

    Raises NotFound where nothing of it is saved, BadRequest for an answer that is longer than any graded.
    """
    said = last_answer(app, session)
    if len(said.encode()) > MAX_RESPONSE_BYTES:
        raise BadRequest(f"The last answer in the conversation has over {MAX_RESPONSE_BYTES:,} bytes")
    tools = executions.executed_in(app, session)[:MAX_TOOLS]
    triggered = desk.was_requested(app, session)
    return {"responseText": said, "calledTools": tools, "handoffTriggered": triggered}


def grade(
    attempts: Sequence[AnswerToGrade], *, use_llm_judge: bool, judge_runs: int, within_s: float
) -> list[GradedAnswer | UpstreamFailed]:
    """What came of each, or why the judge has none to say of it. All that need it are judged at once, within
    this time.
    """
    plans = [
        plan(each.scenario.evaluator_type, use_llm_judge, bool(from_json(each.scenario.criteria)))  # type: ignore[arg-type]
        for each in attempts
    ]
    questions = [_question(each) for each, how in zip(attempts, plans, strict=True) if how.asks]
    judged = iter(judge(questions, judge_runs, within_s) if questions else ())
    graded: list[GradedAnswer | UpstreamFailed] = []
    for attempt, how in zip(attempts, plans, strict=True):
        judgement = next(judged) if how.asks else Judgement([], None) if how.judged else None
        if isinstance(judgement, UpstreamFailed):
            graded.append(judgement)
            continue
        checks = compare(from_json(attempt.scenario.expectations), attempt.answer) if how.compares else []
        if not checks and not how.judged:
            checks = [by_default()]
        graded.append(GradedAnswer(checks, judgement, judge_runs if how.asks else None))
    return graded


def keep(app: str, attempt: AnswerToGrade, graded: GradedAnswer, mode: ExecutionMode) -> str:
    """Store the run, in one transaction with the last results of its scenario. Answers its id. Raises Busy
    when other runs of the scenario win a dozen times running.
    """
    row, recent = _row(app, attempt, graded, mode), attempt.recent
    result = RecentResult(row.run_id, graded.outcome.status, _graded(attempt))
    empty = RecentRow.of(app, attempt.scenario.scenario_id)
    for retry in range(_ATTEMPTS):
        last = recent.results if recent else []
        if result in last:  # by a write whose answer was lost
            return row.run_id
        packed = RecentRow.pack(with_newest(last, result))
        actions = [RecentRow.packed.set(packed), RecentRow.version.add(1)]
        if write_together([Change(empty, actions, RecentRow.unchanged(recent))], inserts=[row]):
            return row.run_id
        back_off(retry)
        recent = empty.find_stored()
    raise Busy("Too many runs of this scenario at once: try again")


def _question(attempt: AnswerToGrade) -> JudgeQuestion:
    scenario = attempt.scenario
    return JudgeQuestion(
        from_json(scenario.turns), from_json(scenario.criteria), attempt.answer["responseText"]
    )


def _graded(attempt: AnswerToGrade) -> str:
    answer = attempt.answer
    tools = sorted({each.lower() for each in answer.get("calledTools", ())})
    handed_over = "handed over" if answer.get("handoffTriggered") else ""
    return digest(attempt.scenario.decisive, answer["responseText"], handed_over, *tools)


def _row(app: str, attempt: AnswerToGrade, graded: GradedAnswer, mode: ExecutionMode) -> RunRow:
    now = now_ms()
    row = RunRow.of(app, time_ordered_id(now))
    row.belongs_to(app, attempt.scenario)
    row.session_id, row.execution_mode, row.created_at = attempt.session_id or None, mode, now
    row.status = graded.outcome.status
    row.checks, row.input = to_json(graded.checks).decode(), to_json(_input(attempt)).decode()
    if graded.judgement and graded.judgement.scores:
        row.judge_scores = to_json(graded.judgement.scores).decode()
        row.judge_runs, row.agreement = graded.judge_runs, graded.judgement.agreement
    return row


def _input(attempt: AnswerToGrade) -> QaRunInput:
    answer = attempt.answer
    given: QaRunInput = {
        "responseText": answer["responseText"],
        "calledTools": answer.get("calledTools", []),
        "handoffTriggered": bool(answer.get("handoffTriggered")),
    }
    return {**given, "fromConversation": True} if attempt.from_conversation else given
