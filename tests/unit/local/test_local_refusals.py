"""Answers that no function gave look like those that functions give."""

import json
from collections.abc import Iterator

import pytest
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.http import Api

from local.serve.gateway import HttpRequest
from local.serve.refusals import (
    answer_fault,
    answer_not_found,
    answer_too_large,
    answer_unavailable,
    build_cors_headers,
)


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TABLE_NAME", "t")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    forget_all()
    yield
    forget_all()


def request(origin: str | None = None) -> HttpRequest:
    return HttpRequest("POST", "/x", "", [("Origin", origin)] if origin else [], b"", "127.0.0.1")


@pytest.mark.parametrize("allowed", ["", "https://a.example, https://b.example"])
@pytest.mark.parametrize("origin", [None, "https://a.example", "https://evil.example"])
def test_cors_headers_are_those_of_the_functions(
    monkeypatch: pytest.MonkeyPatch, allowed: str, origin: str | None
) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", allowed)
    event = {
        "requestContext": {"http": {"method": "OPTIONS"}},
        "headers": {"origin": origin} if origin else {},
    }
    theirs = {name.lower(): value for name, value in Api().handle(event, None)["headers"].items()}
    assert dict(build_cors_headers(origin, {"ALLOWED_ORIGINS": allowed})) == theirs


def test_a_fault_says_nothing_about_itself() -> None:
    reply = answer_fault(request(), {})
    assert (reply.status, reply.body) == (500, b'{"error":"Internal server error"}')
    assert ("access-control-allow-origin", "*") in reply.headers


def test_what_is_too_large_is_told_its_limit() -> None:
    reply = answer_too_large(6, request("https://a.example"), {"ALLOWED_ORIGINS": "https://a.example"})
    assert (reply.status, json.loads(reply.body)) == (413, {"error": "Request body too large: at most 6 MB"})
    assert ("access-control-allow-origin", "https://a.example") in reply.headers


def test_api_gateways_own_answers_are_its_own() -> None:
    assert (answer_unavailable().status, answer_unavailable().body) == (
        503,
        b'{"message":"Service Unavailable"}',
    )
    assert (answer_not_found().status, answer_not_found().body) == (404, b'{"message":"Not Found"}')
