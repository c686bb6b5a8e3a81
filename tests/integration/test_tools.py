"""Tools are listed, executed and audited: contract 3.4 and 5.7."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from zlib import compress

import pytest
from genai_voice.demos.rows import StateRow
from genai_voice.demos.scenarios import load_initial_state
from genai_voice.foundation.table import Item
from genai_voice.foundation.trace_sessions import TraceSessionRow
from genai_voice.foundation.transactions import put_all
from genai_voice.tools import registry
from genai_voice.tools.rows import ToolRow

from tests.support.samples import build_tool
from tests.support.service import (
    Client,
    Reply,
    call,
    create_app,
    find_client_events,
    read_pages,
    read_rows,
    record_calls,
)

ANYTHING = '{"type": "object"}'
MOVE = {"appointmentId": "APT-10041", "newDate": "2026-05-04", "newTime": "9:00 AM"}
NOT_FOUND = {"success": False, "error": 'Tool "no_such_tool" not found'}
NO_ENDPOINT = {"success": False, "error": 'Tool "open_door" has no endpoint configured'}


def with_tools(app: Client, *names: str, schema: str = ANYTHING) -> Client:
    for name in names:
        registry.put_tool(app.slug, name, description=f"does {name}", parameters_schema=schema)
    return app


def with_state(app: Client, state: Any) -> Client:
    """As a demo app has it after its first call, for an app of its own."""
    stored = StateRow.state.set(compress(json.dumps(state).encode()))
    StateRow.of(app.slug).change([stored, StateRow.updated_at.set(0), StateRow.version.add(1)])
    return app


def a_clinic() -> Client:
    app = with_tools(create_app(), "reschedule_appointment", "cancel_appointment", "lookup_appointment")
    return with_state(app, load_initial_state("demo-dentist"))


def remove(slug: str) -> None:
    """All rows of the app."""
    with Item.batch_write() as batch:
        for row in read_rows(slug):
            batch.delete(Item(row["pk"], row["sk"]))


def a_demo(slug: str = "demo-dentist") -> Client:
    """The demo app as it is before anything has happened. Its slug is everybody's, so it begins empty."""
    remove(slug)
    return create_app(slug)


@pytest.fixture
def heavy_app() -> Iterator[Client]:
    """An app whose many rows go when the test ends: moto copies its whole table for every transaction."""
    app = create_app()
    yield app
    remove(app.slug)


def execute(app: Client, tool: str, parameters: Any = None, **more: Any) -> Reply:
    return app.post(
        "/api/tools/execute",
        {"sessionId": "s1", "toolName": tool, "parameters": parameters, **more},
    )


def executions(app: Client) -> list[Any]:
    return list(app.get("/api/tools/executions").json["executions"])


def stored(app: Client, kind: str) -> list[dict[str, Any]]:
    return [row for row in read_rows(app.slug) if row["kind"] == kind]


def state_of(app: Client) -> Any:
    return app.get("/api/scenario-state").json["state"]


@contextmanager
def once_before(operation: str, action: Callable[[], object]) -> Iterator[None]:
    """At the wire: `action` happens after the service decided to send this operation, before it is sent."""
    pending = [action]

    def hook(**_: object) -> None:
        if pending:
            pending.pop()()

    name = f"before-call.dynamodb.{operation}"
    find_client_events().register(name, hook)
    try:
        yield
    finally:
        find_client_events().unregister(name, hook)
    assert not pending, f"{operation} was never sent"


# -- lists -------------------------------------------------------------------------------------------------


def test_agents_load_exactly_five_keys_of_the_active_tools_oldest_first() -> None:
    app = create_app()
    registry.put_tool(
        app.slug,
        "zeta",
        description="first",
        parameters_schema='{"type": "object", "required": ["x"]}',
        requires_confirmation=True,
        requires_auth=True,
    )
    with_tools(app, "retired", "alpha")
    ToolRow.of(app.slug, "retired").change([ToolRow.is_active.set(False)])

    assert app.get("/api/tools").json == {
        "tools": [
            {
                "name": "zeta",
                "description": "first",
                "parametersSchema": '{"type": "object", "required": ["x"]}',
                "requiresConfirmation": True,
                "requiresAuth": True,
            },
            {
                "name": "alpha",
                "description": "does alpha",
                "parametersSchema": ANYTHING,
                "requiresConfirmation": False,
                "requiresAuth": False,
            },
        ]
    }


