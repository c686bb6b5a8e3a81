"""What holds for every reply: CORS, unknown paths, isolation of faults, logs without content (contract 1.4,
1.5).
"""

import json
from io import StringIO
from typing import Any

import genai_voice
import pytest
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.http import Api

from tests.support.service import Client, call, create_app, handle, make_event

ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, Authorization, X-App-Slug, X-Trace-Id, Idempotency-Key",
    "Access-Control-Max-Age": "86400",
}


MESSAGE = {
    "sessionId": "s",
    "participantIdentity": "caller",
    "role": "user",
    "content": "Hi",
    "isFinal": True,
    "createdAt": 1,
}


def test_health_needs_no_credentials() -> None:
    reply = call("GET", "/api/health")
    assert (reply.status, reply.json) == (200, {"ok": True, "version": genai_voice.__version__})


def test_head_of_health_is_answered_as_get_is() -> None:
    reply, whole = call("HEAD", "/api/health"), call("GET", "/api/health")
    assert (reply.status, reply.headers, reply.json) == (whole.status, whole.headers, whole.json)


@pytest.mark.parametrize("path", ["/api/messages", "/api/nothing", "/", "/api/health"])
def test_a_preflight_of_any_path_is_answered_without_body_or_credentials(path: str) -> None:
    reply = call("OPTIONS", path)
    assert (reply.status, reply.text) == (204, "")
    assert reply.headers == {"Access-Control-Allow-Origin": "*", **ALLOWED}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/nothing"),
        ("DELETE", "/api/messages"),
        ("GET", "/"),
        ("PUT", "/api/health"),
        ("GET", "/api/messages/"),
    ],
)
def test_an_unknown_route_or_method_is_not_found_in_our_envelope(method: str, path: str) -> None:
    reply = call(method, path)
    assert (reply.status, reply.json) == (404, {"error": "Not found"})
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.headers["Content-Type"] == "application/json"


