"""QA: scenarios that an agent must master, and what comes of its answers to them."""

from genai_voice.foundation.errors import NotFound, UpstreamFailed
from genai_voice.foundation.model import Created, Ok
from genai_voice.qa import runs, scenarios, suites
from genai_voice.qa.model.runs import QaRunPage, QaRunQuery, QaRunReply, QaRunRequest
from genai_voice.qa.model.scenarios import ScenarioPage, ScenarioQuery, ScenarioReference, ScenarioSave
from genai_voice.qa.model.suites import SuiteReply, SuiteRequest
from genai_voice.tenancy import Api, Caller

api = Api()


@api.get("/api/qa/scenarios")
def list_scenarios(caller: Caller, query: ScenarioQuery) -> ScenarioPage:
    """List scenarios, newest first; `active` filters, `stats=true` adds what came of the last 20 runs of
    each.
    """
    return scenarios.list_scenarios(caller.app.slug, query)


@api.post("/api/qa/scenarios", scope="manage")
def save_scenario(caller: Caller, body: ScenarioSave) -> Created:
    """Save what an agent must master. A scenario of the same name is replaced; an app has at most 1,000."""
    return scenarios.save_scenario(caller.app.slug, body)


@api.delete("/api/qa/scenarios", scope="manage", raises=(NotFound,))
def delete_scenario(caller: Caller, body: ScenarioReference) -> Ok:
    """Delete a scenario. Its runs stay."""
    return scenarios.delete_scenario(caller.app.slug, body)


@api.get("/api/qa/runs")
def list_runs(caller: Caller, query: QaRunQuery) -> QaRunPage:
    """List runs, newest first; `scenarioId` and `since` filter."""
    return runs.list_runs(caller.app.slug, query)


@api.post("/api/qa/runs", scope="manage", raises=(NotFound, UpstreamFailed))
def run_scenario(caller: Caller, body: QaRunRequest) -> QaRunReply:
    """Grade an answer to a scenario, or the one that the agent has given in a stored conversation.

    Where a judge decides and gives no usable answer, nothing is stored.
    """
    return runs.grade_run(caller.app.slug, body)


@api.post("/api/qa/suites/run", scope="manage")
def grade_suite(caller: Caller, body: SuiteRequest) -> SuiteReply:
    """Grade the answers to many scenarios, those of a tag or those named, at most 50 at once.

    What cannot be graded is an `error` with its reason; the others are graded all the same.
    """
    return suites.grade_suite(caller.app.slug, body)


handler = api.handle