def test_people_see_all_tools_inactive_ones_too() -> None:
    app = with_tools(create_app(), "one", "two")
    ToolRow.of(app.slug, "one").change([ToolRow.is_active.set(False)])

    one, two = app.get("/api/tools/all", all="true").json["tools"]

    assert [(tool["name"], tool["isActive"]) for tool in (one, two)] == [("one", False), ("two", True)]
    assert set(one) == {
        "_id",
        "_creationTime",
        "appSlug",
        "name",
        "description",
        "parametersSchema",
        "requiresConfirmation",
        "requiresAuth",
        "isActive",
        "createdAt",
        "updatedAt",
    }
    assert one["appSlug"] == app.slug
    assert one["_creationTime"] == one["createdAt"] <= one["updatedAt"]
    assert one["_id"] != two["_id"]


def test_a_replaced_tool_keeps_its_id_and_place_and_is_active_again() -> None:
    app = with_tools(create_app(), "one", "two")
    before = app.get("/api/tools/all").json["tools"][0]
    ToolRow.of(app.slug, "one").change([ToolRow.is_active.set(False)])

    created = registry.put_tool(app.slug, "one", description="better", parameters_schema="{}")

    after = app.get("/api/tools/all").json["tools"]
    assert not created
    assert [tool["name"] for tool in after] == ["one", "two"]
    changed = {"description": "better", "parametersSchema": "{}", "updatedAt": after[0]["updatedAt"]}
    assert after[0] == before | changed


@pytest.mark.parametrize(
    ("path", "items"),
    [("/api/tools", "tools"), ("/api/tools/all", "tools"), ("/api/tools/executions", "executions")],
)
def test_another_apps_slug_is_answered_as_an_app_without_data(path: str, items: str) -> None:
    other, app = with_tools(create_app(), "theirs"), with_tools(create_app(), "mine")
    for each, tool in ((other, "theirs"), (app, "mine")):
        execute(each, tool)

    assert app.get(path, appSlug=other.slug).json == {items: []}
    for everything in ({"all": "true"}, {"appSlug": app.slug}):
        own = app.get(path, **everything).json[items]
        assert [item.get("name") or item["toolName"] for item in own] == ["mine"]


def test_tools_that_fill_a_reply_end_it_early_with_a_cursor(heavy_app: Client) -> None:
    app = heavy_app
    names = [f"tool-{number:02}" for number in range(16)]
    schema = json.dumps({"description": "x" * 350_000})
    put_all([build_tool(app.slug, name, parameters_schema=schema) for name in names])

    for path in ("/api/tools", "/api/tools/all"):
        found = list(read_pages(app, path, "tools"))
        assert len(found) == 2
        assert [tool["name"] for page in found for tool in page] == names


@pytest.mark.parametrize("path", ["/api/tools", "/api/tools/all", "/api/tools/executions"])
def test_a_cursor_of_another_list_is_refused(path: str) -> None:
    reply = create_app().get(path, cursor="c29tZXRoaW5nIHRoYXQgd2FzIG5ldmVyIGEgY3Vyc29y")

    assert reply.status == 400
    assert reply.json["error"].startswith("Invalid field: cursor")


def test_executions_come_newest_first_a_hundred_at_a_time(heavy_app: Client) -> None:
    app = heavy_app
    for number in range(103):
        execute(app, f"tool-{number}")

    first, second = read_pages(app, "/api/tools/executions", "executions")

    assert (len(first), len(second)) == (100, 3)
    assert [each["toolName"] for each in first + second] == [
        f"tool-{number}" for number in range(102, -1, -1)
    ]


def test_executions_that_fill_a_reply_end_it_early_with_a_cursor(heavy_app: Client) -> None:
    app = heavy_app
    for number in range(12):
        execute(app, f"tool-{number}", {"quotes": '"' * 65_000})  # 16 bytes of a reply for each

    found = list(read_pages(app, "/api/tools/executions", "executions"))

    assert len(found) > 1
    assert [each["toolName"] for page in found for each in page] == [f"tool-{n}" for n in range(11, -1, -1)]


