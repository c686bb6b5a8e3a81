"""Every endpoint that is declared, against everything that is no valid request."""

import json
import re
from typing import Any

import pytest
from genai_voice.foundation.endpoints import Endpoint
from genai_voice.qa.model.scenarios import TURNS

from tests.support.minimal import (
    break_bodies,
    break_items,
    is_tolerant,
    list_required,
    make_minimal,
    make_minimal_body,
    read_schema,
    resolve_schema,
)
from tests.support.service import Client, Reply, call, create_app, list_endpoints, record_calls
from tests.support.valid import make_body, make_query, name_endpoint

WITH_BODY = [endpoint for endpoint in list_endpoints() if endpoint.takes_body]
DECLARED = [endpoint for endpoint in WITH_BODY if "body" in endpoint.wants]
WITH_QUERY = [endpoint for endpoint in list_endpoints() if "query" in endpoint.wants]


@pytest.fixture(scope="module")
def app(engine: None) -> Client:
    return create_app()


def send(app: Client, endpoint: Endpoint, raw: bytes, **headers: str) -> Reply:
    return call(endpoint.method, endpoint.path, raw=raw, headers=app.headers | headers)


def refused(app: Client, reply: Reply, *statuses: int) -> None:
    """A clear refusal, and nothing was written."""
    assert reply.status in (statuses or (400,)), reply.text
    assert set(reply.json) <= {"error", "missing"}
    assert reply.json["error"] not in ("", "Internal server error")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"


NO_OBJECTS = {
    "not JSON": b"{",
    "array": b"[]",
    "null": b"null",
    "text": b'"x"',
    "number": b"1",
    "NaN": b'{"x": NaN}',
    "Infinity": b'{"x": -Infinity}',
    "20,000 deep": b"[" * 20_000 + b"]" * 20_000,
    "20,000 deep inside": b'{"x":' * 20_000 + b"1" + b"}" * 20_000,
    "no UTF-8": b'{"x": "\xff"}',
    "two values": b"{} {}",
}


@pytest.mark.parametrize("raw", NO_OBJECTS.values(), ids=NO_OBJECTS.keys())
@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_endpoint)
def test_a_body_that_is_no_json_object_is_refused(app: Client, endpoint: Endpoint, raw: bytes) -> None:
    # What is no text arrives as base64, as every body does whose type is not known to be text.
    with record_calls() as calls:
        reply = send(app, endpoint, raw, **{"content-type": "application/webhook+json"})
    if endpoint.lenient_body:
        assert reply.status == endpoint.status
    else:
        refused(app, reply)
        assert re.fullmatch(r"Invalid JSON body(: line \d+ column \d+)?", reply.json["error"])
        assert not calls.written


@pytest.mark.parametrize(
    "raw", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf{}"], ids=["empty", "a mark", "a mark first"]
)
@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_endpoint)
def test_no_body_is_an_empty_object(app: Client, endpoint: Endpoint, raw: bytes) -> None:
    reply = send(app, endpoint, raw)
    expected = call(endpoint.method, endpoint.path, body={}, headers=app.headers)
    assert (reply.status, reply.json.keys()) == (expected.status, expected.json.keys())
    assert reply.json.get("missing") == expected.json.get("missing")


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_endpoint)
def test_half_an_emoji_anywhere_breaks_nothing(app: Client, endpoint: Endpoint) -> None:
    body = make_body(endpoint, app) or {}
    declared = read_schema(endpoint.wants["body"])["properties"] if "body" in endpoint.wants else {}
    for field in ["unknown", *declared]:
        raw = json.dumps(body | {field: "x\ud83d"}).encode()
        reply = call(endpoint.method, endpoint.path, raw=raw, headers=app.headers)
        assert reply.status in ((endpoint.status,) if field == "unknown" else (endpoint.status, 400, 404))


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_endpoint)
def test_an_oversized_body_is_refused_before_anything_else(app: Client, endpoint: Endpoint) -> None:
    padded = json.dumps(make_minimal_body(endpoint) | {"padding": "x" * endpoint.body_limit}).encode()
    for headers in (app.headers, {}):
        reply = call(endpoint.method, endpoint.path, raw=padded, headers=headers)
        refused(app, reply, 413)


