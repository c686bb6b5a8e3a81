"""From an API Gateway event (payload 2.0) to a reply: routes, credentials, validation, limits, CORS, errors,
one log line.

An endpoint is declared by its signature. Its parameters are found by name, and one that is not among these is
refused when the module is loaded, as is a parameter or a reply without a type:

    caller      who is calling, resolved from the credentials; an endpoint without it needs none
    body        a `Request` model read from the JSON body
    query       a `Request` model read from the query string
    trace_id    the X-Trace-Id header or None
    credentials what the request carries, unchecked, for the endpoint that trades it
"""

import traceback
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from inspect import signature
from time import perf_counter
from typing import Any, Protocol, TypeVar, Unpack, get_type_hints

from pydantic_core import from_json, to_json
from typing_extensions import TypedDict

from genai_voice.foundation.errors import (
    BadRequest,
    Busy,
    NotFound,
    Refused,
    TooLarge,
    TooManyRequests,
    Unauthorized,
)
from genai_voice.foundation.log import report_fault, report_request
from genai_voice.foundation.metering import Meter, start_metering
from genai_voice.foundation.model import parse
from genai_voice.foundation.settings import settings

Event = Mapping[str, Any]
F = TypeVar("F", bound=Callable[..., Any])

MEGABYTE = 1024 * 1024
_ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, Authorization, X-App-Slug, X-Trace-Id, Idempotency-Key",
    "Access-Control-Max-Age": "86400",
}
_CREDENTIAL_FIELDS = ("appSlug", "appSecret", "sessionToken")
_TOO_NARROW = {
    "manage": "This app limits its session tokens to runtime calls: use the app secret",
    "secret": "Session tokens are not accepted here: use the app secret",
}
_PARAMETERS = {"caller", "body", "query", "trace_id", "credentials"}
_LONGEST_TRACE_ID = 1000  # characters


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where a request carries credentials. Empty text and values of another type are absent."""

    bearer: str | None
    """The token of `Authorization: Bearer …`."""
    slug: str | None
    """The X-App-Slug header."""
    query: Mapping[str, str]
    body: Mapping[str, str]
    source: str
    """The caller's address."""


class Tenant(Protocol):
    @property
    def slug(self) -> str: ...


