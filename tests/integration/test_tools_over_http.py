"""Tools behind an endpoint are called and audited: contract 5.7.6, against a real HTTPS server."""

import json
import random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from genai_voice.tools import registry

from tests.support.https import (
    Behaviour,
    Names,
    Server,
    send_forever,
    send_raw,
    send_reply,
    send_slowly,
    serve_https,
)
from tests.support.service import Client, create_app, read_rows, record_calls
from tests.support.wire import act_before_call

HOST = "tools.example"


@pytest.fixture(autouse=True)
def _tools_example_is_here(names: Names) -> None:
    names.resolve(HOST, ["127.0.0.1"])


def with_tool(server: Server, target: str = "/doors", *, app: Client | None = None, **fields: Any) -> Client:
    """An app whose tool `open_door` is at this server."""
    app = app or create_app()
    tool = {"name": "open_door", "description": "x", "parametersSchema": "{}"}
    made = app.post("/api/tools", tool | {"endpoint": server.make_url(HOST, target)} | fields)
    assert made.status == 200, made.text
    return app


def execute(app: Client, parameters: Any = None, **more: Any) -> Any:
    answer = app.post(
        "/api/tools/execute", {"sessionId": "s", "toolName": "open_door", "parameters": parameters, **more}
    )
    assert answer.status == 200, answer.text
    return answer.json


def audit(app: Client) -> dict[str, Any]:
    [execution] = app.get("/api/tools/executions").json["executions"]
    return dict(execution)


# -- what is sent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_parameters_are_the_body(server: Server, method: str) -> None:
    server.act = send_reply(200, b"{}")
    app = with_tool(server, "/doors?floor=2", httpMethod=method)

    execute(app, {"room": "é", "times": [1, 2.5], "deep": {"x": None}})

    [request] = server.requests
    assert (request.method, request.target) == (method, "/doors?floor=2")
    assert json.loads(request.body) == {"room": "é", "times": [1, 2.5], "deep": {"x": None}}
    assert request.headers["content-type"] == "application/json"
    assert "idempotency-key" not in request.headers


def test_parameters_of_a_get_are_its_query(server: Server) -> None:
    server.act = send_reply(200, b"{}")
    app = with_tool(server, "/doors?floor=2&wing=a%20b", httpMethod="GET")

    execute(
        app,
        {
            "room": "é & b=c#d",
            "times": 3,
            "ratio": 0.5,
            "open": True,
            "none": None,
            "list": [1, "x"],
            "o": {},
        },
    )

    [request] = server.requests
    assert (request.method, request.body) == ("GET", b"")
    assert "content-type" not in request.headers
    assert parse_qsl(urlsplit(request.target).query, keep_blank_values=True) == [
        ("floor", "2"),
        ("wing", "a b"),
        ("room", "é & b=c#d"),
        ("times", "3"),
        ("ratio", "0.5"),
        ("open", "true"),
        ("list", '[1,"x"]'),
        ("o", "{}"),
    ]


def test_a_get_without_parameters_adds_no_question_mark(server: Server) -> None:
    server.act = send_reply(200, b"{}")
    execute(with_tool(server, "/doors", httpMethod="GET"))
    assert server.requests[0].target == "/doors"


def test_stored_headers_are_sent_as_they_were_given_and_override_the_content_type(server: Server) -> None:
    server.act = send_reply(200, b"{}")
    headers = {"Authorization": "Bearer of-a-provider", "Content-Type": "application/vnd.doors+json"}
    app = with_tool(server, headers=json.dumps(headers))

    execute(app)

    sent = server.requests[0].headers
    assert sent.items() >= {name.lower(): value for name, value in headers.items()}.items()
    assert "Bearer of-a-provider" not in repr(read_rows(app.slug))


def test_the_longest_headers_that_are_registered_go_out_beside_ours(server: Server) -> None:
    server.act = send_reply(200, b"{}")
    app = with_tool(server, headers=json.dumps({"X": "a" * 7_999}))
    assert execute(app, toolCallId="c") == {"success": True, "data": {}}
    assert len(server.requests[0].headers["x"]) == 7_999


