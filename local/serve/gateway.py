"""What API Gateway does to a request on its way to a function, and to the reply (HTTP API, payload 2.0)."""

import json
import re
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

Event = dict[str, Any]
Headers = list[tuple[str, str]]

# Which bodies arrive as text is not documented; this is what people measured. All others arrive as base64:
# JSON dialects such as application/webhook+json too, forms, bodies without a content type, and text that is
# declared to be in another charset than UTF-8.
_TEXT_TYPES = ("application/json", "application/xml", "application/javascript")
# The connection's own, and what the server that answers sets itself.
_NOT_FORWARDED = (
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)
_BODILESS = (204, 304)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class InvalidReply(Exception):
    """The function has returned something of which API Gateway cannot make an HTTP response."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it came over the wire."""

    method: str
    path: str
    """Percent-decoded."""
    query: str
    """Raw."""
    headers: Headers
    """In their order; a name may come twice, in any case."""
    body: bytes
    source: str
    """The client's address."""
    protocol: str = "HTTP/1.1"

    def find_header(self, name: str) -> str | None:
        """Find the first header of this name, given in lower case."""
        return next((value for given, value in self.headers if given.lower() == name), None)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply as it goes over the wire."""

    status: int
    headers: Headers
    body: bytes

    @property
    def bodiless(self) -> bool:
        """Whether HTTP allows no body with this status."""
        return self.status in _BODILESS


def build_event(request: HttpRequest, route_key: str, request_id: str, now: datetime) -> Event:
    """Build the event that the function of `route_key` receives. `now` must know its time zone."""
    headers = _join_values(_forward_headers(request))
    host = (request.find_header("host") or "localhost").rsplit(":", 1)[0]
    event: Event = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": host.split(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": request.protocol,
                "sourceIp": request.source,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": route_key,
            "stage": "$default",
            "time": now.astimezone(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    cookies = [
        cookie.strip()
        for name, value in request.headers
        if name.lower() == "cookie"
        for cookie in value.split(";")
    ]
    if any(cookies):
        event["cookies"] = [cookie for cookie in cookies if cookie]
    parameters = _join_values(parse_qsl(request.query, keep_blank_values=True))
    if parameters:
        event["queryStringParameters"] = parameters
    if request.body:
        event["body"], event["isBase64Encoded"] = _encode_body(request.body, headers.get("content-type", ""))
    return event


def _forward_headers(request: HttpRequest) -> Headers:
    """Select the headers that are forwarded: without cookies, which have a field of their own, and with those
    that API Gateway adds.
    """
    kept = [(name.lower(), value) for name, value in request.headers]
    length = [("content-length", str(len(request.body)))] if request.body else []
    return [
        *((name, value) for name, value in kept if name not in (*_NOT_FORWARDED, "cookie")),
        *length,
        ("x-forwarded-for", request.source),
        ("x-forwarded-proto", "http"),
    ]


def _join_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Join the values of each name in their order, with commas between them."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _encode_body(body: bytes, content_type: str) -> tuple[str, bool]:
    """Encode a body as text or base64. Returns it, and whether it is base64."""
    media, _, parameters = content_type.lower().partition(";")
    is_text = media.strip().startswith("text/") or media.strip() in _TEXT_TYPES
    if is_text and ("charset" not in parameters or "utf-8" in parameters):
        return body.decode(errors="replace"), False
    return b64encode(body).decode(), True


def read_reply(answer: Any) -> HttpReply:
    """Read the response from what a function has returned, already parsed from JSON. Raises InvalidReply.

    Without a statusCode the whole value is the JSON body of a 200.
    """
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return HttpReply(200, [("content-type", "application/json")], json.dumps(answer).encode())
    status = _read_status(answer["statusCode"])
    body = b"" if status in _BODILESS else _read_body(answer)
    headers = _read_headers(answer.get("headers") or {})
    if body and all(name != "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain;charset=UTF-8"))
    cookies = answer.get("cookies") or []
    if not isinstance(cookies, list) or not all(isinstance(cookie, str) for cookie in cookies):
        raise InvalidReply("cookies must be a list of texts")
    return HttpReply(status, headers + [("set-cookie", _strip_controls(cookie)) for cookie in cookies], body)


def _read_status(given: Any) -> int:
    text = str(given)
    if isinstance(given, bool) or not text.isascii() or not text.isdigit() or not 200 <= int(text) <= 599:
        raise InvalidReply(f"statusCode must be a number from 200 to 599, not {given!r}")
    return int(text)


def _read_body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise InvalidReply(f"body must be text, not {type(body).__name__}")
    if not answer.get("isBase64Encoded"):
        return body.encode(errors="replace")
    try:
        return b64decode(body, validate=True)
    except (NoBase64, ValueError):
        raise InvalidReply("body is not base64, though isBase64Encoded says so") from None


def _read_headers(given: Any) -> Headers:
    if not isinstance(given, dict):
        raise InvalidReply("headers must be an object")
    if any(isinstance(value, dict | list) or not _NAME.fullmatch(name) for name, value in given.items()):
        raise InvalidReply("a header must have a name and be text")
    pairs = (
        (name.lower(), _strip_controls(_format_value(value)))
        for name, value in given.items()
        if value is not None
    )
    return [(name, value) for name, value in pairs if name not in _NOT_FORWARDED]


def _format_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _strip_controls(text: str) -> str:
    """Make a header's value Latin-1 without control characters."""
    return _CONTROL.sub(" ", text.encode("latin-1", "replace").decode("latin-1")).strip()