# -- what is refused before anything runs ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param({}, "Missing required fields", id="nothing"),
        pytest.param({"sessionId": "s"}, "Missing required fields", id="no tool"),
        pytest.param({"toolName": "t"}, "Missing required fields", id="no session"),
        pytest.param({"sessionId": "", "toolName": "t"}, "Missing required fields", id="empty session"),
        pytest.param({"sessionId": "s", "toolName": None}, "Missing required fields", id="null tool"),
        pytest.param({"sessionId": "s", "toolName": 5}, "Invalid field: toolName", id="number for a tool"),
        pytest.param(
            {"sessionId": "s", "toolName": "t", "parameters": []}, "Invalid field: parameters", id="list"
        ),
        pytest.param(
            {"sessionId": "s", "toolName": "t", "parameters": "{}"}, "Invalid field: parameters", id="text"
        ),
        pytest.param({"sessionId": "s", "toolName": "t", "traceId": 1}, "Invalid field: traceId", id="trace"),
        pytest.param({"sessionId": "s", "toolName": "t", "spanId": {}}, "Invalid field: spanId", id="span"),
    ],
)
def test_a_malformed_call_is_refused_before_the_caller_is_known_and_not_logged(
    body: dict[str, Any], error: str
) -> None:
    app = create_app()

    for reply in (app.post("/api/tools/execute", body), call("POST", "/api/tools/execute", body=body)):
        assert (reply.status, reply.json["error"]) == (400, error)
    assert executions(app) == []


def test_parameters_over_128_kb_are_refused_and_those_of_128_kb_are_not() -> None:
    app = create_app()
    frame = len('{"text":""}')

    largest = execute(app, "no_such_tool", {"text": "x" * (131_072 - frame)})
    larger = execute(app, "no_such_tool", {"text": "x" * (131_072 - frame + 1)})

    assert largest.json == NOT_FOUND
    assert (larger.status, larger.json["error"]) == (400, "Invalid field: parameters (over 131,072 bytes)")
    assert len(executions(app)) == 1


def test_a_stranger_executes_nothing() -> None:
    app = with_tools(create_app(), "lookup_metric")

    reply = call(
        "POST",
        "/api/tools/execute",
        body={"sessionId": "s1", "toolName": "lookup_metric"},
        headers={"x-app-slug": app.slug, "authorization": "Bearer a wrong secret"},
    )

    assert (reply.status, reply.json) == (401, {"error": "Unauthorized"})
    assert executions(app) == []


# -- what is in the result ---------------------------------------------------------------------------------


def test_an_unknown_tool_answers_200_and_is_logged_as_an_error() -> None:
    app = create_app()

    reply = execute(app, "no_such_tool", {"a": 1})

    assert (reply.status, reply.json) == (200, NOT_FOUND)
    assert [(each["toolName"], each["status"]) for each in executions(app)] == [("no_such_tool", "error")]


def test_an_inactive_tool_is_an_unknown_one() -> None:
    app = with_tools(create_app(), "no_such_tool")
    ToolRow.of(app.slug, "no_such_tool").change([ToolRow.is_active.set(False)])

    assert execute(app, "no_such_tool").json == NOT_FOUND
    assert executions(app)[0]["status"] == "error"


def test_another_apps_tool_is_an_unknown_one() -> None:
    with_tools(create_app(), "no_such_tool")

    assert execute(create_app(), "no_such_tool").json == NOT_FOUND


def test_a_tool_without_endpoint_and_handler_says_so() -> None:
    app = with_tools(create_app(), "open_door")

    reply = execute(app, "open_door")

    assert (reply.status, reply.json) == (200, NO_ENDPOINT)
    assert executions(app)[0]["status"] == "error"


BAD_SCHEMA = "Invalid tool parameter schema"


def typed(type_: Any) -> str:
    return json.dumps({"properties": {"f": {"type": type_}}})


def mismatch(expected: str, got: str) -> str:
    return f'Field "f" expected type "{expected}", got "{got}"'


