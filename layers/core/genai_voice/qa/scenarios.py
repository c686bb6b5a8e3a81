"""Scenarios: what an agent is asked, and what must be true of its answer. One of a name in each app."""

from collections.abc import Iterable, Iterator
from functools import partial

from pydantic_core import from_json, to_json

from genai_voice.foundation.clock import now_ms
from genai_voice.foundation.keys import time_key
from genai_voice.foundation.model import Created
from genai_voice.foundation.pages import fill, read_cursor, sign_cursor
from genai_voice.foundation.table import Action
from genai_voice.qa.flakiness import RecentResult, is_flaky, pass_rate
from genai_voice.qa.model.scenarios import ScenarioPage, ScenarioQuery, ScenarioSave, ScenarioView
from genai_voice.qa.rows import RecentRow, ScenarioRow

PAGE = 100


def save(app: str, request: ScenarioSave) -> Created:
    """Create the scenario, or replace all of the one of this name, in one write. Only the first save decides
    its place in lists.
    """
    row = ScenarioRow.named(app, request.name)
    row.change([*_content(request), *_place(app, row, request.is_active)])
    return {"id": row.scenario_id}


def find(app: str, query: ScenarioQuery) -> ScenarioPage:
    """Newest created first, at most 100 and 5 MB; `cursor` where more are left. With `stats`, one read more
    for the last results of all of them.
    """
    if not query.is_for(app):
        return {"scenarios": []}
    active = {"true": True, "false": False}.get(query.active or "")
    scope = (app, "qa_scenarios", str(active))
    before = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else None
    listed = ScenarioRow.newest(app, active, before, PAGE + 1)
    # The index may still know what a scenario was before it was switched.
    rows = (row for row in ScenarioRow.load_full(listed[:PAGE]) if active in (None, row.is_active))
    page: ScenarioPage = {"scenarios": []}
    if query.stats == "true":
        found = list(rows)
        page["scenarios"], last = fill(found, partial(_view_with, app, _recent(app, found)))
    else:
        page["scenarios"], last = fill(rows, partial(_view, app))
    if last is None and len(listed) > PAGE:
        last = listed[PAGE - 1]
    if last is not None:
        page["cursor"] = sign_cursor([last.gsi1sk if active is None else last.gsi2sk], *scope)
    return page


def _content(request: ScenarioSave) -> Iterator[Action]:
    row = ScenarioRow
    yield row.name.set(request.name)
    yield row.description.set(request.description) if request.description else row.description.remove()
    yield row.turns.set(to_json(request.turns).decode())
    yield row.expectations.set(to_json(request.expectations).decode())
    yield row.criteria.set(to_json(request.llm_judge_criteria).decode())
    yield row.tags.set(request.tags)
    yield row.evaluator_type.set(request.evaluator_type)
    yield row.is_active.set(request.is_active)


def _place(app: str, row: ScenarioRow, active: bool) -> Iterator[Action]:
    now = now_ms()
    place = time_key(now, row.scenario_id)
    yield row.__class__.scenario_id.set(row.scenario_id)
    yield ScenarioRow.created_at.set(ScenarioRow.created_at | now)
    yield ScenarioRow.updated_at.set(now)
    yield ScenarioRow.gsi1pk.set(row.list_key(app))
    yield ScenarioRow.gsi1sk.set(ScenarioRow.gsi1sk | place)
    yield ScenarioRow.gsi2pk.set(row.list_key(app, active))
    yield ScenarioRow.gsi2sk.set(ScenarioRow.gsi2sk | place)


def _recent(app: str, rows: Iterable[ScenarioRow]) -> dict[str, list[RecentResult]]:
    """The last results of these scenarios by their ids. One call per 100."""
    places = {row.scenario_id: RecentRow.of(app, row.scenario_id) for row in rows}
    found = RecentRow.find_all((each.pk, each.sk) for each in places.values())
    return {
        id_: found[each.pk, each.sk].results for id_, each in places.items() if (each.pk, each.sk) in found
    }


def _view(app: str, row: ScenarioRow) -> ScenarioView:
    view: ScenarioView = {
        "_id": row.scenario_id,
        "_creationTime": row.created_at or 0,
        "appSlug": app,
        "name": row.name,
        "turns": from_json(row.turns),
        "expectations": from_json(row.expectations),
        "tags": row.tags,
        "evaluatorType": row.evaluator_type,  # type: ignore[typeddict-item]
        "llmJudgeCriteria": from_json(row.criteria),
        "isActive": row.is_active,
        "createdAt": row.created_at or 0,
        "updatedAt": row.updated_at,
    }
    if row.description:
        view["description"] = row.description
    return view


def _view_with(app: str, recent: dict[str, list[RecentResult]], row: ScenarioRow) -> ScenarioView:
    view, results = _view(app, row), recent.get(row.scenario_id, [])
    view["recentResults"] = [{"runId": each.run_id, "status": each.status} for each in results]
    view["flaky"] = is_flaky(results)
    rate = pass_rate(results)
    if rate is not None:
        view["passRate"] = rate
    return view
