"""Save and list scenarios: what an agent is asked, and what must be true of its answer. An app has one of a
name.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from pydantic_core import from_json, to_json

from genai_voice.foundation.bounds import Bound
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import NotFound
from genai_voice.foundation.keys import make_time_key
from genai_voice.foundation.model import Created, Ok, add_optional
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import Action
from genai_voice.foundation.transactions import Change, write_together
from genai_voice.qa.flakiness import RecentResult, compute_pass_rate, is_flaky
from genai_voice.qa.model.scenarios import (
    MAX_STORED,
    ScenarioPage,
    ScenarioQuery,
    ScenarioReference,
    ScenarioSave,
    ScenarioView,
)
from genai_voice.qa.rows import RecentRow, ScenarioRow

PAGE = 100
_BOUND = Bound.of_number(
    "qa_scenarios",
    ScenarioRow.count_in_app,
    MAX_STORED,
    f"At most {MAX_STORED:,} scenarios: delete some, or save over one by its name",
)
_BUSY = "Too many changes of these scenarios at once: try again"


def save_scenario(app: str, request: ScenarioSave) -> Created:
    """Create the scenario, or replace all of the one of this name. Only the first save decides its place in
    lists. Raises BadRequest for a new one beyond MAX_STORED, and Busy.
    """
    row = ScenarioRow.from_name(app, request.name)
    actions = [*_content_changes(request), *_place_changes(app, row, request.is_active)]

    def try_once() -> Created | None:
        creation = Change(row, actions, ScenarioRow.pk.does_not_exist())
        is_replaced = row.change(actions, ScenarioRow.pk.exists())
        if is_replaced or write_together([creation, *_BOUND.count_changes(app, 1)]):
            return {"id": row.scenario_id}
        if row.find_stored() is None:
            _BOUND.check_room(app, 1)
        return None

    return retry_lost_races(try_once, busy=_BUSY)


def delete_scenario(app: str, named: ScenarioReference) -> Ok:
    """Remove a scenario. Its runs stay. Raises NotFound, for the second of two removals too, and Busy."""
    if not _BOUND.remove(app, ScenarioRow.of(app, named.scenario_id), busy=_BUSY):
        raise NotFound("Scenario not found")
    return {"ok": True}


def list_scenarios(app: str, query: ScenarioQuery) -> ScenarioPage:
    """List scenarios newest created first, at most 100 and 5 MB; `cursor` where more are left. With `stats`,
    the last results of all of them are read too.
    """
    active = {"true": True, "false": False}.get(query.active or "")

    def read(before: str | None) -> PageRows[ScenarioRow, ScenarioView]:
        listed = ScenarioRow.list_newest(app, active, before, PAGE + 1)
        page = PageRows.of(listed, PAGE, partial(_view, app), narrow=narrow, position=find_position)
        if query.stats != "true":
            return page
        rows = list(page.rows)
        return replace(page, rows=rows, view=partial(_view_with_stats, app, _load_recent(app, rows)))

    def narrow(rows: Iterable[ScenarioRow]) -> Iterable[ScenarioRow]:
        """Leave out those that were switched: the index may still know what they were before."""
        return (row for row in ScenarioRow.load_full(rows) if active in (None, row.is_active))

    def find_position(row: ScenarioRow) -> str | None:
        return row.gsi1sk if active is None else row.gsi2sk

    views, cursor = read_page(app, query, ("qa_scenarios", str(active)), read)
    return add_optional(ScenarioPage(scenarios=views), cursor=cursor)


def _content_changes(request: ScenarioSave) -> Iterator[Action]:
    row = ScenarioRow
    yield row.name.set(request.name)
    yield row.description.set(request.description) if request.description else row.description.remove()
    yield row.turns.set(to_json(request.turns).decode())
    yield row.expectations.set(to_json(request.expectations).decode())
    yield row.criteria.set(to_json(request.llm_judge_criteria).decode())
    yield row.tags.set(request.tags)
    yield row.evaluator_type.set(request.evaluator_type)
    yield row.is_active.set(request.is_active)


def _place_changes(app: str, row: ScenarioRow, active: bool) -> Iterator[Action]:
    now = get_now_ms()
    place = make_time_key(now, row.scenario_id)
    yield row.__class__.scenario_id.set(row.scenario_id)
    yield ScenarioRow.created_at.set(ScenarioRow.created_at | now)
    yield ScenarioRow.updated_at.set(now)
    yield ScenarioRow.gsi1pk.set(row.make_list_key(app))
    yield ScenarioRow.gsi1sk.set(ScenarioRow.gsi1sk | place)
    yield ScenarioRow.gsi2pk.set(row.make_list_key(app, active))
    yield ScenarioRow.gsi2sk.set(ScenarioRow.gsi2sk | place)


def _load_recent(app: str, rows: Iterable[ScenarioRow]) -> dict[str, list[RecentResult]]:
    """Load the last results of these scenarios by their ids. One call per 100."""
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
    return add_optional(view, description=row.description or None)


def _view_with_stats(app: str, recent: dict[str, list[RecentResult]], row: ScenarioRow) -> ScenarioView:
    view, results = _view(app, row), recent.get(row.scenario_id, [])
    view["recentResults"] = [{"runId": each.run_id, "status": each.status} for each in results]
    view["flaky"] = is_flaky(results)
    return add_optional(view, passRate=compute_pass_rate(results))
