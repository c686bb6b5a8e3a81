"""Every endpoint that is declared, against every credential that must not open it, and against another
tenant.
"""

import json
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import time_machine
from genai_voice.agents.rows import AgentSessionRow
from genai_voice.demos.rows import StateRow
from genai_voice.experiments.rows import ExperimentRow
from genai_voice.foundation.clock import make_time_ordered_id
from genai_voice.foundation.endpoints import Endpoint
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields
from genai_voice.tools import registry

from tests.support.minimal import list_required, make_minimal_body, make_minimal_query
from tests.support.samples import store_failed_delivery
from tests.support.service import (
    SOURCE,
    Client,
    Reply,
    call,
    create_app,
    list_endpoints,
    read_rows,
    record_calls,
)
from tests.support.valid import AGENT_RUN, REFERRED, create_referred, expect_with_token, name_endpoint

WALLED = [
    endpoint
    for endpoint in list_endpoints()
    if "caller" in endpoint.wants or endpoint.path == "/api/auth/session"
]
WITH_CALLER = [endpoint for endpoint in list_endpoints() if "caller" in endpoint.wants]
READING = [endpoint for endpoint in WITH_CALLER if "query" in endpoint.wants]
WRITING = [endpoint for endpoint in WITH_CALLER if endpoint.takes_body]
SESSION = "the-same-session"
EXPERIMENT = "the-same-experiment"
TRACE = "x"  # what the smallest valid queries ask for


def ask(
    endpoint: Endpoint,
    headers: dict[str, str],
    more: dict[str, str] | None = None,
    *,
    of: Client | None = None,
    source: str = SOURCE,
) -> Reply:
    """A valid request but for its credentials. `more` goes where this endpoint takes credentials besides
    headers; what it refers to is made `of` an app, or does not exist.
    """
    fields = create_referred(endpoint, of) if of else {}
    body, query = make_minimal_body(endpoint) | fields, make_minimal_query(endpoint) | fields
    if endpoint.path == "/api/auth/session":
        body = {}
    if endpoint.method == "GET":
        return call("GET", endpoint.path, query=query | (more or {}), headers=headers, source=source)
    return call(
        endpoint.method, endpoint.path, body=body | (more or {}), headers=headers, query=query, source=source
    )


Credential = tuple[dict[str, str], dict[str, str]]
"""Headers, and fields of the body or the query."""


def _none(app: Client) -> Credential:
    return {}, {"appSlug": app.slug}


def _wrong_secret(app: Client) -> Credential:
    return {**app.headers, "authorization": "Bearer not the secret"}, {}


def _wrong_secret_in_fields(app: Client) -> Credential:
    return {}, {"appSlug": app.slug, "appSecret": "not the secret"}


def _unknown_slug(app: Client) -> Credential:
    return {**app.headers, "x-app-slug": "nobody"}, {}


def _no_slug(app: Client) -> Credential:
    return {"authorization": f"Bearer {app.secret}"}, {}


def _foreign_secret(app: Client) -> Credential:
    return {**app.headers, "authorization": f"Bearer {create_app().secret}"}, {}


def _unknown_token(app: Client) -> Credential:
    return {"authorization": "Bearer gvs_unknown"}, {}


def _expired_token(app: Client) -> Credential:
    with time_machine.travel(0):
        return {"authorization": f"Bearer {app.open_session(1000)}"}, {}


def _inactive_app(app: Client) -> Credential:
    apps.set_active(app.slug, False)
    return app.headers, {}


def _token_of_inactive_app(app: Client) -> Credential:
    token = app.open_session()
    apps.set_active(app.slug, False)
    return {"authorization": f"Bearer {token}"}, {}


def _wrong_bearer_right_fields(app: Client) -> Credential:
    return {"authorization": "Bearer wrong"}, {"appSlug": app.slug, "appSecret": app.secret}


def _malformed(value: str, app: Client) -> Credential:
    return {"x-app-slug": app.slug, "authorization": value.replace("SECRET", app.secret)}, {}


CREDENTIALS: dict[str, Callable[[Client], Credential]] = {
    "none": _none,
    "wrong secret": _wrong_secret,
    "wrong secret in fields": _wrong_secret_in_fields,
    "unknown slug": _unknown_slug,
    "no slug": _no_slug,
    "another app's secret": _foreign_secret,
    "unknown token": _unknown_token,
    "expired token": _expired_token,
    "inactive app": _inactive_app,
    "token of an inactive app": _token_of_inactive_app,
    "wrong bearer, right fields": _wrong_bearer_right_fields,
    "no scheme": partial(_malformed, "SECRET"),
    "basic": partial(_malformed, "Basic SECRET"),
    "empty bearer": partial(_malformed, "Bearer "),
    "bearer glued": partial(_malformed, "BearerSECRET"),
    "bearer with a NUL": partial(_malformed, "Bearer SECRET\0"),
    "very long bearer": partial(_malformed, "Bearer " + "x" * 100_000),
}