OWN_TEXTS = {"turns": TURNS}
"""Of fields whose items have one text for all that may be wrong with them."""


@pytest.mark.parametrize("endpoint", DECLARED, ids=name_endpoint)
def test_a_field_of_a_wrong_type_is_refused_by_name(app: Client, endpoint: Endpoint) -> None:
    cases = list(break_bodies(endpoint))
    assert cases
    for path, body in cases:
        if endpoint.headers_as_body and path in ("appSlug", "appSecret"):
            continue  # a credential of a wrong type is absent, and the headers give it
        with record_calls() as calls:
            reply = send(app, endpoint, json.dumps(body).encode())
        refused(app, reply)
        named = OWN_TEXTS.get(path.partition("[")[0], path)
        missing = reply.json["error"] == endpoint.wants["body"].missing
        assert named in reply.json["error"] or missing, (path, body, reply.text)
        assert not calls.written


TOLERANT = [
    (endpoint, name)
    for endpoint in DECLARED
    for name in read_schema(endpoint.wants["body"])["properties"]
    if is_tolerant(endpoint.wants["body"], name)
]


@pytest.mark.parametrize(("endpoint", "name"), TOLERANT, ids=lambda each: getattr(each, "path", each))
def test_an_item_of_any_shape_is_usable_or_counted(app: Client, endpoint: Endpoint, name: str) -> None:
    schema = read_schema(endpoint.wants["body"])
    items = resolve_schema(schema["properties"][name], schema)["items"]
    bodies = [body for _, body in break_items(endpoint, name, items, schema)]
    assert bodies
    usable = make_minimal(items, schema)
    odd: list[Any] = [None, 5, True, "x", [], {}, [[]], {"": {}}, {"content": [[{}], {"text": [1]}]}]
    for body in [*bodies, *({**bodies[0], name: [usable, each]} for each in odd)]:
        body[name].append(usable)
        reply = send(app, endpoint, json.dumps(body).encode())
        assert reply.status == endpoint.status, (body, reply.text)
        assert reply.json.get("ignored", 0) < len(body[name])


@pytest.mark.parametrize("absent", [None, "", "left out"])
@pytest.mark.parametrize("endpoint", [each for each in DECLARED if list_required(each)], ids=name_endpoint)
def test_a_required_field_that_is_absent_null_or_empty_is_missing(
    app: Client, endpoint: Endpoint, absent: str | None
) -> None:
    for field in list_required(endpoint):
        body: dict[str, Any] = make_minimal_body(endpoint) | {field: absent}
        if absent == "left out":
            del body[field]
        headers = {} if endpoint.headers_as_body else app.headers
        reply = call(endpoint.method, endpoint.path, body=body, headers=headers)
        told = {"error": endpoint.wants["body"].missing, "missing": [field]}
        assert (reply.status, reply.json) == (400, told)


@pytest.mark.parametrize("endpoint", [each for each in DECLARED if list_required(each)], ids=name_endpoint)
def test_all_that_is_missing_is_named(app: Client, endpoint: Endpoint) -> None:
    headers = {} if endpoint.headers_as_body else app.headers
    reply = call(endpoint.method, endpoint.path, body={}, headers=headers)
    assert (reply.status, set(reply.json["missing"]) >= set(list_required(endpoint))) == (400, True)


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_endpoint)
def test_unknown_keys_are_ignored(app: Client, endpoint: Endpoint) -> None:
    unknown = {"unknown": {"a": [1, None]}, "": 1, "__proto__": {}, "app": "x", "caller": 1, "\u0000": 2}
    body = (make_body(endpoint, app) or {}) | unknown
    assert call(endpoint.method, endpoint.path, body=body, headers=app.headers).status == endpoint.status