@pytest.mark.parametrize(
    ("schema", "parameters", "fault"),
    [
        pytest.param("{not json", {}, BAD_SCHEMA, id="schema is no JSON"),
        pytest.param('["a"]', {}, BAD_SCHEMA, id="schema is a list"),
        pytest.param("null", {}, BAD_SCHEMA, id="schema is null"),
        pytest.param("[" * 100_000, {}, BAD_SCHEMA, id="schema too deep to read"),
        pytest.param('{"required": ["f"]}', {}, 'Missing required field: "f"', id="absent"),
        pytest.param('{"required": ["f"]}', {"f": None}, 'Missing required field: "f"', id="null"),
        pytest.param('{"required": ["a", "b"]}', {}, 'Missing required field: "a"', id="the first is told"),
        pytest.param(
            '{"properties": {"a": {"type": "string"}}, "required": ["b"]}',
            {"a": 1},
            'Missing required field: "b"',
            id="missing before mistyped",
        ),
        pytest.param(typed("string"), {"f": 1}, mismatch("string", "number"), id="number for string"),
        pytest.param(typed("string"), {"f": False}, mismatch("string", "boolean"), id="boolean for string"),
        pytest.param(typed("string"), {"f": ["x"]}, mismatch("string", "object"), id="array for string"),
        pytest.param(typed("boolean"), {"f": "true"}, mismatch("boolean", "string"), id="string for boolean"),
        pytest.param(typed("boolean"), {"f": 0}, mismatch("boolean", "number"), id="number for boolean"),
        pytest.param(typed("number"), {"f": "5"}, mismatch("number", "string"), id="string for number"),
        pytest.param(typed("number"), {"f": True}, mismatch("number", "boolean"), id="boolean for number"),
        pytest.param(typed("integer"), {"f": "5"}, mismatch("integer", "string"), id="string for integer"),
        pytest.param(typed("array"), {"f": {}}, mismatch("array", "object"), id="object for array"),
        pytest.param(typed("array"), {"f": "x"}, mismatch("array", "string"), id="string for array"),
        pytest.param(typed("object"), {"f": []}, mismatch("object", "object"), id="array for object"),
        pytest.param(typed("object"), {"f": 1.5}, mismatch("object", "number"), id="number for object"),
    ],
)
def test_parameters_that_do_not_fit_are_told_and_logged_as_a_validation_error(
    schema: str, parameters: dict[str, Any], fault: str
) -> None:
    app = with_tools(create_app(), "transfer_to_human", schema=schema)

    reply = execute(app, "transfer_to_human", parameters)

    refused = {"success": False, "error": f"Parameter validation failed: {fault}"}
    assert (reply.status, reply.json) == (200, refused)
    [audit] = executions(app)
    assert (audit["status"], json.loads(audit["result"])) == ("validation_error", refused)


@pytest.mark.parametrize(
    ("schema", "parameters"),
    [
        pytest.param("{}", {"anything": 1}, id="empty schema"),
        pytest.param(typed("integer"), {"f": 1.5}, id="fraction for integer"),
        pytest.param(typed("number"), {"f": 7}, id="integer for number"),
        pytest.param(typed("string"), {"f": ""}, id="empty string"),
        pytest.param(typed("string"), {"f": None}, id="null"),
        pytest.param(typed("string"), {"g": 1}, id="unknown key"),
        pytest.param(typed("date"), {"f": 1}, id="unknown type"),
        pytest.param(typed(["string", "null"]), {"f": 1}, id="list of types"),
        pytest.param('{"required": ["f"]}', {"f": 0}, id="zero is there"),
        pytest.param('{"required": ["f"]}', {"f": False}, id="false is there"),
        pytest.param('{"required": ["f"]}', {"f": ""}, id="empty text is there"),
        pytest.param('{"required": "f", "properties": ["f"]}', {}, id="parts of another type"),
        pytest.param('{"properties": {"f": "string"}}', {"f": 1}, id="declared by text"),
        pytest.param(
            '{"properties": {"f": {"type": "object", "required": ["g"]}}}', {"f": {}}, id="top level only"
        ),
    ],
)
def test_parameters_that_are_not_refuted_pass(schema: str, parameters: dict[str, Any]) -> None:
    app = with_tools(create_app(), "transfer_to_human", schema=schema)

    reply = execute(app, "transfer_to_human", parameters)

    assert reply.json["success"] is True, reply.text