def test_a_tool_that_has_an_endpoint_is_no_demo_tool_any_more(server: Server) -> None:
    server.act = send_reply(200, b'{"value": 1}')
    app = with_tool(server, name="lookup_metric")
    answer = app.post("/api/tools/execute", {"sessionId": "s", "toolName": "lookup_metric"})
    assert answer.json == {"success": True, "data": {"value": 1}}


def test_a_tool_that_was_seeded_and_then_given_an_endpoint_is_posted_to(server: Server) -> None:
    server.act = send_reply(200, b"{}")
    app = create_app()
    registry.put_tool(app.slug, "open_door", description="x", parameters_schema="{}")
    assert app.patch("/api/tools", {"name": "open_door", "endpoint": server.make_url(HOST)}).status == 200
    assert execute(app) == {"success": True, "data": {}}
    assert server.requests[0].method == "POST"


def test_parameters_that_do_not_fit_are_not_sent(server: Server) -> None:
    app = with_tool(server, parametersSchema='{"required": ["room"]}')
    assert execute(app)["error"] == 'Parameter validation failed: Missing required field: "room"'
    assert server.requests == []


# -- what comes back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [{"a": [1, 2.5, None, True, "é"]}, [], "text", 0, False, None, {}],
    ids=lambda value: json.dumps(value),
)
@pytest.mark.parametrize(
    ("status", "success"), [(200, True), (201, True), (299, True), (302, False), (404, False), (500, False)]
)
def test_the_json_of_the_answer_is_the_data(server: Server, status: int, success: bool, value: Any) -> None:
    server.act = send_reply(
        status, json.dumps(value).encode(), {"Location": server.make_url(HOST, "/elsewhere")}
    )
    app = with_tool(server)

    assert execute(app, {"room": "1"}) == {"success": success, "data": value}

    row = audit(app)
    assert row["status"] == ("success" if success else "error")
    assert row["source"] == "http"
    assert json.loads(row["parameters"]) == {"room": "1"}
    assert json.loads(row["result"]) == {"success": success, "data": value}
    assert len(server.requests) == 1  # a redirect is not followed


