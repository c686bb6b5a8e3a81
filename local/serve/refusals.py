"""Replies that no function gave: the limits of the platform, faults, and their CORS headers.

Envelope and headers are those of `foundation.http`, which this process does not import; a test compares the
two.
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
    """Answer a request whose function has failed."""
    return _refuse(500, "Internal server error", request, variables)


def answer_too_large(limit_mb: int, request: HttpRequest, variables: Mapping[str, str]) -> HttpReply:
    """Answer a request, or a reply, that is over the platform's limit."""
    return _refuse(413, f"Request body too large: at most {limit_mb} MB", request, variables)


def answer_unavailable() -> HttpReply:
    """Answer as API Gateway does when a function takes too long or is not there."""
    return _make_reply(503, {"message": "Service Unavailable"}, [])


def answer_not_found() -> HttpReply:
    """Answer as API Gateway does where no route matches and there is no $default."""
    return _make_reply(404, {"message": "Not Found"}, [])


def build_cors_headers(origin: str | None, variables: Mapping[str, str]) -> Headers:
    """Build the CORS headers of a reply, as ALLOWED_ORIGINS says."""
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