class Identity(Protocol):
    @property
    def app(self) -> Tenant: ...
    @property
    def scopes(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One declaration, from which the route, the checks and the generated tests are made."""

    method: str
    path: str
    call: Callable[..., Any]
    wants: Mapping[str, Any]
    """Parameter names and their types."""
    reply: Any
    """The TypedDict answered."""
    caller_first: bool = False
    """Whether credentials are checked before the input (contract 2.4)."""
    scope: str = "runtime"
    """What the caller must be allowed: `runtime` (hold conversations), `manage` (change what agents say and
    do) or `secret` (what no session token may).
    """
    body_limit: int = MEGABYTE
    """Bytes."""
    lenient_body: bool = False
    """Whether a body that is no JSON object counts as {}."""
    headers_as_body: bool = False
    """Whether X-App-Slug and Bearer stand for the body's appSlug and appSecret, and win."""
    status: int = HTTPStatus.OK
    """Of a reply that is no refusal."""
    raises: tuple[type[Refused], ...] = ()
    """What its use case refuses with, beside what `refusals` derives."""

    @property
    def refusals(self) -> list[int]:
        """Every status that it may refuse with, ascending. 500 is none: that is a bug."""
        found: set[type[Refused]] = set(self.raises)
        if {"query", "trace_id"} & self.wants.keys():
            found |= {BadRequest}
        if self.method != "GET":  # credentials may be in the body
            found |= {BadRequest, TooLarge}
        if {"caller", "credentials"} & self.wants.keys():
            found |= {Unauthorized, TooManyRequests, Busy}  # 429: wrong secrets are slowed
        return sorted(each.status for each in found)


class Options(TypedDict, total=False):
    """What a declaration may say beside its route: see `Endpoint`."""

    caller_first: bool
    scope: str
    body_limit: int
    lenient_body: bool
    headers_as_body: bool
    status: int
    raises: tuple[type[Refused], ...]


class Api:
    """The endpoints of one function. `handler` is what Lambda calls; nothing of a request outlives its local
    variables.
    """

    def __init__(self, resolve: Callable[[Credentials], Identity] | None = None) -> None:
        self.endpoints: dict[tuple[str, str], Endpoint] = {}
        self._resolve = resolve

    def get(self, path: str, **options: Unpack[Options]) -> Callable[[F], F]:
        return self._declare("GET", path, {"caller_first": True, **options})

    def post(self, path: str, **options: Unpack[Options]) -> Callable[[F], F]:
        return self._declare("POST", path, options)

    def patch(self, path: str, **options: Unpack[Options]) -> Callable[[F], F]:
        return self._declare("PATCH", path, options)

    def delete(self, path: str, **options: Unpack[Options]) -> Callable[[F], F]:
        return self._declare("DELETE", path, options)

    def _declare(self, method: str, path: str, options: Options) -> Callable[[F], F]:
        def declare(call: F) -> F:
            wants = get_type_hints(call)
            _check_declaration(f"{method} {path}: {call.__name__}", list(signature(call).parameters), wants)
            reply = wants.pop("return")
            self.endpoints[method, path] = Endpoint(
                method=method, path=path, call=call, wants=wants, reply=reply, **options
            )
            return call

        return declare

    def handler(self, event: Event, context: object) -> dict[str, Any]:
        """Answers every event with a payload 2.0 reply: nothing that a caller sends makes it raise."""
        request = _HttpRequest(event)
        try:
            status, reply = self._serve(request)
        except Refused as refused:
            status, reply = refused.status, refused.reply()
        except Exception as fault:  # the edge: a bug is never shown
            report_fault(
                request.route,
                request.trace_id,
                fault.__class__.__qualname__,
                traceback.extract_tb(fault.__traceback__),
            )
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
        return _reply(status, reply, request.header("origin"))

    def _serve(self, request: "_HttpRequest") -> tuple[int, object]:
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

    def _admit(self, endpoint: Endpoint, request: "_HttpRequest") -> dict[str, Any]:
        if "caller" not in endpoint.wants or self._resolve is None:
            return {}
        caller = self._resolve(request.credentials)
        request.app = caller.app.slug
        if endpoint.scope not in caller.scopes:
            raise Unauthorized(_TOO_NARROW[endpoint.scope])
        return {"caller": caller}


def _check_declaration(name: str, parameters: Sequence[str], types: Mapping[str, Any]) -> None:
    """Check that an endpoint can be served. Raises TypeError with a sentence for whoever declares it."""
    for parameter in parameters:
        if parameter not in _PARAMETERS:
            may_have = ", ".join(sorted(_PARAMETERS))
            raise TypeError(f"{name} has the parameter {parameter}, and an endpoint may have {may_have}.")
        if parameter not in types:
            raise TypeError(f"{name} does not say the type of {parameter}.")
    if "return" not in types:
        raise TypeError(f"{name} does not say the type of its reply.")


def _validate(endpoint: Endpoint, request: "_HttpRequest") -> dict[str, Any]:
    wants = endpoint.wants
    arguments: dict[str, Any] = {}
    if "body" in wants:
        body = _with_headers(request) if endpoint.headers_as_body else request.body
        arguments["body"] = parse(wants["body"], body)
    if "query" in wants:
        arguments["query"] = parse(wants["query"], request.query)
    if "trace_id" in wants:
        arguments["trace_id"] = request.checked_trace_id()
    if "credentials" in wants:
        arguments["credentials"] = request.credentials
    request.session = getattr(arguments.get("body") or arguments.get("query"), "session_id", None)
    return arguments


def _with_headers(request: "_HttpRequest") -> dict[str, Any]:
    """The body with the credentials of the headers in it. Those of a wrong type are absent."""
    given = {"appSlug": request.credentials.slug, "appSecret": request.credentials.bearer}
    return {
        **{name: value for name, value in request.body.items() if name not in _CREDENTIAL_FIELDS},
        **request.credentials.body,
        **{name: value for name, value in given.items() if value},
    }


class _HttpRequest:
    """One event and what becomes known of it on the way."""

    def __init__(self, event: Event) -> None:
        self.started = perf_counter()
        self.meter: Meter = start_metering()
        self.event = event
        given: Mapping[str, str] = event.get("headers") or {}
        self.headers = {
            name.lower(): value for name, value in given.items()
        }  # `sam local` leaves them as sent
        http = event.get("requestContext", {}).get("http", {})
        self.method: str = http.get("method", "")
        self.path: str = event.get("rawPath", "")
        self.route = "$default"  # what is logged: never a path that a stranger made up
        self.app: str | None = None
        self.session: str | None = None
        self.trace_id = self.header("x-trace-id")

    def read(self, endpoint: Endpoint) -> None:
        """Query, body and the credentials in them. Raises TooLarge, BadRequest."""
        self.query: Mapping[str, str] = self.event.get("queryStringParameters") or {}
        self.body = {} if endpoint.method == "GET" else self._json_body(endpoint)
        self.credentials = self._credentials()

    def header(self, name: str) -> str | None:
        """A header by its lower-case name; empty is absent."""
        return self.headers.get(name) or None

    def checked_trace_id(self) -> str | None:
        if self.trace_id and len(self.trace_id) > _LONGEST_TRACE_ID:
            raise BadRequest(f"Invalid header: X-Trace-Id (over {_LONGEST_TRACE_ID:,} characters)")
        return self.trace_id

    def _json_body(self, endpoint: Endpoint) -> dict[str, Any]:
        """The body as a JSON object. Raises TooLarge, then BadRequest. NaN, lone surrogates and depth over
        200 are no JSON here.
        """
        try:
            raw = _bytes(
                self.event.get("body") or "", bool(self.event.get("isBase64Encoded")), endpoint.body_limit
            )
            body = from_json(raw, allow_inf_nan=False)
        except ValueError:
            body = None
        if isinstance(body, dict):
            return body
        if endpoint.lenient_body:
            return {}
        raise BadRequest("Invalid JSON body")

    def _credentials(self) -> Credentials:
        scheme, _, token = (self.header("authorization") or "").strip().partition(" ")
        body = ((name, self.body.get(name)) for name in _CREDENTIAL_FIELDS)
        return Credentials(
            bearer=(token.strip() or None) if scheme.lower() == "bearer" else None,
            slug=self.header("x-app-slug"),
            query={name: self.query[name] for name in _CREDENTIAL_FIELDS if self.query.get(name)},
            body={name: value for name, value in body if isinstance(value, str) and value},
            source=self.event.get("requestContext", {}).get("http", {}).get("sourceIp", ""),
        )


def _bytes(body: str, is_base64: bool, limit: int) -> bytes:
    raw = b64decode(body, validate=True) if is_base64 else body.encode()
    if len(raw) > limit:
        raise TooLarge(f"Request body too large: at most {limit // MEGABYTE} MB")
    return raw


def _reply(status: int, reply: object, origin: str | None) -> dict[str, Any]:
    headers = _cors(origin)
    if status == HTTPStatus.NO_CONTENT:
        return {"statusCode": 204, "headers": headers, "body": ""}
    headers["Content-Type"] = "application/json"
    return {"statusCode": int(status), "headers": headers, "body": to_json(reply).decode()}


def _cors(origin: str | None) -> dict[str, str]:
    """Every reply carries them, so that a function URL, `sam local` and API Gateway behave alike (contract
    1.4).
    """
    allowed = settings().allowed_origins
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
