"""Tools are registered, changed, switched off and removed: contract 3.4."""

import json
from typing import Any

import pytest
from genai_voice.tools import registry
from genai_voice.tools.rows import ToolRow

from tests.support.https import Names, Server, send_reply
from tests.support.service import Client, Reply, call, create_app, read_rows

DOORS = "https://tools.example.com/doors"
TOOL = {
    "name": "open_door",
    "description": "Opens a door.",
    "parametersSchema": '{"type": "object"}',
    "endpoint": DOORS,
}
KEY = "Bearer of-a-provider"


def register(app: Client, **fields: Any) -> Reply:
    return app.post("/api/tools", TOOL | fields)


def update(app: Client, **fields: Any) -> Reply:
    return app.patch("/api/tools", {"name": "open_door", **fields})


def remove(app: Client) -> Reply:
    return app.delete("/api/tools", {"name": "open_door"})


def shown(app: Client) -> dict[str, Any]:
    [tool] = app.get("/api/tools/all").json["tools"]
    return dict(tool)


def row(app: Client) -> ToolRow:
    found = ToolRow.of(app.slug, "open_door").find_stored()
    assert found
    return found


# -- register ----------------------------------------------------------------------------------------------


def test_a_registered_tool_is_listed_with_all_that_was_said() -> None:
    app = create_app()

    made = register(app, httpMethod="PUT", requiresConfirmation=True, requiresAuth=True)

    tool = shown(app)
    assert (made.status, made.json) == (200, {"id": tool["_id"]})
    assert tool.items() >= (TOOL | {"httpMethod": "PUT", "isActive": True}).items()
    assert "headers" not in tool
    agents = {name: TOOL[name] for name in ("name", "description", "parametersSchema")}
    assert app.get("/api/tools").json == {
        "tools": [agents | {"requiresConfirmation": True, "requiresAuth": True}]
    }


def test_what_is_absent_has_the_contracts_defaults() -> None:
    app = create_app()
    register(app, httpMethod="", headers=None, requiresAuth=None, transport="http")
    expected = {"httpMethod": "POST", "requiresConfirmation": False, "requiresAuth": False, "isActive": True}
    assert shown(app).items() >= expected.items()


def test_a_tool_that_is_registered_again_is_replaced_and_keeps_id_place_and_creation() -> None:
    app = create_app()
    register(app, headers='{"X-Key": "k"}', httpMethod="GET", requiresAuth=True)
    update(app, isActive=False)
    before = shown(app)

    again = register(app, description="Better.")

    after = shown(app)
    assert again.json == {"id": before["_id"]}
    replaced = {"description": "Better.", "httpMethod": "POST", "requiresAuth": False, "isActive": True}
    assert after == {key: value for key, value in before.items() if key != "headers"} | replaced | {
        "updatedAt": after["updatedAt"]
    }
    assert row(app).sealed_headers is None


MISSING, ENDPOINT = "Missing required fields", "Active tools must have an endpoint"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        pytest.param({"name": "", "endpoint": None}, MISSING, id="no name and no endpoint"),
        pytest.param({"description": None, "headers": 5}, MISSING, id="no description"),
        pytest.param({"parametersSchema": "", "transport": "x"}, MISSING, id="no schema"),
        pytest.param({"endpoint": None, "parametersSchema": "["}, ENDPOINT, id="null endpoint"),
        pytest.param({"endpoint": "", "headers": "[]"}, ENDPOINT, id="empty endpoint"),
        pytest.param({"parametersSchema": "{"}, "Invalid field: parametersSchema", id="schema no JSON"),
        pytest.param({"parametersSchema": "[]"}, "Invalid field: parametersSchema", id="schema no object"),
        pytest.param({"parametersSchema": {}}, "Invalid field: parametersSchema", id="schema no text"),
        pytest.param({"headers": "{"}, "Invalid field: headers", id="headers no JSON"),
        pytest.param({"headers": "[]"}, "Invalid field: headers", id="headers no object"),
        pytest.param({"headers": '{"X-A": 1}'}, "Invalid field: headers", id="header no text"),
        pytest.param({"headers": '{"X-A": null}'}, "Invalid field: headers", id="header null"),
        pytest.param({"headers": '{"X-A": "********"}'}, "Invalid field: headers", id="mask for a header"),
        pytest.param({"headers": {"X-A": "b"}}, "Invalid field: headers", id="headers no text"),
        pytest.param({"httpMethod": "HEAD"}, "Invalid field: httpMethod", id="HEAD"),
        pytest.param({"httpMethod": "post"}, "Invalid field: httpMethod", id="method in lower case"),
        pytest.param({"requiresAuth": "yes"}, "Invalid field: requiresAuth", id="text for a boolean"),
        pytest.param({"endpoint": 5}, "Invalid field: endpoint", id="number for an endpoint"),
    ],
)
def test_what_is_no_tool_is_refused_before_the_caller_is_known(fields: dict[str, Any], error: str) -> None:
    app = create_app()
    for answer in (register(app, **fields), call("POST", "/api/tools", body=TOOL | fields)):
        assert (answer.status, answer.json["error"]) == (400, error)
    assert app.get("/api/tools/all").json == {"tools": []}


