"""Grade one answer by a scenario, and list what came of such runs."""

from functools import partial

from pydantic_core import from_json

from genai_voice.foundation.errors import NotFound, UpstreamFailed
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.foundation.table import find_together
from genai_voice.qa.checks import convert_scores, grade_checks
from genai_voice.qa.grading import AnswerToGrade, GradedAnswer, grade_answers, read_answer, save_run
from genai_voice.qa.model.runs import (
    AgentAnswer,
    JudgeScore,
    QaRunPage,
    QaRunQuery,
    QaRunReply,
    QaRunRequest,
    QaRunView,
)
from genai_voice.qa.rows import RecentRow, RunRow, ScenarioRow

JUDGE_S = 22
"""That the judge has, of the 29 s of a function."""


def grade_run(app: str, request: QaRunRequest) -> QaRunReply:
    """Grade an answer, or that of a stored conversation, and store what came of it. Scenarios that are not
    active may be run too.

    Raises NotFound for the scenario, another app's too, then for the conversation; UpstreamFailed where the
    judge gives no usable answer in time: nothing is stored then.
    """
    scenario, recent = find_together(
        ScenarioRow.of(app, request.scenario_id), RecentRow.of(app, request.scenario_id)
    )
    if scenario is None:
        raise NotFound("Scenario not found")
    answer = (
        read_answer(app, request.session_id or "") if request.from_conversation else _make_answer(request)
    )
    attempt = AnswerToGrade(scenario, recent, answer, request.session_id, request.from_conversation)
    [graded] = grade_answers(
        [attempt], use_llm_judge=request.use_llm_judge, judge_runs=request.judge_runs, within_s=JUDGE_S
    )
    if isinstance(graded, UpstreamFailed):
        raise graded
    return _make_reply(save_run(app, attempt, graded, request.execution_mode), graded)


def list_runs(app: str, query: QaRunQuery) -> QaRunPage:
    """List runs newest first, those of a scenario or those since a moment where that is asked for, as many as
    were asked for and fit 5 MB; `cursor` where more are left.
    """
    scenario_id, since = query.scenario_id or "", query.since or 0

    def read(before: str | None) -> PageRows[RunRow, QaRunView]:
        if scenario_id:
            listed = RunRow.list_newest_of_scenario(app, scenario_id, since, before, query.limit + 1)
            return PageRows.of(listed, query.limit, view, narrow=RunRow.load_full)
        return PageRows.of(RunRow.list_newest(app, since, before, query.limit + 1), query.limit, view)

    view = partial(_view, app)
    views, cursor = read_page(app, query, ("qa_runs", scenario_id, str(float(since))), read)
    return add_optional(QaRunPage(runs=views), cursor=cursor)


def _make_answer(request: QaRunRequest) -> AgentAnswer:
    return {
        "responseText": request.response_text or "",
        "calledTools": request.called_tools,
        "handoffTriggered": request.handoff_triggered,
    }


def _make_reply(run_id: str, graded: GradedAnswer) -> QaRunReply:
    grade = graded.grade
    reply: QaRunReply = {
        "id": run_id,
        "status": grade.status,
        "score": grade.score,
        "totalChecks": grade.total,
        "passedChecks": grade.passed,
        "results": graded.results,
    }
    if graded.judgement is None:
        return reply
    judgement = graded.judgement
    return add_optional(reply, llmJudgeScores=judgement.scores, agreement=judgement.agreement)


def _view(app: str, row: RunRow) -> QaRunView:
    scores: list[JudgeScore] = from_json(row.judge_scores) if row.judge_scores else []
    results = [*from_json(row.checks), *convert_scores(scores)]
    grade, created = grade_checks(results), row.created_at or 0
    view: QaRunView = {
        "_id": row.run_id,
        "_creationTime": created,
        "appSlug": app,
        "scenarioId": row.scenario_id,
        "scenarioName": row.scenario_name,
        "status": grade.status,
        "score": grade.score,
        "totalChecks": grade.total,
        "passedChecks": grade.passed,
        "results": results,
        "input": from_json(row.input),
        "executionMode": row.execution_mode,  # type: ignore[typeddict-item]
        "llmJudgeScores": scores,
        "createdAt": created,
        "completedAt": created,
    }
    return add_optional(
        view,
        sessionId=row.session_id,
        judgeRuns=None if row.judge_runs is None else int(row.judge_runs),
        agreement=row.agreement,
    )