def test_absent_and_null_parameters_are_none() -> None:
    app = with_tools(create_app(), "transfer_to_human")

    for parameters in ({}, {"parameters": None}):
        call_ = {"sessionId": "s1", "toolName": "transfer_to_human", **parameters}
        assert app.post("/api/tools/execute", call_).json["success"] is True
    assert [each["parameters"] for each in executions(app)] == ["{}", "{}"]


# -- demo tools --------------------------------------------------------------------------------------------


def test_a_demo_tool_answers_from_the_state_and_changes_it() -> None:
    app = a_clinic()

    moved = execute(app, "reschedule_appointment", MOVE).json
    found = execute(app, "lookup_appointment", {"patientName": "garcia"}).json

    assert moved["success"] is True
    assert moved["data"].items() >= {"previousDate": "2026-04-07", "status": "rescheduled"}.items()
    [appointment] = found["data"]["appointments"]
    assert (appointment["date"], appointment["time"]) == ("2026-05-04", "9:00 AM")
    assert state_of(app)["appointments"][0] == appointment


def test_a_demo_tool_goes_by_its_name_whatever_the_app() -> None:
    app = with_tools(create_app(), "lookup_metric", "check_inventory")

    metric = execute(app, "lookup_metric", {"metric": "revenue", "period": "q4 2025"}).json
    stock = execute(app, "check_inventory", {"productName": "hoodie"}).json

    assert metric["data"]["value"] == "$580M"
    assert (stock["data"]["totalInStock"], stock["data"]["totalVariants"]) == (7, 9)
    assert stored(app, "scenario_state") == []


@pytest.mark.parametrize(
    ("tool", "parameters", "sign"),
    [
        pytest.param("reschedule_appointment", MOVE | {"appointmentId": "x"}, "error", id="unknown id"),
        pytest.param("cancel_appointment", {"appointmentId": "x"}, "error", id="nothing to cancel"),
        pytest.param("lookup_appointment", {"patientName": "Nobody"}, "found", id="not found"),
    ],
)
def test_a_domain_error_is_a_success_and_changes_nothing(tool: str, parameters: Any, sign: str) -> None:
    app = a_clinic()
    [before] = stored(app, "scenario_state")

    reply = execute(app, tool, parameters).json

    assert reply["success"] is True
    assert reply["data"][sign] is False if sign == "found" else reply["data"][sign]
    assert [each["status"] for each in executions(app)] == ["success"]
    assert stored(app, "scenario_state") == [before]


@pytest.mark.parametrize(
    ("tool", "parameters"),
    [
        pytest.param("check_availability", {"startDate": "2026-04-07"}, id="tool that only reads"),
        pytest.param("lookup_metric", {}, id="tool that looks at no state"),
        pytest.param("cancel_appointment", {"appointmentId": "x"}, id="domain error"),
        pytest.param("open_door", {}, id="no handler"),
    ],
)
def test_the_first_call_of_a_demo_stores_its_initial_state(tool: str, parameters: Any) -> None:
    app = with_tools(a_demo(), tool)

    execute(app, tool, parameters)

    [row] = stored(app, "scenario_state")
    assert row["version"] == 1
    shown = app.get("/api/scenario-state").json
    assert shown["state"] == load_initial_state("demo-dentist")
    assert shown["updatedAt"] == row["updated_at"]


def test_the_first_call_of_a_demo_may_change_its_initial_state() -> None:
    app = with_tools(a_demo(), "cancel_appointment")

    execute(app, "cancel_appointment", {"appointmentId": "APT-10042"})

    statuses = [row["status"] for row in state_of(app)["appointments"]]
    assert statuses == ["confirmed", "cancelled", "confirmed", "confirmed"]


@pytest.mark.parametrize(
    ("tool", "status"),
    [
        pytest.param("no_such_tool", "error", id="unknown tool"),
        pytest.param("lookup_metric", "error", id="inactive tool"),
        pytest.param("check_availability", "validation_error", id="bad parameters"),
    ],
)
def test_a_call_that_reaches_no_tool_stores_no_initial_state(tool: str, status: str) -> None:
    app = with_tools(a_demo(), "check_availability", schema='{"required": ["startDate"]}')
    with_tools(app, "lookup_metric")
    ToolRow.of(app.slug, "lookup_metric").change([ToolRow.is_active.set(False)])

    execute(app, tool)

    assert [each["status"] for each in executions(app)] == [status]
    assert stored(app, "scenario_state") == []