def test_a_tool_without_an_endpoint_is_refused_in_the_contracts_words() -> None:
    body = {key: value for key, value in TOOL.items() if key != "endpoint"}
    assert create_app().post("/api/tools", body).json == {"error": ENDPOINT}


def test_a_tool_over_livekit_is_refused_in_a_sentence() -> None:
    app = create_app()
    body = {key: value for key, value in TOOL.items() if key != "endpoint"}
    register(app)
    for answer in (
        app.post("/api/tools", body | {"transport": "livekit_data"}),
        update(app, transport="livekit_data"),
    ):
        assert answer.status == 400
        assert answer.json["error"].startswith("Invalid field: transport (livekit_data needs rooms")


FORBIDDEN = {
    "plain http": "http://tools.example.com",
    "another scheme": "file:///etc/passwd",
    "user name": "https://user:password@tools.example.com",
    "localhost": "https://localhost/x",
    "loopback": "https://127.0.0.1/x",
    "private": "https://10.0.0.1/x",
    "metadata": "https://169.254.169.254/latest/meta-data",
    "metadata by name": "https://metadata.google.internal/",
    "decimal": "https://2130706433/",
    "octal": "https://0177.0.0.1/",
    "mapped": "https://[::ffff:127.0.0.1]/",
    "too long": "https://tools.example.com/" + "x" * 2_000,
    "no address": "open sesame",
}


@pytest.mark.parametrize("address", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_an_address_that_no_call_may_go_to_is_refused(address: str) -> None:
    app = create_app()
    register(app)
    before = row(app)

    for answer in (register(app, endpoint=address), update(app, endpoint=address)):
        assert answer.status == 400
        assert answer.json["error"].startswith("Invalid field: endpoint. The ")
        assert answer.json["error"].endswith(".")
    assert (row(app).endpoint, row(app).updated_at) == (DOORS, before.updated_at)


def test_a_name_that_leads_to_a_private_address_is_refused_and_one_that_does_not_resolve_is_not(
    names: Names,
) -> None:
    app = create_app()
    names.resolve("inside.example.com", ["93.184.216.34", "10.0.0.1"])

    assert register(app, endpoint="https://inside.example.com").status == 400
    assert register(app, endpoint="https://later.example.com").status == 200


def test_a_stranger_makes_us_look_up_no_name(names: Names) -> None:
    assert call("POST", "/api/tools", body=TOOL).status == 401
    assert names.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "internal"}, id="host"),
        pytest.param({"Content-Length": "5"}, id="content-length"),
        pytest.param({"Transfer-Encoding": "chunked"}, id="transfer-encoding"),
        pytest.param({"X A": "b"}, id="space in a name"),
        pytest.param({"X-A": "b\r\nX-B: c"}, id="line break"),
        pytest.param({"X-A": "é"}, id="no ASCII"),
        pytest.param({"X-A": "b", "x-a": "c"}, id="twice"),
        pytest.param({"X-A": "b" * 9_000}, id="too long"),
    ],
)
def test_a_header_that_may_not_go_out_is_refused(headers: dict[str, str]) -> None:
    app = create_app()
    register(app)
    for answer in (register(app, headers=json.dumps(headers)), update(app, headers=json.dumps(headers))):
        assert answer.status == 400
        assert answer.json["error"].startswith("Invalid field: headers. ")
    assert "headers" not in shown(app)


# -- headers -----------------------------------------------------------------------------------------------


