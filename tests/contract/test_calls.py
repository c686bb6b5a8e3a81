"""What every endpoint asks of DynamoDB when it is warm (design, section 10)."""

import ast
from typing import Any

import pytest
from genai_voice.foundation.endpoints import Endpoint
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields
from genai_voice.tenancy.resolver import forget_callers
from genai_voice.tools import registry

from tests.support.minimal import make_minimal_body
from tests.support.service import ROOT, Client, call, create_app, list_endpoints, record_calls
from tests.support.valid import EXPERIMENT, guard, make_body, make_query, name_endpoint

EXPECTED: dict[str, list[str]] = {
    "POST /api/auth/session": ["PutItem"],
    "POST /api/token": ["GetItem"],
    "GET /api/health": [],
    "HEAD /api/health": [],
    "POST /api/events": ["PutItem"],
    "GET /api/conversations": ["Query", "BatchGetItem"],
    "POST /api/conversations": ["UpdateItem"],
    "GET /api/messages": ["Query"],
    "POST /api/messages": ["BatchWriteItem"],
    "GET /api/tools": ["Query"],
    "GET /api/tools/all": ["Query"],
    "POST /api/tools": ["GetItem", "TransactWriteItems"],
    "PATCH /api/tools": ["GetItem", "UpdateItem"],
    "DELETE /api/tools": ["GetItem", "TransactWriteItems"],
    "GET /api/tools/executions": ["Query"] * 9,
    "POST /api/tools/execute": ["BatchGetItem", "PutItem"],
    "POST /api/tools/log": ["PutItem"],
    "POST /api/guardrails/check": [],
    "GET /api/guardrails/rules": ["Query"],
    "POST /api/guardrails/rules": ["TransactWriteItems"],
    "PATCH /api/guardrails/rules": ["GetItem"],
    "DELETE /api/guardrails/rules": ["GetItem", "TransactWriteItems", "Query"],
    "GET /api/guardrails/violations": ["Query"],
    "PATCH /api/guardrails/violations": ["GetItem", "TransactWriteItems"],
    "GET /api/scenario-state": ["BatchGetItem"],
    "POST /api/scenario-state/reset": [],
    "GET /api/persona": ["GetItem"],
    "PATCH /api/persona": ["GetItem", "UpdateItem"],
    "GET /api/personas": ["Query"],
    "POST /api/personas": ["TransactWriteItems"],
    "PATCH /api/personas": ["BatchGetItem"],
    "DELETE /api/personas": ["BatchGetItem", "TransactWriteItems"],
    "PATCH /api/personas/assign": ["GetItem", "TransactWriteItems"],
    "GET /api/personas/versions": ["GetItem", "Query"],
    "POST /api/personas/rollback": ["GetItem", "BatchGetItem"],
    "GET /api/annotations": ["Query"],
    "POST /api/annotations": ["UpdateItem"],
    "GET /api/experiments": ["Query"],
    "POST /api/experiments": ["TransactWriteItems"],
    "PATCH /api/experiments": ["UpdateItem"],
    "DELETE /api/experiments": ["TransactWriteItems"],
    "POST /api/experiments/assign": ["BatchGetItem", "TransactWriteItems"],
    "GET /api/experiments/results": ["GetItem", *["Query"] * 9],
    "GET /api/handoffs": ["Query"],
    "POST /api/handoffs": ["TransactWriteItems"],
    "PATCH /api/handoffs": ["GetItem"],
    "GET /api/qa/scenarios": ["Query"],
    "POST /api/qa/scenarios": ["UpdateItem", "TransactWriteItems"],
    "DELETE /api/qa/scenarios": ["TransactWriteItems"],
    "GET /api/qa/runs": ["Query"],
    "POST /api/qa/runs": ["BatchGetItem", "TransactWriteItems"],
    "POST /api/qa/suites/run": ["Query"],
    "GET /api/traces": ["Query"] * 2,
    "POST /api/agents/session": ["PutItem"],
    "GET /api/agents/session": ["GetItem"],
    "POST /api/agents/prompt": ["GetItem"],
    "POST /api/agents/session/run": ["TransactWriteItems"],
    "GET /api/agents/session/runs": ["Query", "BatchGetItem"],
    "GET /api/agents/runtimes": [],
    "GET /api/webhooks/deliveries": ["Query"],
    "POST /api/webhooks/deliveries/replay": ["GetItem", "UpdateItem"],
}


def warm(app: Client) -> None:
    assert app.get("/api/tools").status == 200
    assert app.post("/api/guardrails/check", CLEAN).json == {"allowed": True, "violations": []}


COUNTED: dict[str, Any] = {
    "/api/tools": {
        "name": "first",
        "description": "x",
        "parametersSchema": "{}",
        "endpoint": "https://93.184.216.34/",
    },
    "/api/personas": {"name": "x", "systemPrompt": "x"},
    "/api/qa/scenarios": {"name": "first", "turns": [{"role": "user", "content": "x"}]},
    "/api/experiments": EXPERIMENT,
}
"""The first of a kind costs more: an app of before has some that nobody has counted."""
CLEAN = {"sessionId": "x", "content": "x", "direction": "input"}


