"""An ASGI application that does API Gateway's part, HTTP in and events out, and the server that runs it."""

import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import uvicorn

from local.serve import refusals
from local.serve.documentation import Documentation
from local.serve.gateway import Headers, HttpReply, HttpRequest, InvalidReply, build_event, read_reply
from local.serve.threads import ShareTaken
from local.serve.worker_pool import HandlerFailed, WorkerLost, WorkerPool

_MB = 1024 * 1024
REQUEST_LIMIT_MB = 10  # API Gateway's
EVENT_LIMIT_MB = 6  # Lambda's, each way
IDLE_S = 75  # for which API Gateway keeps a connection that nothing is asked on

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ClientGone(Exception):
    """The client has left before it sent its whole request."""


class Gateway:
    """The ASGI application: builds a function's event of each request, and the response of its reply."""

    def __init__(self, workers: WorkerPool, documentation: Documentation) -> None:
        self._workers = workers
        self._documentation = documentation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _read_body(receive)
        except ClientGone:
            return
        request = _build_request(scope, body or b"")
        request_id = str(uuid4())
        if body is None:
            reply = refusals.answer_too_large(REQUEST_LIMIT_MB, request, self._workers.variables)
        else:
            reply = await self._answer(request, request_id)
        await _send_reply(send, reply, request_id)

    async def _answer(self, request: HttpRequest, request_id: str) -> HttpReply:
        page = self._documentation.find(request.method, request.path)
        if page is not None:
            return page
        found = self._workers.template.find(request.method, request.path)
        if found is None:
            return refusals.answer_not_found()
        route_key, function = found
        event = json.dumps(
            build_event(request, route_key, request_id, datetime.now(UTC)),
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode("utf-8", "replace")
        if len(event) > EVENT_LIMIT_MB * _MB:
            return refusals.answer_too_large(EVENT_LIMIT_MB, request, self._workers.variables)
        try:
            return await self._invoke(function, request_id, event)
        except (TimeoutError, ShareTaken, WorkerLost):
            return refusals.answer_unavailable()
        except (HandlerFailed, InvalidReply):
            return refusals.answer_fault(request, self._workers.variables)

    async def _invoke(self, function: str, request_id: str, event: bytes) -> HttpReply:
        answer = await self._workers.call(function, request_id, event)
        if len(answer) > EVENT_LIMIT_MB * _MB:
            raise InvalidReply(f"over {EVENT_LIMIT_MB} MB")
        return read_reply(json.loads(answer))


class Server(uvicorn.Server):
    """A server that calls `announce` once it answers, and leaves signals to the caller."""

    def __init__(self, application: Gateway, announce: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http="h11",
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=IDLE_S,
                timeout_graceful_shutdown=3,
            )
        )
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def _read_body(receive: Receive) -> bytes | None:
    """Read the body, None when it is too large. A body is read to its end even then, since clients send first
    and listen later.
    """
    parts: list[bytes] | None = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > REQUEST_LIMIT_MB * _MB:
            parts = None
        if parts is not None:
            parts.append(part)
        more = message.get("more_body", False)
    return None if parts is None else b"".join(parts)


def _build_request(scope: Scope, body: bytes) -> HttpRequest:
    headers: Headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    return HttpRequest(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=body,
        source=scope["client"][0] if scope.get("client") else "127.0.0.1",
        protocol=f"HTTP/{scope['http_version']}",
    )


async def _send_reply(send: Send, reply: HttpReply, request_id: str) -> None:
    length = [] if reply.bodiless else [("content-length", str(len(reply.body)))]
    headers = [*reply.headers, *length, ("apigw-requestid", request_id)]
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        }
    )
    await send({"type": "http.response.body", "body": reply.body})
