"""Events and replies as API Gateway's HTTP API makes them, payload 2.0."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from local.serve.gateway import Event, Headers, HttpRequest, InvalidReply, build_event, read_reply

NOW = datetime(2026, 3, 9, 8, 7, 6, 543000, tzinfo=UTC)


def event(
    method: str = "GET",
    path: str = "/api/x",
    query: str = "",
    headers: Headers | None = None,
    body: bytes = b"",
    source: str = "192.0.2.1",
) -> Event:
    given = [("Host", "localhost:3000"), *(headers or [])]
    return build_event(HttpRequest(method, path, query, given, body, source), "GET /api/x", "request-1", NOW)


def test_an_event_has_every_field_of_payload_2() -> None:
    assert event(
        "POST", "/api/x", "a=1", [("User-Agent", "test/1"), ("Content-Type", "text/plain")], b"hello"
    ) == {
        "version": "2.0",
        "routeKey": "GET /api/x",
        "rawPath": "/api/x",
        "rawQueryString": "a=1",
        "headers": {
            "host": "localhost:3000",
            "user-agent": "test/1",
            "content-type": "text/plain",
            "content-length": "5",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"a": "1"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "localhost",
            "domainPrefix": "localhost",
            "http": {
                "method": "POST",
                "path": "/api/x",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test/1",
            },
            "requestId": "request-1",
            "routeKey": "GET /api/x",
            "stage": "$default",
            "time": "09/Mar/2026:08:07:06 +0000",
            "timeEpoch": 1773043626543,
        },
        "body": "hello",
        "isBase64Encoded": False,
    }


def test_what_is_absent_has_no_field() -> None:
    bare = event()
    assert {"body", "cookies", "queryStringParameters"}.isdisjoint(bare)
    assert bare["isBase64Encoded"] is False
    assert bare["rawQueryString"] == ""


def test_header_names_are_lower_case_and_repeated_headers_are_joined() -> None:
    headers = event(headers=[("X-Thing", "1"), ("Accept", "a"), ("x-thing", "2")])["headers"]
    assert headers["x-thing"] == "1,2"
    assert headers["accept"] == "a"


def test_cookies_have_their_own_field_and_no_header() -> None:
    made = event(headers=[("Cookie", "a=1; b=2"), ("cookie", "c=3")])
    assert made["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in made["headers"]


def test_headers_of_the_connection_are_not_forwarded() -> None:
    headers = event(headers=[("Connection", "close"), ("Transfer-Encoding", "chunked")], body=b"x")["headers"]
    assert {"connection", "transfer-encoding"}.isdisjoint(headers)
    assert headers["content-length"] == "1"


def test_the_senders_address_is_appended_to_what_a_proxy_said() -> None:
    assert (
        event(headers=[("X-Forwarded-For", "198.51.100.9")])["headers"]["x-forwarded-for"]
        == "198.51.100.9,192.0.2.1"
    )


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        pytest.param("a=1&a=2&b=3", {"a": "1,2", "b": "3"}, id="repeated"),
        pytest.param("a=", {"a": ""}, id="empty value"),
        pytest.param("a", {"a": ""}, id="no value"),
        pytest.param("a=b%20c+d", {"a": "b c d"}, id="spaces"),
        pytest.param("%C3%A4=%F0%9F%99%82", {"ä": "🙂"}, id="UTF-8"),
        pytest.param("a=%FF%fe", {"a": "��"}, id="no UTF-8"),
        pytest.param("a=%zz", {"a": "%zz"}, id="no escape"),
        pytest.param("a=1;b=2", {"a": "1;b=2"}, id="a semicolon separates nothing"),
        pytest.param("&&", None, id="nothing in it"),
    ],
)
def test_the_query_string_comes_raw_and_decoded(query: str, parameters: dict[str, str] | None) -> None:
    made = event(query=query)
    assert made["rawQueryString"] == query
    assert made.get("queryStringParameters") == parameters


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "text/plain",
        "text/csv",
        "application/xml",
        "application/javascript",
    ],
)
def test_a_text_body_comes_as_text(content_type: str) -> None:
    made = event("POST", headers=[("content-type", content_type)], body='{"ä": 1}'.encode())
    assert (made["body"], made["isBase64Encoded"]) == ('{"ä": 1}', False)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("content-type", "application/webhook+json")], id="webhook+json"),
        pytest.param([("content-type", "application/problem+json")], id="a JSON dialect"),
        pytest.param([("content-type", "application/octet-stream")], id="bytes"),
        pytest.param([("content-type", "application/json; charset=utf-16")], id="another charset"),
        pytest.param([("content-type", "application/x-www-form-urlencoded")], id="form"),
        pytest.param([("content-type", "image/png")], id="image"),
        pytest.param([], id="no content type"),
    ],
)
def test_any_other_body_comes_as_base64(headers: Headers) -> None:
    made = event("POST", headers=headers, body=b'{"a":1}\xff')
    assert made["isBase64Encoded"] is True
    assert base64.b64decode(made["body"]) == b'{"a":1}\xff'


def test_bytes_that_are_no_text_do_no_harm() -> None:
    made = event("POST", headers=[("content-type", "application/json")], body=b'"\xff\xfe"')
    assert made["body"] == '"��"'
    json.dumps(made).encode()


@pytest.mark.parametrize("host", ["[::1]:3000", "", "a.b.example"])
def test_any_host_header_is_taken(host: str) -> None:
    request = HttpRequest("GET", "/", "", [("host", host)], b"", "::1")
    assert json.dumps(build_event(request, "$default", "r", NOW))


def test_a_reply_with_a_status_is_taken_as_it_is() -> None:
    reply = read_reply(
        {"statusCode": 201, "headers": {"X-A": "1", "Content-Type": "text/html"}, "body": "<p>"}
    )
    assert (reply.status, reply.headers, reply.body) == (
        201,
        [("x-a", "1"), ("content-type", "text/html")],
        b"<p>",
    )


def test_text_without_a_content_type_is_plain_text() -> None:
    assert read_reply({"statusCode": 200, "body": "ä"}).headers == [
        ("content-type", "text/plain;charset=UTF-8")
    ]


@pytest.mark.parametrize("answer", [{"a": 1}, ["x"], "text", None, 7])
def test_a_reply_without_a_status_is_json(answer: Any) -> None:
    reply = read_reply(answer)
    assert (reply.status, reply.headers) == (200, [("content-type", "application/json")])
    assert json.loads(reply.body) == answer


def test_each_cookie_is_a_header() -> None:
    reply = read_reply({"statusCode": 200, "cookies": ["a=1; Secure", "b=2"]})
    assert reply.headers == [("set-cookie", "a=1; Secure"), ("set-cookie", "b=2")]


def test_base64_becomes_bytes() -> None:
    assert read_reply({"statusCode": 200, "body": "AP8=", "isBase64Encoded": True}).body == b"\x00\xff"


@pytest.mark.parametrize("status", [204, 304])
def test_some_replies_have_no_body(status: int) -> None:
    assert read_reply({"statusCode": status, "body": "unseen"}).body == b""


def test_values_of_headers_become_text_on_one_line_and_lengths_are_ours() -> None:
    given = {
        "X-N": 5,
        "X-T": True,
        "X-None": None,
        "X-Line": "a\r\nSet-Cookie: b",
        "Content-Length": "99",
        "X-U": "→",
    }
    assert read_reply({"statusCode": 200, "headers": given}).headers == [
        ("x-n", "5"),
        ("x-t", "true"),
        ("x-line", "a Set-Cookie: b"),
        ("x-u", "?"),
    ]


def test_a_status_may_be_a_text() -> None:
    assert read_reply({"statusCode": "404"}).status == 404


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"statusCode": "many"}, id="status is a word"),
        pytest.param({"statusCode": True}, id="status is a truth"),
        pytest.param({"statusCode": 99}, id="status too small"),
        pytest.param({"statusCode": 600}, id="status too large"),
        pytest.param({"statusCode": None}, id="status is null"),
        pytest.param({"statusCode": 200, "body": {"a": 1}}, id="body is an object"),
        pytest.param({"statusCode": 200, "body": "%%%", "isBase64Encoded": True}, id="body is no base64"),
        pytest.param({"statusCode": 200, "headers": ["a"]}, id="headers are a list"),
        pytest.param({"statusCode": 200, "headers": {"a": [1]}}, id="a header is a list"),
        pytest.param({"statusCode": 200, "headers": {"a b": "x"}}, id="a header's name has a space"),
        pytest.param({"statusCode": 200, "headers": {"ä": "x"}}, id="a header's name is not ASCII"),
        pytest.param({"statusCode": 200, "cookies": "a=1"}, id="cookies are a text"),
        pytest.param({"statusCode": 200, "cookies": [1]}, id="a cookie is a number"),
    ],
)
def test_an_invalid_reply_is_refused(answer: Any) -> None:
    with pytest.raises(InvalidReply):
        read_reply(answer)
