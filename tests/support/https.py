"""An HTTPS server in this process that does what a test tells it, with certificates of an authority that only
tests trust, and names that lead to it. The fixtures are in tests/integration/conftest.py:

    def test_…(server: Server, names: Names) -> None:
        names.resolve("tools.example", ["127.0.0.1"])
        server.act = reply(200, b"{}")
        send("POST", server.make_url("tools.example", "/orders"))
        assert server.requests[0].sni == "tools.example"
"""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from local.serve.authority import issue_certificate, prepare_authority

HOSTS = ("tools.example", "*.tools.example", "127.0.0.1", "::1")
"""What the certificate of a server is for, unless a test says otherwise."""

Behaviour = Callable[[ssl.SSLSocket], None]
"""What a server does once it has read a request."""


# -- what a server does ------------------------------------------------------------------------------------


def send_reply(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Behaviour:
    """A whole answer."""
    lengths = {"Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in (lengths | dict(headers or {})).items())
    return send_raw(f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + body)


def send_raw(data: bytes) -> Behaviour:
    """These bytes, and the end of the connection."""
    return lambda wire: wire.sendall(data)


def send_slowly(data: bytes, every_s: float = 0.02) -> Behaviour:
    """These bytes one by one, until the client leaves, and then nothing."""

    def act(wire: ssl.SSLSocket) -> None:
        for byte in data:
            wire.sendall(bytes([byte]))
            if _has_left(wire, every_s):
                return
        hang(wire)

    return act


def send_forever(data: bytes, again: bytes) -> Behaviour:
    """These bytes, and then those again and again until the client leaves."""

    def act(wire: ssl.SSLSocket) -> None:
        wire.sendall(data)
        while True:
            wire.sendall(again)

    return act


def hang(wire: socket.socket) -> None:
    """Nothing, until the client leaves."""
    while not _has_left(wire, None):
        pass


def _has_left(wire: socket.socket, within_s: float | None) -> bool:
    wire.settimeout(within_s)
    try:
        return wire.recv(65_536) == b""
    except TimeoutError:
        return False


# -- the server --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Received:
    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    sni: str | None


@dataclass
class Server:
    """Each connection has a thread of its own. `act` and the flags may change between requests."""

    authority: "Authority"
    hosts: Sequence[str] = HOSTS
    address: str = "127.0.0.1"
    port: int = 0
    act: Behaviour = field(default_factory=lambda: send_reply())
    shakes_hands: bool = True
    """Else it takes the connection and says nothing."""
    reads: bool = True
    """Else it acts without having read the request."""
    requests: list[Received] = field(default_factory=list)
    connections: list[Thread] = field(default_factory=list)
    _sni: dict[object, str | None] = field(default_factory=dict)

    def make_url(self, host: str, target: str = "/") -> str:
        return f"https://{host}:{self.port}{target}"

    def serve(self, listening: socket.socket) -> None:
        """Until the listening socket is shut down."""
        with suppress(OSError):
            while True:
                plain, _ = listening.accept()
                self.connections.append(Thread(target=self._serve, args=[plain], daemon=True))
                self.connections[-1].start()

    def _serve(self, plain: socket.socket) -> None:
        """A client that breaks off ends its own connection alone."""
        with plain, suppress(OSError):
            if not self.shakes_hands:
                hang(plain)
            with self._context.wrap_socket(plain, server_side=True) as wire:
                if self.reads:
                    self.requests.append(self._read(wire))
                self.act(wire)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority.make_certificate(self.hosts))
        context.sni_callback = lambda wire, name, _: self._sni.update({wire: name})
        return context

    def _read(self, wire: ssl.SSLSocket) -> Received:
        with wire.makefile("rb") as incoming:
            first = incoming.readline().decode()
            if not first:
                raise ConnectionResetError
            method, target, _ = first.split(" ")
            headers = {}
            while line := incoming.readline().decode().strip():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = incoming.read(int(headers.get("content-length", 0)))
        return Received(method, target, headers, body, self._sni.get(wire))


@contextmanager
def serve_https(authority: "Authority", **options: Any) -> Iterator[Server]:
    """A server on a free port; options are `Server`'s fields."""
    server = Server(authority, **options)
    family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
    with socket.create_server((server.address, server.port), family=family) as listening:
        server.port = listening.getsockname()[1]
        accepting = Thread(target=server.serve, args=[listening])
        accepting.start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # closing alone would leave `accept` waiting
            for thread in (accepting, *server.connections):
                thread.join(timeout=5)


# -- certificates ------------------------------------------------------------------------------------------


class Authority:
    """That of the local service, of a folder of its own, and the certificates it has made there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = prepare_authority(folder)

    def make_certificate(self, hosts: Sequence[str]) -> Path:
        """A file with a new key and a certificate of it for these names and addresses."""
        path = self._folder / f"{uuid4()}.pem"
        path.write_bytes(issue_certificate(self._folder, hosts))
        return path


# -- names -------------------------------------------------------------------------------------------------


class Names:
    """What host names resolve to in this process, in place of DNS. Others do not resolve."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        """Every look-up, in order."""
        self.speaking = Event()
        """Look-ups wait for it: a test that clears it has a name server that says nothing."""
        self.speaking.set()
        self._answers: dict[str, list[Sequence[str]]] = {}

    def resolve(self, name: str, *answers: Sequence[str]) -> None:
        """One answer for each look-up; the last stays."""
        self._answers[name] = list(answers)

    def getaddrinfo(self, host: str, *arguments: Any, **options: Any) -> list[Any]:
        self.asked.append(host)
        self.speaking.wait(30)
        answers = self._answers.get(host, [[host]])
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        try:
            return [
                each
                for address in addresses
                for each in self._resolve_literal(address, *arguments, **options)
            ]
        except ValueError:
            raise socket.gaierror(socket.EAI_NONAME, "no such name here") from None

    @staticmethod
    def _resolve_literal(address: str, *arguments: Any, **options: Any) -> list[Any]:
        return _getaddrinfo(str(ip_address(address)), *arguments, **options)


_getaddrinfo = socket.getaddrinfo