def test_a_demo_without_state_stores_none() -> None:
    app = with_tools(a_demo("demo-earnings"), "lookup_metric")

    execute(app, "lookup_metric", {"metric": "eps", "period": "FY2025"})

    assert stored(app, "scenario_state") == []


def test_looking_writes_no_state() -> None:
    app = a_clinic()
    [before] = stored(app, "scenario_state")

    execute(app, "lookup_appointment", {"patientName": "Kim"})

    assert stored(app, "scenario_state") == [before]


# -- audit -------------------------------------------------------------------------------------------------


def test_an_execution_is_recorded_with_what_was_asked_and_answered() -> None:
    app = a_clinic()

    reply = execute(app, "reschedule_appointment", MOVE, traceId="trace 1", spanId="span 1")

    [audit] = executions(app)
    assert json.loads(audit.pop("parameters")) == MOVE
    assert json.loads(audit.pop("result")) == reply.json
    executed_at = audit.pop("executedAt")
    assert audit.pop("_creationTime") == executed_at > 1_700_000_000_000
    assert audit.pop("_id")
    assert 0 <= audit.pop("durationMs") < 60_000
    assert audit == {
        "appSlug": app.slug,
        "sessionId": "s1",
        "toolName": "reschedule_appointment",
        "status": "success",
        "source": "http",
        "traceId": "trace 1",
        "spanId": "span 1",
    }


@pytest.mark.parametrize(
    ("body", "header", "kept"),
    [
        pytest.param({"traceId": "of body"}, "of header", "of body", id="body wins"),
        pytest.param({}, "of header", "of header", id="header stands in"),
        pytest.param({"traceId": None}, "of header", "of header", id="null is absent"),
        pytest.param({"traceId": "of body"}, "", "of body", id="body alone"),
        pytest.param({}, "", None, id="neither"),
    ],
)
def test_the_trace_id_is_that_of_the_body_else_of_the_header(
    body: dict[str, Any], header: str, kept: str | None
) -> None:
    app = create_app()

    app.post("/api/tools/execute", {"sessionId": "s1", "toolName": "t", **body}, **{"x-trace-id": header})

    [audit] = executions(app)
    assert audit.get("traceId") == kept
    assert "spanId" not in audit
    known = TraceSessionRow.list_in_trace(app.slug, kept or "of header", "", "", limit=2)
    assert [row.session_id for row in known] == (["s1"] if kept else [])


def test_a_session_token_executes_as_its_app() -> None:
    app = with_tools(create_app(browser_scope="runtime"), "lookup_metric")
    headers = {"authorization": f"Bearer {app.open_session()}"}

    reply = call(
        "POST",
        "/api/tools/execute",
        body={"sessionId": "s1", "toolName": "lookup_metric", "appSlug": "another"},
        headers=headers,
    )

    assert reply.json["success"] is True
    assert len(executions(app)) == 1


# -- calls to the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "tool", "sent"),
    [
        pytest.param(
            {"max_actions_per_turn": 5},
            "reschedule_appointment",
            ["BatchGetItem", "UpdateItem", "TransactWriteItems"],
            id="limited, changes the state",
        ),
        pytest.param(
            {"max_actions_per_turn": 5},
            "no_such_tool",
            ["BatchGetItem", "UpdateItem", "PutItem"],
            id="limited, unknown",
        ),
        pytest.param(
            {},
            "reschedule_appointment",
            ["BatchGetItem", "TransactWriteItems"],
            id="unlimited",
        ),
    ],
)
def test_an_execution_makes_at_most_four_calls_to_the_table(
    fields: dict[str, Any], tool: str, sent: list[str]
) -> None:
    app = with_state(
        with_tools(create_app(**fields), "reschedule_appointment"), load_initial_state("demo-dentist")
    )

    app.get("/api/tools")  # the caller is known from here on
    with record_calls() as calls:
        reply = execute(app, tool, MOVE)

    assert reply.status == 200
    assert calls.operations == sent


# -- races -------------------------------------------------------------------------------------------------