def _answers_missing(endpoint: Endpoint, credential: str) -> bool:
    """auth/session takes its fields from the credentials: without them they are missing."""
    carried = {
        "none",
        "no slug",
        "unknown token",
        "expired token",
        "no scheme",
        "basic",
        "empty bearer",
        "bearer glued",
    }
    return endpoint.path == "/api/auth/session" and credential in carried | {"token of an inactive app"}


@pytest.fixture(scope="module")
def credentials(engine: None) -> dict[str, Credential]:
    """Each of an app of its own, for all endpoints: nobody may enter with it, so nobody changes the app."""
    return {credential: make(create_app()) for credential, make in CREDENTIALS.items()}


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("endpoint", WALLED, ids=name_endpoint)
def test_nobody_enters_without_a_valid_credential(
    endpoint: Endpoint, credential: str, credentials: dict[str, Credential]
) -> None:
    headers, fields = credentials[credential]
    unknown = f"198.51.100.{WALLED.index(endpoint)}"  # an address that has sent no wrong secret yet
    with record_calls() as calls:
        reply = ask(endpoint, headers, fields, source=unknown)
    if _answers_missing(endpoint, credential):
        assert (reply.status, reply.json["error"]) == (400, "Missing appSlug or appSecret")
    else:
        assert (reply.status, reply.json) == (401, {"error": "Unauthorized"})
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert all(key == "BRAKE" for key in calls.written)


@pytest.mark.parametrize("endpoint", [each for each in WITH_CALLER if list_required(each)], ids=name_endpoint)
def test_incomplete_and_unauthenticated_is_answered_in_the_contracts_order(endpoint: Endpoint) -> None:
    reply = call(endpoint.method, endpoint.path, body=None if endpoint.method == "GET" else {})
    assert reply.status == (401 if endpoint.caller_first else 400)


@pytest.mark.parametrize("endpoint", WITH_CALLER, ids=name_endpoint)
def test_every_carrier_opens_every_endpoint(endpoint: Endpoint) -> None:
    """But that no session token opens what takes the app secret alone."""
    app = create_app()
    token = app.open_session()
    for headers, fields in [
        (app.headers, {}),
        ({}, {"appSlug": app.slug, "appSecret": app.secret}),
        ({"authorization": f"Bearer {app.secret}"}, {"appSlug": app.slug}),
    ]:
        reply = ask(endpoint, headers, fields, of=app)
        assert reply.status == endpoint.status, reply.text
    for headers, fields in [
        ({"authorization": f"bearer   {token} "}, {}),
        ({}, {"sessionToken": token}),
        ({"authorization": "Basic eDp5"}, {"sessionToken": token}),
    ]:
        reply = ask(endpoint, headers, fields, of=app)
        assert reply.status == expect_with_token(endpoint), reply.text


# -- two tenants -------------------------------------------------------------------------------------------


def fill(app: Client, marker: str) -> None:
    """One row of every kind that a reading endpoint shows, with the marker in it."""
    session = {"runtime": "pi", "status": "active", "run_count": 0, "cwd": marker}
    AgentSessionRow.of(app.slug, SESSION, session_id=SESSION, created_at=1, **session).save()
    said = {"role": "user", "content": marker, "ts": 1}
    message = {"sessionId": SESSION, "participantIdentity": "user", "isFinal": True, "createdAt": 1}
    for path, body in [
        ("/api/conversations", {"sessionId": SESSION, "messages": [said]}),
        ("/api/messages", {"messages": [message | {"role": "user", "content": marker}]}),
        ("/api/events", {"sessionId": SESSION, "events": [{"eventType": "e", "ts": 1, "data": marker}]}),
        ("/api/tools/execute", {"sessionId": SESSION, "toolName": "unknown", "parameters": {"said": marker}}),
        ("/api/handoffs", {"sessionId": SESSION, "reason": marker, "transcript": []}),
        ("/api/annotations", {"sessionId": SESSION, "qualityRating": "bad", "notes": marker}),
        ("/api/agents/session/run", {"sessionId": SESSION, "run": AGENT_RUN | {"errorMessage": marker}}),
    ]:
        assert app.post(path, body, **{"x-trace-id": TRACE}).status == 200
    apps.update_app(app.slug, AppFields.model_validate({"guardrailsEnabled": True}))
    assert (
        app.post("/api/guardrails/rules", {"type": "regex", "pattern": marker, "action": "log"}).status == 200
    )
    said_so = {"sessionId": SESSION, "content": marker, "direction": "input"}
    assert len(app.post("/api/guardrails/check", said_so).json["violations"]) == 1
    assert app.patch("/api/persona", {"personaGreeting": marker}).status == 200
    assert app.post("/api/personas", {"name": marker, "systemPrompt": "x"}).status == 200
    qa = {"name": marker, "turns": [{"role": "user", "content": marker}], "tags": ["x"]}
    scenario = app.post("/api/qa/scenarios", qa).json["id"]
    assert app.post("/api/qa/runs", {"scenarioId": scenario, "responseText": marker}).status == 200
    registry.put_tool(app.slug, "a_tool", description=marker, parameters_schema="{}")
    store_failed_delivery(app.slug, make_time_ordered_id(), handoffId=marker)
    experiment = ExperimentRow.of(app.slug, EXPERIMENT)
    experiment.name, experiment.is_active, experiment.created_at = marker, True, 1
    experiment.variants = '[{"id": "a", "weight": 1}, {"id": "b", "weight": 1}]'
    experiment.save()
    assigned = {"experimentId": EXPERIMENT, "sessionId": SESSION}
    assert app.post("/api/experiments/assign", assigned).status == 200
    StateRow.of(app.slug).change([StateRow.state.set(_packed(marker)), StateRow.updated_at.set(1)])