@pytest.fixture
def allowed_origins(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ALLOWED_ORIGINS", " https://a.example , https://b.example ")
    forget_all()
    yield
    monkeypatch.undo()
    forget_all()


@pytest.mark.parametrize("path", ["/api/health", "/api/tools", "/api/nothing"])
def test_a_listed_origin_is_reflected_with_credentials(allowed_origins: None, path: str) -> None:
    reply = call("GET", path, headers={"origin": "https://b.example"})
    assert reply.headers["Access-Control-Allow-Origin"] == "https://b.example"
    assert reply.headers["Access-Control-Allow-Credentials"] == "true"
    assert reply.headers["Vary"] == "Origin"
    assert reply.headers.items() >= ALLOWED.items()


@pytest.mark.parametrize("origin", [None, "https://c.example", "https://a.example.evil", "null"])
def test_another_origin_is_not_named_and_the_request_is_served(
    allowed_origins: None, origin: str | None
) -> None:
    reply = call("GET", "/api/health", headers={"origin": origin} if origin else {})
    assert reply.status == 200
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert "Access-Control-Allow-Credentials" not in reply.headers
    assert reply.headers.items() >= ALLOWED.items()


def faulty(api: Api, path: str = "/api/faulty") -> dict[str, Any]:
    made = make_event("GET", "/api/nothing")
    made["rawPath"] = path
    return api.handle(made, None)


def test_a_bug_is_answered_without_its_message_and_logged_without_it(log: StringIO) -> None:
    api = Api()

    @api.get("/api/faulty")
    def fail() -> dict[str, str]:
        raise RuntimeError("what somebody said")

    reply = faulty(api)
    assert (reply["statusCode"], json.loads(reply["body"])) == (500, {"error": "Internal server error"})
    assert reply["headers"]["Access-Control-Allow-Origin"] == "*"
    logged = log.getvalue()
    assert "RuntimeError" in logged
    assert "test_edge.py" in logged
    assert "what somebody said" not in logged


def test_logs_name_the_request_and_never_what_was_said(
    log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    app = create_app()
    app.get("/api/tools")  # the app is known from here on
    capsys.readouterr()
    said = "my-card-number-is"
    token = app.open_session()
    body = {
        "sessionId": "session-1",
        "messages": [{"role": "user", "content": said, "ts": 1}],
        "appSecret": "in-body",
    }
    call(
        "POST",
        "/api/conversations",
        body=body,
        query={"x": "in-query"},
        headers=app.headers | {"x-trace-id": "trace-1"},
    )
    call("GET", "/api/conversations", query={"sessionToken": token})
    written = log.getvalue() + capsys.readouterr().out  # a request's line goes straight to standard output
    lines = [json.loads(line) for line in written.splitlines()]
    logged = json.dumps(lines)
    for secret in (said, "in-body", "in-query", token, app.secret):
        assert secret not in logged
    requests = [line for line in lines if line["message"] == "request"]
    saved = requests[1]
    assert saved["route"] == "POST /api/conversations"
    assert (saved["status"], saved["app"], saved["session"], saved["trace_id"]) == (
        200,
        app.slug,
        "session-1",
        "trace-1",
    )
    assert saved["dynamodb_calls"] == 1
    assert saved["dynamodb_units"] > 0
    assert saved["duration_ms"] > 0


def test_a_path_that_a_stranger_made_up_is_not_logged(
    log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    call("GET", "/api/my-card-number-is")
    assert "my-card" not in log.getvalue() + capsys.readouterr().out


def read_sessions(app: Client) -> list[str]:
    return [each["sessionId"] for each in app.get("/api/conversations").json["conversations"]]


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_a_body_is_read_in_the_charset_that_it_declares(charset: str) -> None:
    app = create_app()
    raw = json.dumps({"sessionId": "Grüße"}, ensure_ascii=False).encode(charset)
    headers = app.headers | {"content-type": f"application/json; charset={charset}"}
    assert call("POST", "/api/conversations", raw=raw, headers=headers).status == 200
    assert read_sessions(app) == ["Grüße"]


def test_a_body_of_another_charset_is_refused_with_a_sentence() -> None:
    headers = create_app().headers | {"content-type": "application/json; charset=shift_jis"}
    reply = call("POST", "/api/conversations", raw=b'{"sessionId":"s"}', headers=headers)
    assert (reply.status, reply.json["error"].startswith("This charset is not read")) == (400, True)


def test_half_an_emoji_in_what_is_said_is_one_character_and_every_line_is_kept() -> None:
    app = create_app()
    said = [{"role": "agent", "content": content, "ts": 1} for content in ("Hi", "\ud83d")]
    raw = json.dumps({"sessionId": "s", "messages": said}).encode()
    assert rb"\ud83d" in raw
    assert call("POST", "/api/conversations", raw=raw, headers=app.headers).status == 200
    (conversation,) = app.get("/api/conversations").json["conversations"]
    assert [each["content"] for each in json.loads(conversation["transcript"])] == ["Hi", "\ufffd"]


@pytest.mark.parametrize(("half", "read"), [("\ud83d", "\ufffd"), ("\ude00x", "\ufffdx")])
def test_half_an_emoji_outside_of_json_breaks_nothing(half: str, read: str) -> None:
    app = create_app()
    for header in ("x-trace-id", "x-app-slug", "authorization", "origin", "content-type", "x-other"):
        made = make_event("POST", "/api/messages", body={"messages": [MESSAGE]}, headers=app.headers)
        made["headers"][header] = half
        assert handle(made).status in (200, 401), header
    for name in ("sessionId", "cursor", "appSlug", "sessionToken", "unknown"):
        made = make_event("GET", "/api/messages", query={"sessionId": "s"}, headers=app.headers)
        made["queryStringParameters"][name] = half
        assert handle(made).status in (200, 400), name
    made = make_event("POST", "/api/conversations", body={}, headers=app.headers)
    made["body"] = '{"sessionId": "' + half + '"}'
    assert handle(made).status == 200
    assert read_sessions(app) == [read]