def test_a_tool_that_lost_a_race_runs_again_on_the_new_state() -> None:
    app = a_clinic()
    other = {"appointmentId": "APT-10042", "reason": "ill"}

    with once_before("TransactWriteItems", lambda: execute(app, "cancel_appointment", other)):
        reply = execute(app, "reschedule_appointment", MOVE)

    assert reply.json["data"]["status"] == "rescheduled"
    assert [row["status"] for row in state_of(app)["appointments"][:2]] == ["rescheduled", "cancelled"]
    assert [each["toolName"] for each in executions(app)].count("reschedule_appointment") == 1
    assert stored(app, "scenario_state")[0]["version"] == 3


def test_the_answer_after_a_lost_race_is_that_of_the_new_state() -> None:
    app = a_clinic()
    rival = MOVE | {"appointmentId": "APT-10044"}  # the same provider

    with once_before("TransactWriteItems", lambda: execute(app, "reschedule_appointment", rival)):
        reply = execute(app, "reschedule_appointment", MOVE).json

    assert reply == {
        "success": True,
        "data": {"error": "2026-05-04 at 9:00 AM is already booked. Please choose another time."},
    }
    assert [row["status"] for row in state_of(app)["appointments"]].count("rescheduled") == 1
    results = [json.loads(each["result"]) for each in executions(app)]
    assert reply in results
    assert len(results) == 2


def test_the_initial_state_is_stored_once_when_two_first_calls_meet() -> None:
    app = with_tools(a_demo(), "cancel_appointment", "lookup_appointment")

    with once_before(
        "TransactWriteItems",
        lambda: execute(app, "cancel_appointment", {"appointmentId": "APT-10041"}),
    ):
        found = execute(app, "lookup_appointment", {"patientName": "Garcia"}).json

    assert found["data"]["found"] is False
    assert state_of(app)["appointments"][0]["status"] == "cancelled"


def test_a_reset_while_a_tool_runs_is_kept_and_the_tool_runs_on_the_new_state() -> None:
    app = with_tools(a_demo(), "cancel_appointment", "reschedule_appointment")
    execute(app, "reschedule_appointment", MOVE)

    with once_before("TransactWriteItems", lambda: app.post("/api/scenario-state/reset", {})):
        execute(app, "cancel_appointment", {"appointmentId": "APT-10042"})

    statuses = [row["status"] for row in state_of(app)["appointments"]]
    assert statuses == ["confirmed", "cancelled", "confirmed", "confirmed"]


def test_an_effect_and_its_audit_are_stored_both_or_neither() -> None:
    app = a_clinic()

    def cut() -> None:
        raise ConnectionError("the network is gone")

    with once_before("TransactWriteItems", cut):
        reply = execute(app, "reschedule_appointment", MOVE)

    assert (reply.status, reply.json) == (500, {"error": "Internal server error"})
    assert state_of(app) == load_initial_state("demo-dentist")
    assert executions(app) == []


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


@pytest.mark.usefixtures("strict")
def test_two_bookings_of_one_slot_at_the_same_time_never_both_win() -> None:
    app = a_clinic()
    same_provider = ("APT-10041", "APT-10044")

    def book(number: int) -> Any:
        return execute(app, "reschedule_appointment", MOVE | {"appointmentId": same_provider[number]})

    for _ in range(20):
        with_state(app, load_initial_state("demo-dentist"))

        replies = at_once(2, book)

        assert sorted("error" in reply.json["data"] for reply in replies) == [False, True]
        assert [row["status"] for row in state_of(app)["appointments"]].count("rescheduled") == 1


@pytest.mark.usefixtures("strict")
def test_twelve_changes_of_one_state_at_the_same_time_are_all_kept() -> None:
    app = a_clinic()
    patients = [
        {"id": f"APT-{number}", "patient": f"P{number}", "status": "confirmed"} for number in range(12)
    ]
    with_state(app, {"appointments": patients})

    replies = at_once(
        12, lambda number: execute(app, "cancel_appointment", {"appointmentId": f"APT-{number}"})
    )

    assert [reply.json["data"].get("status") for reply in replies] == ["cancelled"] * 12
    assert [row["status"] for row in state_of(app)["appointments"]] == ["cancelled"] * 12
    assert len(executions(app)) == 12
