"""Answers that no function gave: the limits of the platform, faults, and their CORS headers.

Envelope and headers are those of `foundation.http`, which this process does not import; a test compares them.
"""

import json
from collections.abc import Mapping

from local.serve.gateway import Headers, HttpReply, HttpRequest

_ALWAYS = [
    ("access-control-allow-methods", "GET, POST, PATCH, DELETE, OPTIONS"),
    ("access-control-allow-headers", "Content-Type, Authorization, X-App-Slug, X-Trace-Id, Idempotency-Key"),
    ("access-control-max-age", "86400"),
]


def answer_fault(request: HttpRequest, variables: Mapping[str, str]) -> HttpReply:
    return _refuse(500, "Internal server error", request, variables)


def answer_too_large(limit_mb: int, request: HttpRequest, variables: Mapping[str, str]) -> HttpReply:
    return _refuse(413, f"Request body too large: at most {limit_mb} MB", request, variables)


def answer_unavailable() -> HttpReply:
    """API Gateway's own answer when a function takes too long or is not there."""
    return _make_reply(503, {"message": "Service Unavailable"}, [])


def answer_not_found() -> HttpReply:
    """API Gateway's own answer where no route matches and there is no $default."""
    return _make_reply(404, {"message": "Not Found"}, [])


def build_cors_headers(origin: str | None, variables: Mapping[str, str]) -> Headers:
    allowed = [each.strip() for each in variables.get("ALLOWED_ORIGINS", "").split(",") if each.strip()]
    if not allowed:
        return [("access-control-allow-origin", "*"), *_ALWAYS]
    if origin in allowed:
        reflected = [
            ("access-control-allow-origin", str(origin)),
            ("access-control-allow-credentials", "true"),
        ]
        return [*reflected, ("vary", "Origin"), *_ALWAYS]
    return [("vary", "Origin"), *_ALWAYS]


def _refuse(status: int, message: str, request: HttpRequest, variables: Mapping[str, str]) -> HttpReply:
    return _make_reply(
        status, {"error": message}, build_cors_headers(request.find_header("origin"), variables)
    )


def _make_reply(status: int, body: dict[str, str], headers: Headers) -> HttpReply:
    return HttpReply(
        status,
        [*headers, ("content-type", "application/json")],
        json.dumps(body, separators=(",", ":")).encode(),
    )
