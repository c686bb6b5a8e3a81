"""What the contract says of each endpoint by name: the walls believe the declarations, these tests do not."""

from typing import Any

import pytest
from genai_voice.foundation.endpoints import MEGABYTE, Endpoint
from genai_voice.outcomes.rows import TallyRow
from genai_voice.tenancy.resolver import forget_callers
from genai_voice.tools import registry
from genai_voice.tools.rows import ExecutionRow

from tests.support.service import call, create_app, list_endpoints, read_partition, to_plain
from tests.support.valid import expect_with_token, make_body, make_query, name_endpoint
from tests.support.wire import answer_calls

WITH_CALLER = [endpoint for endpoint in list_endpoints() if "caller" in endpoint.wants]

CREDENTIALS_FIRST = {
    "GET /api/agents/runtimes",
    "GET /api/agents/session",
    "GET /api/agents/session/runs",
    "GET /api/annotations",
    "GET /api/conversations",
    "GET /api/experiments",
    "GET /api/experiments/results",
    "GET /api/handoffs",
    "GET /api/guardrails/rules",
    "GET /api/guardrails/violations",
    "GET /api/persona",
    "GET /api/personas",
    "GET /api/personas/versions",
    "GET /api/qa/runs",
    "GET /api/qa/scenarios",
    "GET /api/scenario-state",
    "GET /api/tools",
    "GET /api/tools/all",
    "GET /api/tools/executions",
    "GET /api/traces",
    "GET /api/webhooks/deliveries",
    "PATCH /api/persona",
    "POST /api/personas",
    "PATCH /api/personas",
    "DELETE /api/personas",
    "PATCH /api/personas/assign",
    "POST /api/personas/rollback",
    "POST /api/agents/prompt",
    "POST /api/agents/session",
    "POST /api/agents/session/run",
    "POST /api/scenario-state/reset",
    "POST /api/token",
}
"""Contract 2.4; every other endpoint looks at the input first."""

TOLERANT = {"POST /api/auth/session", "POST /api/scenario-state/reset"}
"""Contract 1.5: for them a body that is no JSON object is {}."""

LARGER_BODIES = {
    "POST /api/conversations": 5 * MEGABYTE,
    "POST /api/handoffs": 5 * MEGABYTE,
    "POST /api/messages": 5 * MEGABYTE,
}
"""Contract, section 7, row 30, and section 10, amendment 3; every other body has at most 1 MB."""

MANAGING = {
    "POST /api/guardrails/rules",
    "PATCH /api/guardrails/rules",
    "DELETE /api/guardrails/rules",
    "POST /api/qa/scenarios",
    "POST /api/qa/runs",
    "POST /api/qa/suites/run",
    "POST /api/experiments",
    "PATCH /api/experiments",
    "DELETE /api/experiments",
    "DELETE /api/qa/scenarios",
    "DELETE /api/tools",
    "PATCH /api/tools",
    "POST /api/tools",
    "PATCH /api/persona",
    "POST /api/personas",
    "PATCH /api/personas",
    "DELETE /api/personas",
    "PATCH /api/personas/assign",
    "POST /api/personas/rollback",
}
"""Section 7, row 40: what changes what agents say and do."""


SECRET_ALONE = {"GET /api/webhooks/deliveries", "POST /api/webhooks/deliveries/replay"}
"""What no browser is let at: the other end of a webhook is a server."""


def test_the_contract_says_where_credentials_come_before_the_input() -> None:
    assert {name_endpoint(each) for each in WITH_CALLER if each.caller_first} == CREDENTIALS_FIRST


def test_the_contract_says_which_bodies_may_be_unreadable() -> None:
    assert {name_endpoint(each) for each in list_endpoints() if each.lenient_body} == TOLERANT


def test_the_contract_says_which_bodies_may_be_large() -> None:
    assert {
        name_endpoint(each): each.body_limit for each in list_endpoints() if each.body_limit != MEGABYTE
    } == (LARGER_BODIES)
    assert MEGABYTE == 1024 * 1024


def test_the_contract_says_what_a_browser_may_be_kept_from() -> None:
    assert {name_endpoint(each) for each in WITH_CALLER if each.scope == "manage"} == MANAGING


