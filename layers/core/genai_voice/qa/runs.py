"""Runs: an answer is graded by a scenario; what came of it is listed."""

from functools import partial

from pydantic_core import from_json

from genai_voice.foundation.errors import NotFound, UpstreamFailed
from genai_voice.foundation.pages import fill, read_cursor, sign_cursor
from genai_voice.foundation.table import find_together
from genai_voice.qa.checks import by_judge, outcome
from genai_voice.qa.grading import AnswerToGrade, GradedAnswer, grade, held, keep
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


def run(app: str, request: QaRunRequest) -> QaRunReply:
    """Grade an answer, or that of a stored conversation, and keep what came of it. Scenarios that are not
    active may be run too.

    Raises NotFound for the scenario, another app's too, then for the conversation; UpstreamFailed where the
    judge gives no usable answer in time: nothing is stored then.
    """
    scenario, recent = find_together(
        ScenarioRow.of(app, request.scenario_id), RecentRow.of(app, request.scenario_id)
    )
    if scenario is None:
        raise NotFound("Scenario not found")
    answer = held(app, request.session_id or "") if request.from_conversation else _given(request)
    attempt = AnswerToGrade(scenario, recent, answer, request.session_id, request.from_conversation)
    [graded] = grade(
        [attempt], use_llm_judge=request.use_llm_judge, judge_runs=request.judge_runs, within_s=JUDGE_S
    )
    if isinstance(graded, UpstreamFailed):
        raise graded
    return _reply(keep(app, attempt, graded, request.execution_mode), graded)


def find(app: str, query: QaRunQuery) -> QaRunPage:
    """Newest first, those of a scenario, those since a moment, as many as were asked for and fit 5 MB;
    `cursor` where more are left.
    """
    if not query.is_for(app):
        return {"runs": []}
    since = query.since or 0
    scope = (app, "qa_runs", query.scenario_id or "", str(float(since)))
    before = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else None
    if query.scenario_id:
        listed = RunRow.newest_of(app, query.scenario_id, since, before, query.limit + 1)
        views, last = fill(RunRow.load_full(listed[: query.limit]), partial(_view, app))
        if last is None and len(listed) > query.limit:
            last = listed[query.limit - 1]
    else:
        newest = RunRow.newest(app, since, before, query.limit + 1)
        views, last = fill(newest, partial(_view, app), query.limit)
    page: QaRunPage = {"runs": views}
    if last is not None:
        page["cursor"] = sign_cursor([last.sk], *scope)
    return page


def _given(request: QaRunRequest) -> AgentAnswer:
    return {
        "responseText": request.response_text or "",
        "calledTools": request.called_tools,
        "handoffTriggered": request.handoff_triggered,
    }


def _reply(run_id: str, graded: GradedAnswer) -> QaRunReply:
    came = graded.outcome
    reply: QaRunReply = {
        "id": run_id,
        "status": came.status,
        "score": came.score,
        "totalChecks": came.total,
        "passedChecks": came.passed,
        "results": graded.results,
    }
    if graded.judgement:
        reply["llmJudgeScores"] = graded.judgement.scores
        if graded.judgement.agreement is not None:
            reply["agreement"] = graded.judgement.agreement
    return reply


def _view(app: str, row: RunRow) -> QaRunView:
    scores: list[JudgeScore] = from_json(row.judge_scores) if row.judge_scores else []
    results = [*from_json(row.checks), *by_judge(scores)]
    came, created = outcome(results), row.created_at or 0
    view: QaRunView = {
        "_id": row.run_id,
        "_creationTime": created,
        "appSlug": app,
        "scenarioId": row.scenario_id,
        "scenarioName": row.scenario_name,
        "status": came.status,
        "score": came.score,
        "totalChecks": came.total,
        "passedChecks": came.passed,
        "results": results,
        "input": from_json(row.input),
        "executionMode": row.execution_mode,  # type: ignore[typeddict-item]
        "llmJudgeScores": scores,
        "createdAt": created,
        "completedAt": created,
    }
    if row.session_id is not None:
        view["sessionId"] = row.session_id
    if row.judge_runs is not None:
        view["judgeRuns"] = int(row.judge_runs)
    if row.agreement is not None:
        view["agreement"] = row.agreement
    return view
