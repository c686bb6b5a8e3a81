"""The clients of a conversation: the voice agent with its app's secret, the browser with a session token."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

Json = dict[str, Any]


class CallFailed(Exception):
    """A call was not answered as it should be. The message says how."""


class ServiceClient:
    """The service at an address, with the count of its requests."""

    def __init__(self, address: str, *, local: bool) -> None:
        self.address = address.rstrip("/")
        self.requests = 0
        # A proxy of this machine is not asked for what is on this machine.
        self._http = httpx.Client(timeout=35, trust_env=not local)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """Return the answer's JSON object. Raises CallFailed when there is none with status 200."""
        self.requests += 1
        try:
            reply = self._http.request(
                method, self.address + path, params=query, json=body, headers=dict(headers or {})
            )
        except (httpx.HTTPError, httpx.InvalidURL) as reason:
            raise CallFailed(f"{self.address} does not answer: {reason or type(reason).__name__}") from None
        if reply.status_code != 200:
            raise CallFailed(f"should be answered 200, and is {reply.status_code}: {reply.text[:300]}")
        try:
            answer = reply.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise CallFailed(f"should be answered with a JSON object, and is: {reply.text[:300]}")
        return answer

    def find(self, path: str, items: str, headers: Mapping[str, str], **query: str) -> Iterator[Json]:
        """Find the items of a list, page by page."""
        while True:
            page = self.call("GET", path, query=query, headers=headers)
            yield from page[items]
            if "cursor" not in page:
                return
            query["cursor"] = page["cursor"]

    def close(self) -> None:
        self._http.close()


@dataclass(frozen=True, slots=True)
class VoiceAgent:
    """A client that calls as a voice agent's process does: it reads with headers, and writes with the
    credentials in the body.
    """

    service: ServiceClient
    app: str
    secret: str
    session: str
    trace_id: str

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.secret}",
            "X-App-Slug": self.app,
            "X-Trace-Id": self.trace_id,
        }

    def get(self, path: str, **query: str) -> Json:
        return self.service.call("GET", path, query=query, headers=self.headers)

    def post(self, path: str, **body: Any) -> Json:
        return self._write("POST", path, body)

    def patch(self, path: str, **body: Any) -> Json:
        return self._write("PATCH", path, body)

    def _write(self, method: str, path: str, body: Json) -> Json:
        credentials = {"appSlug": self.app, "appSecret": self.secret}
        return self.service.call(
            method, path, body={**credentials, **body}, headers={"X-Trace-Id": self.trace_id}
        )

    def execute(self, tool: str, parameters: Json, span_id: str) -> Json:
        """Have the service execute a tool."""
        return self.post(
            "/api/tools/execute",
            sessionId=self.session,
            toolName=tool,
            parameters=parameters,
            traceId=self.trace_id,
            spanId=span_id,
        )

    def report(self, events: Sequence[tuple[str, Json]]) -> Json:
        """Send events of the conversation."""
        return self.post(
            "/api/events",
            sessionId=self.session,
            events=[make_event(self.trace_id, *each) for each in events],
        )


@dataclass(frozen=True, slots=True)
class Browser:
    """A client that knows no secret, only a session token that a server has opened for it."""

    service: ServiceClient
    token: str

    def get(self, path: str, **query: str) -> Json:
        return self.service.call("GET", path, query=query, headers={"Authorization": f"Bearer {self.token}"})

    def post(self, path: str, **body: Any) -> Json:
        return self.service.call("POST", path, body={"sessionToken": self.token, **body})


def make_event(trace_id: str, kind: str, data: Json) -> Json:
    """Make an event of telemetry, as the wire has it."""
    return {"eventType": kind, "ts": get_now_ms(), "data": json.dumps({**data, "traceId": trace_id})}


def get_now_ms() -> int:
    return time.time_ns() // 1_000_000


def make_session_id() -> str:
    """Make a session id that nobody has yet."""
    return f"session-{get_now_ms()}-{uuid4().hex[:10]}"