def test_stored_headers_are_shown_masked_to_everybody_and_nowhere_in_the_table() -> None:
    app = create_app()
    headers = {"Authorization": KEY, "X-Short": "k", "X-Empty": ""}

    register(app, headers=json.dumps(headers))

    for reply_ in (
        app.get("/api/tools/all"),
        call("GET", "/api/tools/all", headers={"authorization": f"Bearer {app.open_session()}"}),
    ):
        masked = json.loads(reply_.json["tools"][0]["headers"])
        assert masked == dict.fromkeys(headers, "********")
        assert KEY not in reply_.text
    assert KEY not in app.get("/api/tools").text
    assert KEY not in repr(read_rows(app.slug))


def test_headers_that_are_moved_to_another_tool_or_app_are_never_sent(server: Server, names: Names) -> None:
    names.resolve("tools.example", ["127.0.0.1"])
    server.act = send_reply(200, b"{}")
    mine, theirs = create_app(), create_app()
    register(theirs, endpoint=server.make_url("tools.example"), headers=json.dumps({"Authorization": KEY}))
    register(mine, endpoint=server.make_url("tools.example"))
    register(theirs, name="another", endpoint=server.make_url("tools.example"))
    sealed = row(theirs).sealed_headers
    for app, name in ((mine, "open_door"), (theirs, "another")):
        ToolRow.of(app.slug, name).change([ToolRow.sealed_headers.set(sealed)])

        answer = app.post("/api/tools/execute", {"sessionId": "s", "toolName": name})

        assert answer.json == {
            "success": False,
            "error": "The stored headers of this tool can no longer be read: register it again.",
        }
        assert app.get("/api/tools/executions").json["executions"][0]["status"] == "error"
    assert server.requests == []


# -- update ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"description": "Better."}, {"description": "Better."}, id="description"),
        pytest.param({"parametersSchema": "{}"}, {"parametersSchema": "{}"}, id="schema"),
        pytest.param({"endpoint": DOORS + "/2"}, {"endpoint": DOORS + "/2"}, id="endpoint"),
        pytest.param({"httpMethod": "GET"}, {"httpMethod": "GET"}, id="method"),
        pytest.param({"headers": '{"B": "x"}'}, {"headers": '{"B": "********"}'}, id="headers"),
        pytest.param({"requiresAuth": False}, {"requiresAuth": False}, id="off"),
        pytest.param({"requiresConfirmation": True}, {"requiresConfirmation": True}, id="on"),
        pytest.param({"isActive": False}, {"isActive": False}, id="switched off"),
        pytest.param({"description": None, "headers": None, "endpoint": None}, {}, id="null is absent"),
        pytest.param({"httpMethod": "", "transport": ""}, {}, id="an empty enumerated field is absent"),
    ],
)
def test_only_what_is_given_changes(fields: dict[str, Any], changed: dict[str, Any]) -> None:
    app = create_app()
    register(app, headers='{"A": "x"}', requiresAuth=True)
    before, sealed = shown(app), row(app).sealed_headers

    answer = update(app, **fields)

    after = shown(app)
    assert (answer.status, answer.json) == (200, {"ok": True})
    assert after == before | changed | {"updatedAt": after["updatedAt"]}
    assert (row(app).sealed_headers == sealed) is ("headers" not in changed)


def test_empty_headers_remove_the_stored_ones() -> None:
    app = create_app()
    register(app, headers='{"A": "x"}')
    update(app, headers="{}")
    assert "headers" not in shown(app)
    assert row(app).sealed_headers is None


ELSEWHERE = {
    "another host": "https://elsewhere.example/doors",
    "a host that begins alike": DOORS.removesuffix("/doors") + ".elsewhere.example/doors",
    "a port": DOORS.removesuffix("/doors") + ":8443/doors",
    "a host below": DOORS.replace("https://", "https://below."),
}


