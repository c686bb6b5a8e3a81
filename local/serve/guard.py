"""Keep web pages from the engines of this machine, which do whatever anybody asks of them.

    a program of this machine ──> the guard, at the address that is told ──> the engine, at one that is not
    a page in a browser ────────> 403                                                 ^
    the functions ────────────────────────────────────────────────────────────────────┘

dynoxide and moto check no signature, and say of every answer that any page may read it: a page that knows the
port could read and write the whole table. So files and messages tell the address of a guard, which passes on
only what no page can send. The engine listens at a loopback address that nobody is told but the functions, so
that their requests take no longer.
"""

import asyncio
import secrets
import socket
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress

from h11 import (
    CLIENT,
    NEED_DATA,
    SERVER,
    Connection,
    Data,
    EndOfMessage,
    Event,
    RemoteProtocolError,
    Request,
    Response,
)

from local.errors import LocalError

_READ = 65_536  # bytes
_HOP_BY_HOP = (b"connection", b"content-length", b"expect", b"keep-alive", b"transfer-encoding")


class Guard:
    """The address that is told of an engine."""

    def __init__(self, hosts: Sequence[str]) -> None:
        """Take a free port of the first of these hosts; clients may call it by the names of all. Raises
        LocalError where this machine does not have that address.
        """
        self._socket = socket.socket()
        try:
            self._socket.bind((hosts[0], 0))
        except OSError as reason:
            self._socket.close()
            raise LocalError(f"Nothing can listen at {hosts[0]}: {reason.strerror}.") from None
        port = self._socket.getsockname()[1]
        self.endpoint = f"http://{hosts[0]}:{port}"
        self._names = {f"{host}:{port}".encode() for host in hosts}
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> None:
        """Pass on to this engine from now on. Until then connections are refused."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, RemoteProtocolError):
                await self._serve_request(reader, writer, host, port)
            writer.close()

        self._server = await asyncio.start_server(serve, sock=self._socket)

    def close(self) -> None:
        """Close the address."""
        if self._server is not None:
            self._server.close()
        self._socket.close()

    async def _serve_request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
    ) -> None:
        """Serve the first request of a connection, and no other: each would have to be looked at."""
        http = Connection(SERVER, max_incomplete_event_size=_READ)
        request = await _read_event(http, reader)
        if not isinstance(request, Request):
            return
        if (refusal := find_refusal(request.method, request.headers, self._names)) is not None:
            writer.write(_format_refusal(http, refusal))
            return
        body = bytearray()
        while isinstance(event := await _read_event(http, reader), Data):
            body += event.data
        answers, engine = await asyncio.open_connection(host, port)
        try:
            engine.write(_format_request(request, bytes(body)))
            while part := await answers.read(_READ):
                writer.write(part)
                await writer.drain()
        finally:
            engine.close()


def find_refusal(method: bytes, headers: Iterable[tuple[bytes, bytes]], names: set[bytes]) -> str | None:
    """Find the reason not to pass a request on, or None. `names` are those that the guard may be called by:
    a page whose own name leads to this machine (DNS rebinding) sends no Origin, but that name.
    """
    hosts = []
    for name, value in headers:
        if name == b"origin" or name.startswith(b"sec-fetch-"):
            return "Web pages are not answered here."
        if name == b"host":
            hosts.append(value)
    if method != b"POST":  # what AWS's clients send; a page sends GET without an Origin
        return "Only POST is answered here."
    if len(hosts) != 1 or hosts[0] not in names:
        return "This is not the name of who answers here."
    return None


def hide_address() -> tuple[str, str]:
    """Choose a host and a free port of this machine that nobody finds by trying. Linux has 16 million
    loopback addresses; where there is one alone, only the port is left to choose.
    """
    host = "127.0.0.1"
    if sys.platform.startswith("linux"):
        host = ".".join(["127", *(str(1 + secrets.randbelow(254)) for _ in range(3))])
    return host, find_free_port(host)


def find_free_port(host: str) -> str:
    """Find a port of this host that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return str(probe.getsockname()[1])


async def _read_event(http: Connection, reader: asyncio.StreamReader) -> Event:
    """Read the next event of a request. Raises RemoteProtocolError, OSError."""
    while (event := http.next_event()) is NEED_DATA:
        http.receive_data(await reader.read(_READ))
    return event  # type: ignore[return-value]  # PAUSED comes after the end of a request


def _format_request(request: Request, body: bytes) -> bytes:
    """Format a request whose connection ends with its answer."""
    kept = [(name, value) for name, value in request.headers if name not in _HOP_BY_HOP]
    length = (b"content-length", str(len(body)).encode())
    head = Request(
        method=request.method, target=request.target, headers=[*kept, length, (b"connection", b"close")]
    )
    return _format(Connection(CLIENT), head, body)


def _format_refusal(http: Connection, sentence: str) -> bytes:
    body = f"{sentence}\n".encode()
    headers = [("content-type", "text/plain"), ("content-length", str(len(body))), ("connection", "close")]
    return _format(http, Response(status_code=403, headers=headers), body)


def _format(http: Connection, head: Request | Response, body: bytes) -> bytes:
    return b"".join(http.send(each) or b"" for each in (head, Data(data=body), EndOfMessage()))
