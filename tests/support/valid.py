"""Requests that succeed: minimal ones, once what they refer to by an id has been made."""

from collections.abc import Callable
from typing import Any

from genai_voice.foundation.clock import time_ordered_id
from genai_voice.foundation.endpoints import Endpoint
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields
from genai_voice.tools import registry

from tests.support.minimal import body_of, query_of
from tests.support.samples import failed_delivery
from tests.support.service import Client

Fields = dict[str, Any]

HANDOFF: Fields = {"sessionId": "x", "reason": "user_requested", "transcript": []}
EXPERIMENT: Fields = {"name": "x", "variants": [{"id": "a", "weight": 1}, {"id": "b", "weight": 1}]}
AGENT_RUN: Fields = {"runId": "a-run", "provider": "google", "model": "a-model", "status": "success"}


def _agent_session(app: Client) -> Fields:
    return {"sessionId": app.post("/api/agents/session", {"runtime": "pi"}).json["sessionId"]}


def _agent_run(app: Client) -> Fields:
    session = _agent_session(app)
    assert app.post("/api/agents/session/run", session | {"run": AGENT_RUN}).status == 200
    return session


def _experiment(app: Client) -> Fields:
    return {"experimentId": app.post("/api/experiments", EXPERIMENT).json["id"]}


def _handoff(app: Client) -> Fields:
    return {"handoffId": app.post("/api/handoffs", HANDOFF).json["id"]}


def _persona(app: Client) -> Fields:
    return {"personaId": app.post("/api/personas", {"name": "x", "systemPrompt": "x"}).json["id"]}


def guard(app: Client) -> str:
    """Have the app's texts checked, against one rule that matches "gun". Answers the rule's id."""
    apps.update_app(app.slug, AppFields.model_validate({"guardrailsEnabled": True}))
    rule = {"type": "keyword", "pattern": "gun", "action": "block"}
    return str(app.post("/api/guardrails/rules", rule).json["id"])


def _rule(app: Client) -> Fields:
    return {"ruleId": guard(app)}


def _violation(app: Client) -> Fields:
    guard(app)
    said = {"sessionId": "x", "content": "a gun", "direction": "input"}
    assert app.post("/api/guardrails/check", said).json["allowed"] is False
    violation = app.get("/api/guardrails/violations").json["violations"][0]
    return {"violationId": violation["_id"], "annotatedCorrectness": "true_positive"}


def _scenario(app: Client) -> Fields:
    turns = [{"role": "user", "content": "x"}]
    return {"scenarioId": app.post("/api/qa/scenarios", {"name": "x", "turns": turns}).json["id"]}


def _tool(app: Client) -> Fields:
    registry.put_tool(app.slug, "a-tool", description="a tool", parameters_schema="{}")
    return {"name": "a-tool"}


def _delivery(app: Client) -> Fields:
    return {"deliveryId": failed_delivery(app.slug, time_ordered_id()).delivery_id}


REFERRED: dict[str, Callable[[Client], Fields]] = {
    "GET /api/agents/session": _agent_session,
    "GET /api/agents/session/runs": _agent_run,
    "POST /api/agents/prompt": _agent_session,
    "POST /api/agents/session/run": _agent_session,
    "PATCH /api/experiments": _experiment,
    "POST /api/experiments/assign": _experiment,
    "GET /api/experiments/results": _experiment,
    "PATCH /api/handoffs": _handoff,
    "PATCH /api/guardrails/rules": _rule,
    "DELETE /api/guardrails/rules": _rule,
    "PATCH /api/guardrails/violations": _violation,
    "PATCH /api/personas": _persona,
    "DELETE /api/personas": _persona,
    "PATCH /api/personas/assign": lambda app: _persona(app) | {"targetAppSlug": app.slug},
    "POST /api/personas/rollback": _persona,
    "POST /api/qa/runs": _scenario,
    "DELETE /api/tools": _tool,
    "POST /api/webhooks/deliveries/replay": _delivery,
    "PATCH /api/tools": _tool,
}
"""Of an endpoint that asks for something by an id: makes such a row, answers the fields that name it."""


def name(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def with_token(endpoint: Endpoint) -> int:
    """What a session token with all that tokens may do is answered."""
    return 401 if endpoint.scope == "secret" else endpoint.status


def referred(endpoint: Endpoint, app: Client) -> Fields:
    make = REFERRED.get(name(endpoint))
    return make(app) if make else {}


def body_for(endpoint: Endpoint, app: Client) -> Fields | None:
    """None where the method has no body."""
    return None if endpoint.method == "GET" else body_of(endpoint) | referred(endpoint, app)


def query_for(endpoint: Endpoint, app: Client) -> dict[str, str]:
    return query_of(endpoint) | referred(endpoint, app) if endpoint.method == "GET" else {}