@pytest.mark.parametrize("endpoint", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_stored_headers_do_not_follow_to_another_host(endpoint: str) -> None:
    """Whoever may change an endpoint would be sent what `tools/all` masks."""
    app = create_app()
    register(app, headers='{"A": "x"}')
    before = shown(app)

    refused = update(app, endpoint=endpoint)

    assert (refused.status, refused.json["error"].partition(".")[0]) == (400, "Invalid field: headers")
    assert shown(app) == before
    assert update(app, endpoint=endpoint, headers='{"B": "y"}').status == 200
    assert (shown(app)["endpoint"], shown(app)["headers"]) == (endpoint, '{"B": "********"}')
    assert update(app, endpoint=DOORS, headers="{}").status == 200
    assert update(app, endpoint=endpoint).status == 200, "there are none to give away"


@pytest.mark.parametrize("endpoint", [DOORS, DOORS + "/2", DOORS.removesuffix("/doors"), DOORS + "?a=b"])
def test_stored_headers_stay_with_their_host(endpoint: str) -> None:
    app = create_app()
    register(app, headers='{"A": "x"}')
    for each in (endpoint, DOORS):
        assert update(app, endpoint=each).status == 200
        assert (shown(app)["endpoint"], shown(app)["headers"]) == (each, '{"A": "********"}')


def test_a_tool_is_switched_off_and_on() -> None:
    app = create_app()
    register(app)

    update(app, isActive=False)
    assert app.get("/api/tools").json == {"tools": []}
    answer = app.post("/api/tools/execute", {"sessionId": "s", "toolName": "open_door"})
    assert answer.json == {"success": False, "error": 'Tool "open_door" not found'}

    update(app, isActive=True)
    assert [tool["name"] for tool in app.get("/api/tools").json["tools"]] == ["open_door"]


def test_a_tool_that_nothing_carries_out_cannot_be_switched_on_but_with_an_endpoint() -> None:
    app = create_app()
    registry.put_tool(app.slug, "open_door", description="x", parameters_schema="{}")
    update(app, isActive=False)

    refused = update(app, isActive=True)

    assert (refused.status, refused.json["error"]) == (400, ENDPOINT)
    assert not shown(app)["isActive"]
    assert update(app, isActive=True, endpoint=DOORS).status == 200
    assert shown(app)["isActive"]


def test_a_demo_tool_is_switched_on_without_an_endpoint() -> None:
    app = create_app()
    registry.put_tool(app.slug, "lookup_metric", description="x", parameters_schema="{}")
    for active in (False, True):
        body = {"name": "lookup_metric", "isActive": active}
        assert app.patch("/api/tools", body).status == 200
    assert shown(app)["isActive"]


def test_seeding_again_keeps_an_endpoint_its_headers_and_its_method() -> None:
    app = create_app()
    register(app, headers='{"A": "x"}', httpMethod="GET")
    before, sealed = shown(app), row(app).sealed_headers

    registry.put_tool(app.slug, "open_door", description="seeded", parameters_schema="{}")

    after = shown(app)
    kept = ("endpoint", "headers", "httpMethod", "_id", "createdAt")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert (after["description"], row(app).sealed_headers) == ("seeded", sealed)


# -- remove ------------------------------------------------------------------------------------------------


def test_a_removed_tool_is_gone_and_what_it_did_is_not() -> None:
    app = create_app()
    registry.put_tool(app.slug, "open_door", description="x", parameters_schema="{}")
    app.post("/api/tools/execute", {"sessionId": "s", "toolName": "open_door"})

    answer = remove(app)

    assert (answer.status, answer.json) == (200, {"ok": True})
    assert app.get("/api/tools/all").json == {"tools": []}
    assert len(app.get("/api/tools/executions").json["executions"]) == 1


def test_what_is_not_there_is_neither_changed_nor_removed() -> None:
    app = create_app()
    register(app)
    remove(app)
    for answer in (remove(app), update(app, isActive=True), update(app)):
        assert (answer.status, answer.json) == (404, {"error": "Tool not found"})
    assert read_rows(app.slug) == [each for each in read_rows(app.slug) if each["kind"] != "tool"]


# -- who may -----------------------------------------------------------------------------------------------


def test_a_browser_that_is_kept_to_runtime_calls_changes_no_tool() -> None:
    app = create_app(browser_scope="runtime")
    register(app)
    before = row(app).serialize()
    token = {"authorization": f"Bearer {app.open_session()}"}
    for method, body in (
        ("POST", TOOL | {"endpoint": "https://evil.example.com"}),
        ("PATCH", {"name": "open_door", "endpoint": "https://evil.example.com"}),
        ("DELETE", {"name": "open_door"}),
    ):
        assert call(method, "/api/tools", body=body, headers=token).status == 401
    assert row(app).serialize() == before
