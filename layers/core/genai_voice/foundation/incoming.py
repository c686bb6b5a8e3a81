"""What a request says: its method, path, headers, query, body and credentials."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from genai_voice.foundation.bodies import INVALID_BODY, parse_body, replace_half_pairs
from genai_voice.foundation.endpoints import MEGABYTE, Endpoint
from genai_voice.foundation.errors import BadRequest, TooLarge
from genai_voice.foundation.metering import Meter, start_metering

Event = Mapping[str, Any]

_CREDENTIAL_FIELDS = ("appSlug", "appSecret", "sessionToken")
_LONGEST_TRACE_ID = 1000  # characters


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of a request, unchecked. Empty text and values of another type are absent."""

    bearer: str | None
    """The token of `Authorization: Bearer …`."""
    slug: str | None
    """The X-App-Slug header."""
    query: Mapping[str, str]
    body: Mapping[str, str]
    source: str
    """The caller's address."""


class IncomingRequest:
    """A request as API Gateway tells of it (payload 2.0), and what becomes known of it as it is served."""

    def __init__(self, event: Event) -> None:
        self.started = perf_counter()
        self.meter: Meter = start_metering()
        self.event = event
        given: Mapping[str, str] = event.get("headers") or {}
        # `sam local` leaves the names as they were sent.
        self.headers = {name.lower(): value for name, value in given.items()}
        http = event.get("requestContext", {}).get("http", {})
        self.method: str = http.get("method", "")
        self.path: str = event.get("rawPath", "")
        self.route = "$default"  # what is logged: never a path that a stranger made up
        self.app: str | None = None
        self.session: str | None = None
        self.trace_id = self.find_header("x-trace-id")

    def read(self, endpoint: Endpoint) -> None:
        """Read the query, the body and the credentials in them. Raises TooLarge, BadRequest."""
        given: Mapping[str, str] = self.event.get("queryStringParameters") or {}
        self.query = {name: _make_storable(value) for name, value in given.items()} if given else given
        self.body = self._parse_body(endpoint) if endpoint.takes_body else {}
        self.credentials = self._read_credentials()

    def find_header(self, name: str) -> str | None:
        """Find a header by its lower-case name; one that is empty is absent."""
        value = self.headers.get(name)
        return _make_storable(value) if value else None

    def read_trace_id(self) -> str | None:
        """Answer the X-Trace-Id header, or None. Raises BadRequest for one that is too long."""
        if self.trace_id and len(self.trace_id) > _LONGEST_TRACE_ID:
            raise BadRequest(f"Invalid header: X-Trace-Id (over {_LONGEST_TRACE_ID:,} characters)")
        return self.trace_id

    def merge_headers_into_body(self) -> dict[str, Any]:
        """Answer the body with the credentials of the headers in it. Those of a wrong type are absent."""
        given = {"appSlug": self.credentials.slug, "appSecret": self.credentials.bearer}
        return {
            **{name: value for name, value in self.body.items() if name not in _CREDENTIAL_FIELDS},
            **self.credentials.body,
            **{name: value for name, value in given.items() if value},
        }

    def _parse_body(self, endpoint: Endpoint) -> dict[str, Any]:
        """Parse the body as a JSON object. Raises TooLarge, then BadRequest."""
        encoded, is_base64 = self.event.get("body") or "", bool(self.event.get("isBase64Encoded"))
        try:
            raw = _decode_body(encoded, is_base64, endpoint.body_limit)
            return parse_body(raw, self.headers.get("content-type") or "")
        except BadRequest:
            if endpoint.lenient_body:
                return {}
            raise

    def _read_credentials(self) -> Credentials:
        """Read the credentials from wherever a request may have them."""
        scheme, _, token = (self.find_header("authorization") or "").strip().partition(" ")
        body = ((name, self.body.get(name)) for name in _CREDENTIAL_FIELDS)
        return Credentials(
            bearer=(token.strip() or None) if scheme.lower() == "bearer" else None,
            slug=self.find_header("x-app-slug"),
            query={name: self.query[name] for name in _CREDENTIAL_FIELDS if self.query.get(name)},
            body={name: value for name, value in body if isinstance(value, str) and value},
            source=self.event.get("requestContext", {}).get("http", {}).get("sourceIp", ""),
        )


def _decode_body(body: str, is_base64: bool, limit: int) -> bytes:
    """Decode the body of an event. Raises TooLarge, and BadRequest for what is no base64."""
    try:
        raw = b64decode(body, validate=True) if is_base64 else body.encode(errors="surrogatepass")
    except ValueError:
        raise BadRequest(INVALID_BODY) from None
    if len(raw) > limit:
        raise TooLarge(f"Request body too large: at most {limit // MEGABYTE} MB")
    return raw


def _make_storable(text: str) -> str:
    """Answer the text without halves of surrogate pairs, which nothing can store or log."""
    return text if text.isascii() else replace_half_pairs(text)