def test_every_endpoint_is_counted() -> None:
    assert {name_endpoint(endpoint) for endpoint in list_endpoints()} == set(EXPECTED)


@pytest.mark.parametrize("endpoint", list_endpoints(), ids=name_endpoint)
def test_a_warm_endpoint_makes_just_these_calls(endpoint: Endpoint) -> None:
    app = create_app()
    app.post("/api/conversations", {"sessionId": "x", "messages": []})
    guard(app)
    if endpoint.method == "POST" and endpoint.path in COUNTED:
        assert app.post(endpoint.path, COUNTED[endpoint.path]).status == 200
    warm(app)
    body, query = make_body(endpoint, app), make_query(endpoint, app)
    with record_calls() as calls:
        reply = call(endpoint.method, endpoint.path, body=body, query=query, headers=app.headers)
    assert reply.status == endpoint.status
    assert calls.operations == EXPECTED[name_endpoint(endpoint)]


def test_messages_cost_a_call_per_25() -> None:
    app = create_app()
    warm(app)
    item = make_minimal_body(
        next(each for each in list_endpoints() if name_endpoint(each) == "POST /api/messages")
    )["messages"][0]
    with record_calls() as calls:
        app.post("/api/messages", {"messages": [item | {"createdAt": at} for at in range(101)]})
    assert calls.operations == ["BatchWriteItem"] * 5


def test_a_save_while_handed_off_is_one_call_and_a_refused_one_two() -> None:
    app = create_app()
    app.post("/api/conversations", {"sessionId": "s", "status": "handed_off"})
    for status, expected in [
        ("active", ["UpdateItem"]),
        ("resolved", ["UpdateItem", "UpdateItem"]),
    ]:
        with record_calls() as calls:
            app.post("/api/conversations", {"sessionId": "s", "status": status, "messages": []})
        assert calls.operations == expected


EXECUTIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "reads the state": ({"toolName": "check_availability"}, ["BatchGetItem", "UpdateItem", "PutItem"]),
    "changes the state": (
        {"toolName": "cancel_appointment", "parameters": {"appointmentId": "APT-10041"}},
        ["BatchGetItem", "UpdateItem", "TransactWriteItems"],
    ),
    "unknown tool": ({"toolName": "unknown"}, ["BatchGetItem", "UpdateItem", "PutItem"]),
    "reads the state, named": (
        {"toolName": "check_availability", "toolCallId": "c"},
        ["BatchGetItem", "UpdateItem", "TransactWriteItems"],
    ),
    "changes the state, named": (
        {"toolName": "cancel_appointment", "toolCallId": "d", "parameters": {"appointmentId": "APT-10041"}},
        ["BatchGetItem", "UpdateItem", "TransactWriteItems"],
    ),
}
"""Those of endpoints are counted in tests/integration/test_tools_over_http.py, where there is a server."""


@pytest.mark.parametrize(("request_", "expected"), EXECUTIONS.values(), ids=EXECUTIONS.keys())
def test_a_tool_call_takes_at_most_four_calls_with_a_rate_limit(
    request_: dict[str, Any], expected: list[str]
) -> None:
    app = create_app("demo-dentist")
    apps.update_app(app.slug, AppFields.model_validate({"maxActionsPerTurn": 1000}))
    for tool in ("check_availability", "cancel_appointment"):
        registry.put_tool(app.slug, tool, description="", parameters_schema="{}")
    app.post("/api/scenario-state/reset", {})
    with record_calls() as calls:
        reply = app.post("/api/tools/execute", {"sessionId": "s", **request_})
    assert reply.status == 200
    assert calls.operations == expected
    assert len(calls.operations) <= 4


def test_a_credential_adds_one_call_and_another_where_the_process_does_not_know_its_app() -> None:
    app = create_app()
    tokens = [{"authorization": f"Bearer {app.open_session()}"} for _ in range(3)]
    for first, second, proof in [
        (app.headers, tokens[0], "BatchGetItem"),
        (tokens[1], tokens[2], "GetItem"),
    ]:
        forget_callers()
        for headers, expected in [
            (first, [proof, "GetItem", "Query"]),
            (first, ["Query"]),
            (second, ["GetItem", "Query"]),
            (second, ["Query"]),
        ]:
            with record_calls() as calls:
                assert call("GET", "/api/tools", headers=headers).status == 200
            assert calls.operations == expected


def test_whoever_only_opens_sessions_never_reads_what_the_app_says() -> None:
    app = create_app()
    forget_callers()
    with record_calls() as calls:
        app.open_session()
    assert calls.operations == ["BatchGetItem", "PutItem"]


def test_the_service_never_scans() -> None:
    for source in [*(ROOT / "layers").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("scan", "rate_limited_scan"), f"{source}:{node.lineno}"