def test_what_takes_the_app_secret_alone_is_listed() -> None:
    assert {name_endpoint(each) for each in WITH_CALLER if each.scope == "secret"} == SECRET_ALONE


@pytest.mark.parametrize(
    "endpoint",
    [each for each in WITH_CALLER if each.takes_body and name_endpoint(each) not in TOLERANT],
    ids=name_endpoint,
)
def test_an_unreadable_body_is_told_before_credentials_are_looked_at(endpoint: Endpoint) -> None:
    reply = call(endpoint.method, endpoint.path, raw=b"{oops")
    assert (reply.status, reply.json["error"]) == (400, "Invalid JSON body: line 1 column 2")


@pytest.mark.parametrize(
    "endpoint", [each for each in WITH_CALLER if "query" in each.wants], ids=name_endpoint
)
def test_an_empty_app_slug_in_a_query_is_absent(endpoint: Endpoint) -> None:
    app = create_app()
    for each in WITH_CALLER:
        if each.takes_body:
            headers = app.headers | {"x-trace-id": "x"}
            call(each.method, each.path, body=make_body(each, app), headers=headers)
    registry.put_tool(app.slug, "tool", description="", parameters_schema="{}")
    asked = make_query(endpoint, app) | {"all": "true"}
    own = app.get(endpoint.path, **asked)
    assert own.json != app.get(endpoint.path, **asked, appSlug="another").json
    with_empty = app.get(endpoint.path, **asked, appSlug="")
    assert (with_empty.status, with_empty.json) == (200, own.json)


@pytest.mark.parametrize("endpoint", [each for each in WITH_CALLER if each.takes_body], ids=name_endpoint)
def test_every_place_where_a_row_is_found_names_its_app(endpoint: Endpoint) -> None:
    """Also the places in indexes that no endpoint reads yet: what is written there cannot be taken back."""
    app = create_app()
    headers = app.headers | {"x-trace-id": "trace"}
    body = make_body(endpoint, app)
    assert call(endpoint.method, endpoint.path, body=body, headers=headers).status == endpoint.status
    session = f"APP#{app.slug}#SESSION#x#"
    kinds = [
        f"APP#{app.slug}#{each}"
        for each in ("DELIVERY", "HANDOFF", "QA_RECENT", "QA_RUN", "SCENARIO", "VIOLATION")
    ]
    kinds += ExecutionRow.list_partitions(app.slug)
    if "experimentId" in (body or {}):
        kinds += TallyRow.list_partitions(app.slug, body["experimentId"])
    for pk in (f"APP#{app.slug}#", *kinds, session):
        for row in read_partition(pk):
            places = {to_plain(row[key]) for key in ("pk", "gsi1pk", "gsi2pk") if key in row}
            listed = {"APPS"} if to_plain(row["kind"]) == "app" else set()
            assert all(place.startswith(f"APP#{app.slug}#") for place in places - listed), row["sk"]


@pytest.mark.parametrize("endpoint", WITH_CALLER, ids=name_endpoint)
def test_what_was_just_written_is_read(endpoint: Endpoint) -> None:
    """Neither engine of these tests ever answers what was true before, so the wire is looked at: every read
    is strongly consistent but those of an index, which cannot be.
    """
    app = create_app()
    registry.put_tool(app.slug, "x", description="", parameters_schema="{}")
    token = {"authorization": f"Bearer {app.open_session()}"}
    for headers, status in [(app.headers, endpoint.status), (token, expect_with_token(endpoint))]:
        body, query = make_body(endpoint, app), make_query(endpoint, app)
        forget_callers()
        with answer_calls() as sent:
            reply = call(endpoint.method, endpoint.path, body=body, query=query, headers=headers)
        assert reply.status == status
        reads = [each for asked in sent for each in _reads(asked)]
        assert reads
        assert all(read.get("ConsistentRead") is True for read in reads), reads


def _reads(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What this request reads from the table itself."""
    if "KeyConditionExpression" in asked:
        return [] if "IndexName" in asked else [asked]
    if "RequestItems" in asked:
        return [each for each in asked["RequestItems"].values() if "Keys" in each]
    is_get = "Key" in asked and not {"ConditionExpression", "UpdateExpression", "ReturnValues"} & set(asked)
    return [asked] if is_get else []