def test_an_answer_that_has_no_content_is_a_success_without_data(server: Server) -> None:
    server.act = send_raw(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert execute(with_tool(server, httpMethod="DELETE")) == {"success": True, "data": None}


NO_JSON = {
    "empty": b"",
    "HTML": b"<html>",
    "cut short": b'{"a": ',
    "two values": b"{} {}",
    "NaN": b"NaN",
    "NaN inside": b'{"a": [NaN]}',
    "Infinity": b"-Infinity",
    "infinite number": b"[1e999]",
    "lone surrogate": rb'"\ud800"',
    "no UTF-8": b'"\xff"',
    "too deep": b"[" * 5_000 + b"]" * 5_000,
    "as deep as is read, within a result": b"[" * 201 + b"]" * 201,
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON.keys())
def test_an_answer_without_json_is_an_error(server: Server, body: bytes) -> None:
    server.act = send_reply(200, body)
    app = with_tool(server)

    result = execute(app)

    assert result == {"success": False, "error": "The endpoint of this tool answered 200 without JSON."}
    assert (audit(app)["status"], json.loads(audit(app)["result"])) == ("error", result)


BROKEN: dict[str, tuple[Behaviour, str]] = {
    "no answer": (send_raw(b""), "The host did not answer with valid HTTP."),
    "no HTTP": (send_raw(b"hello\r\n\r\n"), "The host did not answer with valid HTTP."),
    "too long by its length": (
        send_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 262145\r\n\r\n"),
        "The answer is longer than 262,144 bytes.",
    ),
    "endless": (
        send_forever(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65_536),
        "The answer is longer than 262,144 bytes.",
    ),
}


@pytest.mark.parametrize(("act", "error"), BROKEN.values(), ids=BROKEN.keys())
def test_a_call_that_fails_is_told_in_a_sentence_and_logged(
    server: Server, act: Behaviour, error: str
) -> None:
    server.act = act
    app = with_tool(server)

    assert execute(app) == {"success": False, "error": error}

    assert audit(app)["status"] == "error"
    assert len(server.requests) == 1  # nothing is sent again


def test_a_call_ends_after_ten_seconds_though_there_is_always_something_to_read(server: Server) -> None:
    server.act = send_slowly(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1_000)
    app = with_tool(server)

    assert execute(app) == {"success": False, "error": "There was no answer within 10 s."}

    assert (audit(app)["status"], 10_000 <= audit(app)["durationMs"] < 12_000) == ("error", True)


def test_a_name_that_has_become_private_since_it_was_registered_is_not_called(
    server: Server, names: Names
) -> None:
    app = with_tool(server)
    names.resolve(HOST, ["10.0.0.1"])
    assert execute(app) == {"success": False, "error": "The host must be public."}
    assert server.requests == []


def test_nobody_listens(server: Server, authority: Any) -> None:
    with serve_https(authority) as gone:
        app = with_tool(gone)
    assert execute(app) == {"success": False, "error": "The connection to the host failed."}


def test_nothing_of_a_call_is_logged(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.act = send_reply(500, b'"said-by-the-endpoint"')
    app = with_tool(server, "/secret-path", headers='{"X-Key": "of-a-provider"}')
    capsys.readouterr()

    execute(app, {"said": "said-by-the-agent"}, toolCallId="named-by-the-agent")

    written = "".join(capsys.readouterr())
    assert '"route":"POST /api/tools/execute"' in written
    for secret in ("said-by", "open_door", "secret-path", "of-a-provider", "named-by", HOST):
        assert secret not in written


# -- sizes and calls ---------------------------------------------------------------------------------------


def noise(size: int, seed: int) -> str:
    """As JSON text just so many bytes, of characters of one, two and three bytes: hardly compressible."""
    chance = random.Random(seed)  # noqa: S311 - only has to be incompressible
    ranges = [(0x23, 0x5B)] * 60 + [(0x80, 0x7FF)] * 25 + [(0x800, 0xD7FF)] * 15
    text, left = [], size - 2
    while left > 0:
        character = chr(chance.randint(*chance.choice(ranges)))
        width = len(character.encode())
        if width <= left:
            text.append(character)
            left -= width
    return "".join(text)


@pytest.mark.parametrize("named", [{}, {"toolCallId": "c" * 1_000}], ids=["plain", "named"])
def test_the_largest_call_with_the_largest_answer_fits_its_row(server: Server, named: dict[str, str]) -> None:
    answer, said = noise(262_144, 1), noise(131_072 - len('{"said":}'), 2)
    body = json.dumps(answer, ensure_ascii=False).encode()
    assert len(body) == 262_144
    server.act = send_reply(200, body)
    app = with_tool(server, name="\U0001f6aa" * 1_000)
    labels = {
        "traceId": "\U0001f50e" * 1_000,
        "spanId": "\U0001f50e" * 1_000,
        "sessionId": "\U0001f50e" * 1_000,
    }
    asked = {"toolName": "\U0001f6aa" * 1_000, "parameters": {"said": said}, **labels, **named}

    for _ in range(1 + bool(named)):
        result = app.post("/api/tools/execute", asked)
        assert (result.status, result.json) == (200, {"success": True, "data": answer})

    assert len(server.requests) == 1
    [execution] = app.get("/api/tools/executions").json["executions"]
    assert json.loads(execution["result"])["data"] == answer
    assert json.loads(execution["parameters"]) == {"said": said}


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        pytest.param({}, ["BatchGetItem", "UpdateItem", "PutItem"], id="plain"),
        pytest.param(
            {"toolCallId": "c"},
            ["BatchGetItem", "UpdateItem", "UpdateItem", "TransactWriteItems"],
            id="named",
        ),
    ],
)
def test_a_call_asks_the_table_at_most_four_times(
    server: Server, named: dict[str, str], expected: list[str]
) -> None:
    server.act = send_reply(200, b"{}")
    app = with_tool(server, app=create_app(max_actions_per_turn=5))
    with record_calls() as calls:
        execute(app, **named)
    assert calls.operations == expected


def test_the_lease_is_written_before_the_call_goes_out(server: Server) -> None:
    server.act = send_reply(200, b"{}")
    app = with_tool(server)
    with act_before_call("UpdateItem", lambda _: server.requests.clear(), at=(1,)), record_calls() as calls:
        execute(app, toolCallId="c")
    assert len(server.requests) == 1
    assert calls.operations == ["BatchGetItem", "UpdateItem", "TransactWriteItems"]
