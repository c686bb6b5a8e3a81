"""Grade the answers to many scenarios at once, those of a tag or those named, each for itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, partial
from itertools import islice
from time import monotonic

from genai_voice.foundation.errors import BadRequest, Busy, NotFound, UpstreamFailed
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import read_cursor, sign_cursor
from genai_voice.foundation.table import Item
from genai_voice.qa.grading import AnswerToGrade, GradedAnswer, grade_answers, read_answer, save_run
from genai_voice.qa.model.runs import AgentAnswer
from genai_voice.qa.model.suites import MAX_SUITE, SuiteReply, SuiteRequest, SuiteResult
from genai_voice.qa.rows import RecentRow, ScenarioRow

LOOKED_AT = 500
"""Active scenarios that are looked at for a tag; `cursor` goes on after them."""
READ_S = 6
"""In which conversations are read, of the 29 s of a function."""
JUDGE_S = 18
"""That the judge has then, for all of them."""


def grade_suite(app: str, request: SuiteRequest) -> SuiteReply:
    """Grade the answer to each scenario, and store each run. One that cannot be graded is an `error` with its
    reason, has no run, and keeps none of the others from being graded.

    Where the call is cut off in between, the runs that were stored until then stay.
    """
    read_until = monotonic() + READ_S
    ids, cursor = _choose_scenarios(app, request)
    scenarios = [ScenarioRow.of(app, each) for each in ids]
    recents = [RecentRow.of(app, each) for each in ids]
    found = Item.find_all((row.pk, row.sk) for rows in (scenarios, recents) for row in rows)
    conversation = cache(partial(_try_read_answer, app))
    results: dict[str, SuiteResult] = {}
    attempts: list[AnswerToGrade] = []
    for id_, place, recent in zip(ids, scenarios, recents, strict=True):
        scenario = found.get((place.pk, place.sk))
        if not isinstance(scenario, ScenarioRow):
            results[id_] = _make_error(id_, "Scenario not found")
            continue
        session = (request.from_conversations or {}).get(id_)
        if session and monotonic() > read_until:
            answer: AgentAnswer | str = "There was no time to read this conversation: run it in another call"
        else:
            answer = conversation(session) if session else _find_answer(request, id_)
        if isinstance(answer, str):
            results[id_] = _make_error(id_, answer, scenario.name)
        else:
            last = found.get((recent.pk, recent.sk))
            known = last if isinstance(last, RecentRow) else None
            attempts.append(AnswerToGrade(scenario, known, answer, session, session is not None))
    results |= _grade_all(app, request, attempts)
    return _make_reply([results[id_] for id_ in ids], cursor)


# -- which scenarios, which answers ------------------------------------------------------------------------


def _choose_scenarios(app: str, request: SuiteRequest) -> tuple[list[str], str | None]:
    """Choose the scenarios. Answers their ids, each once, and the cursor of those that are left."""
    if request.scenario_ids is not None:
        return list(dict.fromkeys(request.scenario_ids)), None
    tag = request.tag or ""
    scope = (app, "qa_suite", tag)
    before = str(read_cursor(request.cursor, *scope)[0]) if request.cursor else None
    listed = ScenarioRow.list_newest(app, True, before, LOOKED_AT + 1)
    tagged = (row for row in ScenarioRow.load_full(listed[:LOOKED_AT]) if row.is_active and tag in row.tags)
    matching = list(islice(tagged, MAX_SUITE + 1))
    taken = matching[:MAX_SUITE]
    last = (
        taken[-1] if len(matching) > MAX_SUITE else listed[LOOKED_AT - 1] if len(listed) > LOOKED_AT else None
    )
    cursor = None if last is None else sign_cursor([last.gsi2sk], *scope)
    return [row.scenario_id for row in taken], cursor


def _try_read_answer(app: str, session: str) -> AgentAnswer | str:
    """Read what is graded of a conversation. Answers a text that says why where nothing can be."""
    try:
        return read_answer(app, session)
    except (NotFound, BadRequest) as refused:
        return refused.message


def _find_answer(request: SuiteRequest, scenario_id: str) -> AgentAnswer | str:
    answer = (request.responses or {}).get(scenario_id)
    if answer is None:
        return "No response is given"
    return {"responseText": answer} if isinstance(answer, str) else answer


# -- what came of them -------------------------------------------------------------------------------------


def _grade_all(
    app: str, request: SuiteRequest, attempts: Sequence[AnswerToGrade]
) -> Mapping[str, SuiteResult]:
    graded = grade_answers(
        attempts, use_llm_judge=request.use_llm_judge, judge_runs=request.judge_runs, within_s=JUDGE_S
    )
    results: dict[str, SuiteResult] = {}
    for attempt, each in zip(attempts, graded, strict=True):
        scenario = attempt.scenario
        try:
            results[scenario.scenario_id] = _save_one(app, request, attempt, each)
        except (Busy, UpstreamFailed) as failed:
            results[scenario.scenario_id] = _make_error(scenario.scenario_id, failed.message, scenario.name)
    return results


def _save_one(
    app: str, request: SuiteRequest, attempt: AnswerToGrade, graded: GradedAnswer | UpstreamFailed
) -> SuiteResult:
    if isinstance(graded, UpstreamFailed):
        raise graded
    run_id = save_run(app, attempt, graded, request.execution_mode)
    return _make_result(attempt.scenario, run_id, graded)


def _make_error(scenario_id: str, reason: str, name: str | None = None) -> SuiteResult:
    result: SuiteResult = {"scenarioId": scenario_id, "status": "error", "error": reason}
    return add_optional(result, scenarioName=name or None)


def _make_result(scenario: ScenarioRow, run_id: str, graded: GradedAnswer) -> SuiteResult:
    grade = graded.grade
    return {
        "scenarioId": scenario.scenario_id,
        "scenarioName": scenario.name,
        "status": grade.status,
        "runId": run_id,
        "score": grade.score,
        "totalChecks": grade.total,
        "passedChecks": grade.passed,
    }


def _make_reply(results: list[SuiteResult], cursor: str | None) -> SuiteReply:
    counted = Counter(each["status"] for each in results)
    reply: SuiteReply = {
        "total": len(results),
        "passed": counted["passed"],
        "failed": counted["failed"],
        "errors": counted["error"],
        "results": results,
    }
    return add_optional(reply, cursor=cursor)
