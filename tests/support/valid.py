"""Requests that succeed: minimal ones, once what they refer to by an id has been made."""

from collections.abc import Callable
from typing import Any

from genai_voice.foundation.clock import make_time_ordered_id
from genai_voice.foundation.endpoints import Endpoint
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields
from genai_voice.tools import registry

from tests.support.minimal import make_minimal_body, make_minimal_query
from tests.support.samples import store_failed_delivery
from tests.support.service import Client

Fields = dict[str, Any]

HANDOFF: Fields = {"sessionId": "x", "reason": "user_requested", "transcript": []}
EXPERIMENT: Fields = {"name": "x", "variants": [{"id": "a", "weight": 1}, {"id": "b", "weight": 1}]}
AGENT_RUN: Fields = {"runId": "a-run", "provider": "google", "model": "a-model", "status": "success"}


def _create_agent_session(app: Client) -> Fields:
    return {"sessionId": app.post("/api/agents/session", {"runtime": "pi"}).json["sessionId"]}


def _create_agent_run(app: Client) -> Fields:
    session = _create_agent_session(app)
    assert app.post("/api/agents/session/run", session | {"run": AGENT_RUN}).status == 200
    return session


def _create_experiment(app: Client) -> Fields:
    return {"experimentId": app.post("/api/experiments", EXPERIMENT).json["id"]}


def _create_handoff(app: Client) -> Fields:
    return {"handoffId": app.post("/api/handoffs", HANDOFF).json["id"]}


def _create_persona(app: Client) -> Fields:
    return {"personaId": app.post("/api/personas", {"name": "x", "systemPrompt": "x"}).json["id"]}


def guard(app: Client) -> str:
    """Have the app's texts checked, against one rule that matches "gun". Answers the rule's id."""
    apps.update_app(app.slug, AppFields.model_validate({"guardrailsEnabled": True}))
    rule = {"type": "keyword", "pattern": "gun", "action": "block"}
    return str(app.post("/api/guardrails/rules", rule).json["id"])


def _create_rule(app: Client) -> Fields:
    return {"ruleId": guard(app)}


def _create_violation(app: Client) -> Fields:
    guard(app)
    said = {"sessionId": "x", "content": "a gun", "direction": "input"}
    assert app.post("/api/guardrails/check", said).json["allowed"] is False
    violation = app.get("/api/guardrails/violations").json["violations"][0]
    return {"violationId": violation["_id"], "annotatedCorrectness": "true_positive"}


def _create_scenario(app: Client) -> Fields:
    turns = [{"role": "user", "content": "x"}]
    return {"scenarioId": app.post("/api/qa/scenarios", {"name": "x", "turns": turns}).json["id"]}


def _create_tool(app: Client) -> Fields:
    registry.put_tool(app.slug, "a-tool", description="a tool", parameters_schema="{}")
    return {"name": "a-tool"}


def _create_delivery(app: Client) -> Fields:
    return {"deliveryId": store_failed_delivery(app.slug, make_time_ordered_id()).delivery_id}


REFERRED: dict[str, Callable[[Client], Fields]] = {
    "GET /api/agents/session": _create_agent_session,
    "GET /api/agents/session/runs": _create_agent_run,
    "POST /api/agents/prompt": _create_agent_session,
    "POST /api/agents/session/run": _create_agent_session,
    "PATCH /api/experiments": _create_experiment,
    "DELETE /api/experiments": _create_experiment,
    "POST /api/experiments/assign": _create_experiment,
    "GET /api/experiments/results": _create_experiment,
    "PATCH /api/handoffs": _create_handoff,
    "PATCH /api/guardrails/rules": _create_rule,
    "DELETE /api/guardrails/rules": _create_rule,
    "PATCH /api/guardrails/violations": _create_violation,
    "PATCH /api/personas": _create_persona,
    "DELETE /api/personas": _create_persona,
    "PATCH /api/personas/assign": lambda app: _create_persona(app) | {"targetAppSlug": app.slug},
    "POST /api/personas/rollback": _create_persona,
    "DELETE /api/qa/scenarios": _create_scenario,
    "POST /api/qa/runs": _create_scenario,
    "DELETE /api/tools": _create_tool,
    "POST /api/webhooks/deliveries/replay": _create_delivery,
    "PATCH /api/tools": _create_tool,
}
"""Of an endpoint that asks for something by an id: makes such a row, answers the fields that name it."""


def name_endpoint(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def expect_with_token(endpoint: Endpoint) -> int:
    """What a session token with all that tokens may do is answered."""
    return 401 if endpoint.scope == "secret" else endpoint.status


def create_referred(endpoint: Endpoint, app: Client) -> Fields:
    make = REFERRED.get(name_endpoint(endpoint))
    return make(app) if make else {}


def make_body(endpoint: Endpoint, app: Client) -> Fields | None:
    """None where the method has no body."""
    return None if endpoint.method == "GET" else make_minimal_body(endpoint) | create_referred(endpoint, app)


def make_query(endpoint: Endpoint, app: Client) -> dict[str, str]:
    return make_minimal_query(endpoint) | create_referred(endpoint, app) if endpoint.method == "GET" else {}