@pytest.mark.parametrize("text", ["\0", "a\0b", "#", "~", "%", "é" * 999, "\U0001f600", "\u202e", " "])
@pytest.mark.parametrize("endpoint", DECLARED, ids=name_endpoint)
def test_odd_texts_are_stored_or_refused_but_never_break(app: Client, endpoint: Endpoint, text: str) -> None:
    schema = read_schema(endpoint.wants["body"])
    body = make_body(endpoint, app) or {}
    for field, declared in schema["properties"].items():
        if resolve_schema(declared, schema).get("type") == "string":
            reply = call(endpoint.method, endpoint.path, body=body | {field: text}, headers=app.headers)
            assert reply.status in (endpoint.status, 400, 404), reply.text


@pytest.mark.parametrize(
    "number", ["1e999", "1" + "0" * 400, "-1" + "0" * 5000, "1e-400", "5e-324", "1e15", "-1e15"]
)
@pytest.mark.parametrize("endpoint", DECLARED, ids=name_endpoint)
def test_numbers_beyond_the_store_are_refused_or_ignored(
    app: Client, endpoint: Endpoint, number: str
) -> None:
    """Where a number is declared it is refused; among unknown keys it must not break anything."""
    valid = make_body(endpoint, app) or {}
    for field in ["unknown", *read_schema(endpoint.wants["body"])["properties"]]:
        body = json.dumps(valid | {field: "NUMBER"}).replace('"NUMBER"', number)
        reply = send(app, endpoint, body.encode())
        assert reply.status in (endpoint.status, 400), (field, reply.text)
        assert reply.status == 400 or field == "unknown" or _may_be(endpoint, field, number), (
            field,
            reply.text,
        )


def _may_be(endpoint: Endpoint, field: str, number: str) -> bool:
    """0 by underflow is a number; a time to live has no upper limit but its cap; a wrong credential is
    absent; called tools that are no array are none.
    """
    return number == "1e-400" or field in ("ttlMs", "appSlug", "appSecret", "calledTools")


@pytest.mark.parametrize("endpoint", WITH_QUERY, ids=name_endpoint)
def test_odd_queries_never_break(app: Client, endpoint: Endpoint) -> None:
    valid = make_query(endpoint, app)
    fields = [*read_schema(endpoint.wants["query"])["properties"], "unknown", "limit", "all"]
    for field in fields:
        for value in ["", " ", "x" * 5_000, "\0", "é", "-1", "NaN", "1e999", "#", "[]", "%00"]:
            reply = app.get(endpoint.path, **valid | {field: value})
            assert reply.status in (200, 400, 404), (field, value, reply.text)
            if reply.status == 400:
                assert field in reply.json["error"], (field, value, reply.text)


@pytest.mark.parametrize(
    "endpoint",
    [each for each in WITH_QUERY if "cursor" in read_schema(each.wants["query"])["properties"]],
    ids=name_endpoint,
)
def test_a_cursor_that_was_made_up_is_refused(app: Client, endpoint: Endpoint) -> None:
    for cursor in ["x", "AAAA", "A" * 100, "é", "!!", "====", "eyJhIjoxfQ"]:
        reply = app.get(endpoint.path, **make_query(endpoint, app), cursor=cursor)
        refused(app, reply)
        assert "cursor" in reply.json["error"]


@pytest.mark.parametrize("trace", ["", "x" * 1_001, "\0", "é"])
@pytest.mark.parametrize(
    "endpoint", [each for each in list_endpoints() if "trace_id" in each.wants], ids=name_endpoint
)
def test_odd_trace_ids_never_break(app: Client, endpoint: Endpoint, trace: str) -> None:
    headers = app.headers | {"x-trace-id": trace}
    reply = call(endpoint.method, endpoint.path, body=make_body(endpoint, app), headers=headers)
    assert reply.status == (400 if len(trace) > 1_000 else endpoint.status), reply.text
