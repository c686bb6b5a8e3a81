"""Serve endpoints: from an API Gateway event (payload 2.0) to a reply. Each request writes one line of log.

An endpoint is declared by its signature. Its parameters are found by name, and one that is not among these is
refused when the module is loaded, as is a parameter or a reply without a type:

    caller      who is calling, resolved from the credentials; an endpoint without it needs none
    body        a `Request` model read from the JSON body
    query       a `Request` model read from the query string
    trace_id    the X-Trace-Id header or None
    credentials what the request carries, unchecked, for the endpoint that trades it
"""

from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter
from typing import Any, Protocol, TypeVar, Unpack

from pydantic_core import to_json

from genai_voice.foundation.endpoints import Endpoint, Options, declare_endpoint
from genai_voice.foundation.errors import NotFound, Refused, Unauthorized
from genai_voice.foundation.incoming import Credentials, Event, IncomingRequest
from genai_voice.foundation.log import report_fault, report_request
from genai_voice.foundation.model import parse
from genai_voice.foundation.settings import get_settings

F = TypeVar("F", bound=Callable[..., Any])

_ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, Authorization, X-App-Slug, X-Trace-Id, Idempotency-Key",
    "Access-Control-Max-Age": "86400",
}
_TOO_NARROW = {
    "manage": "This app limits its session tokens to runtime calls: use the app secret",
    "secret": "Session tokens are not accepted here: use the app secret",
}


class Tenant(Protocol):
    @property
    def slug(self) -> str: ...


class Identity(Protocol):
    @property
    def app(self) -> Tenant: ...
    @property
    def scopes(self) -> frozenset[str]: ...


class Api:
    """The endpoints of one function. `handler` is what Lambda calls; nothing of a request outlives its local
    variables.
    """

    def __init__(self, resolve: Callable[[Credentials], Identity] | None = None) -> None:
        self.endpoints: dict[tuple[str, str], Endpoint] = {}
        self._resolve = resolve

    def get(self, path: str, **options: Unpack[Options]) -> Callable[[F], F]:
        return self._declare("GET", path, {"caller_first": True, **options})

    def head(self, path: str, **options: Unpack[Options]) -> Callable[[F], F]:
        """Declare what answers as GET does, of which only the headers are sent."""
        return self._declare("HEAD", path, {"caller_first": True, **options})

    def post(self, path: str, **options: Unpack[Options]) -> Callable[[F], F]:
        return self._declare("POST", path, options)

    def patch(self, path: str, **options: Unpack[Options]) -> Callable[[F], F]:
        return self._declare("PATCH", path, options)

    def delete(self, path: str, **options: Unpack[Options]) -> Callable[[F], F]:
        return self._declare("DELETE", path, options)

    def _declare(self, method: str, path: str, options: Options) -> Callable[[F], F]:
        def declare(call: F) -> F:
            self.endpoints[method, path] = declare_endpoint(method, path, call, options)
            return call

        return declare

    def handle(self, event: Event, context: object) -> dict[str, Any]:
        """Answer every event with a payload 2.0 reply: nothing that a caller sends makes it raise."""
        request = IncomingRequest(event)
        try:
            status, reply = self._serve(request)
        except Refused as refused:
            status, reply = refused.status, refused.reply()
        except Exception as fault:  # the edge: a bug is never shown
            report_fault(request.route, request.trace_id, fault)
            status, reply = 500, {"error": "Internal server error"}
        report_request(
            request.route,
            status,
            app=request.app,
            session=request.session,
            trace_id=request.trace_id,
            duration_ms=(perf_counter() - request.started) * 1000,
            meter=request.meter,
        )
        return _make_reply(status, reply, request.find_header("origin"))

    def _serve(self, request: IncomingRequest) -> tuple[int, object]:
        """Find the endpoint, check the caller and the input, and call it. Raises Refused."""
        if request.method == "OPTIONS":
            return HTTPStatus.NO_CONTENT, None
        endpoint = self.endpoints.get((request.method, request.path))
        if endpoint is None:
            raise NotFound("Not found")
        request.route = f"{endpoint.method} {endpoint.path}"
        request.read(endpoint)
        steps = (self._admit, _validate) if endpoint.caller_first else (_validate, self._admit)
        arguments: dict[str, Any] = {}
        for step in steps:
            arguments |= step(endpoint, request)
        return endpoint.status, endpoint.call(**arguments)

    def _admit(self, endpoint: Endpoint, request: IncomingRequest) -> dict[str, Any]:
        """Find the caller where the endpoint wants one. Raises Unauthorized, TooManyRequests."""
        if "caller" not in endpoint.wants or self._resolve is None:
            return {}
        caller = self._resolve(request.credentials)
        request.app = caller.app.slug
        require_scope(caller, endpoint.scope)
        return {"caller": caller}


def require_scope(caller: Identity, scope: str) -> None:
    """Require that the caller is allowed this, where it depends on what was sent. Raises Unauthorized."""
    if scope not in caller.scopes:
        raise Unauthorized(_TOO_NARROW[scope])


def _validate(endpoint: Endpoint, request: IncomingRequest) -> dict[str, Any]:
    """Make the arguments of the endpoint, but for the caller. Raises BadRequest."""
    wants = endpoint.wants
    arguments: dict[str, Any] = {}
    if "body" in wants:
        body = request.merge_headers_into_body() if endpoint.headers_as_body else request.body
        arguments["body"] = parse(wants["body"], body)
    if "query" in wants:
        arguments["query"] = parse(wants["query"], request.query)
    if "trace_id" in wants:
        arguments["trace_id"] = request.read_trace_id()
    if "credentials" in wants:
        arguments["credentials"] = request.credentials
    request.session = getattr(arguments.get("body") or arguments.get("query"), "session_id", None)
    return arguments


def _make_reply(status: int, reply: object, origin: str | None) -> dict[str, Any]:
    """Make the reply of payload 2.0."""
    headers = _make_cors_headers(origin)
    if status == HTTPStatus.NO_CONTENT:
        return {"statusCode": 204, "headers": headers, "body": ""}
    headers["Content-Type"] = "application/json"
    return {"statusCode": int(status), "headers": headers, "body": to_json(reply).decode()}


def _make_cors_headers(origin: str | None) -> dict[str, str]:
    """Make the CORS headers. Every reply has them, so that a function URL, `sam local` and API Gateway behave
    alike (contract 1.4).
    """
    allowed = get_settings().allowed_origins
    if not allowed:
        return {"Access-Control-Allow-Origin": "*", **_ALLOWED}
    if origin in allowed:
        # Credentials: page-unload beacons are always sent in that mode, and are dropped without it.
        return {
            "Access-Control-Allow-Origin": origin or "",
            "Access-Control-Allow-Credentials": "true",
            "Vary": "Origin",
            **_ALLOWED,
        }
    return {"Vary": "Origin", **_ALLOWED}