def _packed(marker: str) -> bytes:
    return zlib.compress(json.dumps({"said": marker}).encode())


@pytest.fixture(scope="module")
def mine(engine: None) -> Client:
    """For those who only read."""
    app = create_app()
    fill(app, "said-by-mine")
    return app


@pytest.fixture(scope="module")
def theirs(engine: None) -> Client:
    """Nobody may see or change it, so all tests can share it."""
    app = create_app()
    fill(app, "said-by-theirs")
    return app


@pytest.mark.parametrize("endpoint", READING, ids=name_endpoint)
def test_no_reader_sees_another_tenants_rows(mine: Client, theirs: Client, endpoint: Endpoint) -> None:
    asked = make_minimal_query(endpoint) | create_referred(endpoint, mine)
    same = {"sessionId": SESSION, "experimentId": EXPERIMENT}
    asked |= {name: value for name, value in same.items() if name in asked}
    for widened in ({}, {"all": "true"}, {"appSlug": mine.slug}, {"all": "true", "appSlug": mine.slug}):
        reply = mine.get(endpoint.path, **asked, **widened)
        assert "said-by-mine" in reply.text, f"{widened}: fill() does not fill this endpoint"
        assert "said-by-theirs" not in reply.text
    token = {"authorization": f"Bearer {mine.open_session()}"}
    for headers, status in [
        (mine.headers, endpoint.status),
        (token, expect_with_token(endpoint)),
        (token | {"x-app-slug": theirs.slug}, expect_with_token(endpoint)),
    ]:
        for widened in ({"appSlug": theirs.slug}, {"appSlug": theirs.slug, "all": "true"}):
            reply = call("GET", endpoint.path, query=asked | widened, headers=headers)
            assert reply.status in (status, 404)
            assert "said-by-theirs" not in reply.text
            if endpoint.path != "/api/messages" or "all" in widened:
                assert "said-by-mine" not in reply.text


@pytest.mark.parametrize("endpoint", WRITING, ids=name_endpoint)
def test_no_writer_changes_another_tenants_rows(theirs: Client, endpoint: Endpoint) -> None:
    mine = create_app()
    before = read_rows(theirs.slug, SESSION)
    body: dict[str, Any] = make_minimal_body(endpoint)
    if "sessionId" in body:
        body["sessionId"] = SESSION
    token = {"authorization": f"Bearer {mine.open_session()}", "x-app-slug": theirs.slug}
    for headers, status in [(mine.headers, endpoint.status), (token, expect_with_token(endpoint))]:
        fields = body | create_referred(endpoint, mine) | {"appSlug": theirs.slug}
        reply = call(endpoint.method, endpoint.path, body=fields, headers=headers)
        assert reply.status == status
    assert read_rows(theirs.slug, SESSION) == before


NAMING = [each for each in WITH_CALLER if 404 in each.refusals and name_endpoint(each) in REFERRED]


@pytest.mark.parametrize("endpoint", NAMING, ids=name_endpoint)
def test_an_id_of_another_tenant_is_no_id(endpoint: Endpoint) -> None:
    mine, theirs = create_app(), create_app()
    fields = create_referred(endpoint, theirs)
    before = read_rows(theirs.slug)
    reply = ask(endpoint, mine.headers, fields)
    assert reply.status == 404
    assert read_rows(theirs.slug) == before
