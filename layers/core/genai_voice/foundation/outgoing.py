"""The way out: the only HTTP client for addresses that a tenant supplies.

    url ─> its rules ─> one look-up ─> every address vetted ─> TCP to one of them ─> TLS for the name ─> HTTP

All within one deadline. What is vetted is what is connected to, so a name cannot change in between. Nothing
is followed, repeated, unpacked or taken from the environment. Underneath is h11, the protocol without the
network: the network is what this module is about, and most of a whole client would have to be switched off.
"""

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urlsplit

from genai_voice.foundation.caches import cache_results
from genai_voice.foundation.settings import settings

if TYPE_CHECKING:
    from h11 import Connection

MAX_URL_CHARACTERS = 2_000
MAX_HEADERS_CHARACTERS = 8_000
"""Of those that are registered, names and values together: a caller may add its own."""
MAX_BODY_BYTES = 262_144
"""Of an answer."""
MAX_HEAD_BYTES = 65_536
"""Of an answer: its status line and headers."""
MAX_ATTEMPTS = 4
"""How many addresses of a name are tried."""
LOOK_UP_S = 2.0
"""How long a name may take to resolve when its address is registered."""

_VISIBLE = re.compile(r"[!-\[\]-~]+")
"""ASCII without blanks, controls and the backslash, which browsers read as a slash."""
_NAME = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
"""With a dot, and a letter where the last label begins: `127.1`, `0x7f.1` and `2130706433` are no names."""
_PRIVATE_DOMAINS = {"internal", "local", "localdomain", "localhost"}
"""Top-level domains that lead nowhere public; metadata.google.internal is one of them."""

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_UNICAST = ip_network("2000::/3")
"""All of IPv6 that IANA has opened for public hosts. Mapped and compatible IPv4 and NAT64 are outside."""
_REFUSED = tuple(
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments: Python 3.11 knows the half of it
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # protocol assignments: Teredo, which embeds IPv4, and others
        "2002::/16",  # 6to4, which embeds IPv4
        "3fff::/20",  # documentation
    )
)
"""What `is_global` lets through, in some version of Python, and nobody's server is."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FIELD_VALUE = re.compile(r"(?:[!-~](?:[ -~\t]*[!-~])?)?")
_OURS = {
    *("accept-encoding", "connection", "content-length", "expect", "host", "keep-alive"),
    *("proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
    *("transfer-encoding", "upgrade"),
}
"""Request headers that say how a message travels: ours alone."""


class RequestFailed(Exception):
    """There is no answer. The message is one sentence for the caller: nothing of the answer, no address."""


class PolicyRefused(RequestFailed):
    """The request was not let out: to repeat it is no use, unless its name leads elsewhere by then."""


class NotAllowed(ValueError):
    """An address or a header that is not let out. The message says what to change."""


class HttpResponse(NamedTuple):
    status: int
    """As it came: a redirect is an answer like others."""
    body: bytes
    """Empty where it was not asked for."""
    retry_after: str | None = None
    """The header of this name, as it came."""


def check_address(url: str) -> None:
    """At registration. Raises ValueError with a sentence a person can act on.

    Looks the host up, for at most 2 s: a name that leads to an address that is not public is refused, one
    that does not resolve now is accepted, since `send` looks again.
    """
    place = _place(url)
    with suppress(OSError):
        _vetted(place, LOOK_UP_S)


def check_headers(headers: Mapping[str, str]) -> None:
    """At registration. Raises ValueError with a sentence a person can act on."""
    if sum(map(len, [*headers, *headers.values()])) > MAX_HEADERS_CHARACTERS:
        raise NotAllowed(f"The headers are longer than {MAX_HEADERS_CHARACTERS:,} characters.")
    _check_each(headers)


def _check_each(headers: Mapping[str, str]) -> None:
    if len({name.lower() for name in headers}) < len(headers):
        raise NotAllowed("A header may be given only once.")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise NotAllowed("A header name may hold only letters, digits and hyphens.")
        if name.lower() in _OURS:
            raise NotAllowed(f"The header {name} is set by the service.")
        if not _FIELD_VALUE.fullmatch(value):
            raise NotAllowed(f"The header {name} may hold only ASCII characters, on one line.")


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float = 10.0,
    reads_body: bool = True,
) -> HttpResponse:
    """Send one request and read its answer, in `seconds` at most, look-up and all. Without `reads_body` the
    answer ends with its headers, and how long or slow the rest is does not matter.

    Raises RequestFailed, of which PolicyRefused says that nothing was sent and never would be.
    """
    ends = monotonic() + seconds
    try:
        place = _place(url)
        _check_each(headers or {})
        addresses = _vetted(place, _left(ends))
        with _connected(place, addresses, ends) as wire:
            return _send_request(wire, ends, method, place, headers or {}, body, reads_body)
    except NotAllowed as reason:
        raise PolicyRefused(str(reason)) from None
    except TimeoutError:
        raise RequestFailed(f"There was no answer within {seconds:g} s.") from None
    except socket.gaierror:
        raise RequestFailed("The host name could not be resolved.") from None
    except ssl.SSLCertVerificationError:
        raise RequestFailed("The certificate of the host is not valid.") from None
    except OSError:
        raise RequestFailed("The connection to the host failed.") from None


# -- where to ----------------------------------------------------------------------------------------------


class _Place(NamedTuple):
    host: str
    """A name or an address, without brackets and trailing dot."""
    port: int
    target: str
    """Path and query."""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"


def _place(url: str) -> _Place:
    """Read an address, once: what is vetted and what is sent are made of the parts. Raises NotAllowed."""
    if len(url) > MAX_URL_CHARACTERS:
        raise NotAllowed(f"The address is longer than {MAX_URL_CHARACTERS:,} characters.")
    if not _VISIBLE.fullmatch(url):
        raise NotAllowed(
            "The address may hold only visible ASCII characters and no backslash: write an international "
            "host name in its xn-- form and percent-encode the rest."
        )
    try:
        parts = urlsplit(url)
        port = 443 if parts.port is None else parts.port
    except ValueError:
        raise NotAllowed("The address is not a valid URL.") from None
    if parts.scheme != "https":
        raise NotAllowed("The address must begin with https://.")
    if "#" in url:
        raise NotAllowed("The address may hold no fragment (#).")
    if port != 443 and port < 1024:
        raise NotAllowed("The port must be 443, or 1024 or above: those between belong to other services.")
    query = f"?{parts.query}" if parts.query else ""
    return _Place(_host(parts), port, (parts.path or "/") + query)


def _host(parts: SplitResult) -> str:
    """A public name, or an address in its usual form. Raises NotAllowed."""
    if "@" in parts.netloc:
        raise NotAllowed("The address may hold no user name and no password.")
    host = (parts.hostname or "").removesuffix(".")
    if parts.netloc.startswith("[") != (":" in host):
        raise NotAllowed("Brackets are for IPv6 addresses.")
    with suppress(ValueError):
        address = ip_address(host)
        if "%" not in host:  # a zone id
            return str(address)
    if host.rpartition(".")[2] in _PRIVATE_DOMAINS:
        raise NotAllowed("The host must be public.")
    if not _NAME.fullmatch(host):
        raise NotAllowed(
            "The host must be a full name such as api.example.com, or an address in its usual form: "
            "four decimal numbers, or IPv6 in brackets."
        )
    return host


class _Address(NamedTuple):
    family: int
    socket_address: tuple[str, int] | tuple[str, int, int, int]


def _vetted(place: _Place, seconds: float) -> list[_Address]:
    """The addresses of a host, by one look-up. Raises NotAllowed when any is not public: a name with an
    address inside is a trap, whatever its others are; OSError when there is none.
    """
    addresses = _look_up(place, seconds)
    if not all(_may_be_reached(ip_address(address.socket_address[0])) for address in addresses):
        raise NotAllowed("The host must be public.")
    return addresses


def _may_be_reached(address: IPv4Address | IPv6Address) -> bool:
    if settings().outgoing_local_ca and any(address in network for network in _LOOPBACK):
        return True
    return (
        address.is_global
        and not address.is_multicast
        and (address.version == 4 or address in _UNICAST)
        and not any(address in network for network in _REFUSED)
    )


def _look_up(place: _Place, seconds: float) -> list[_Address]:
    """getaddrinfo cannot be interrupted: it runs in a thread, which is left behind when time is up. Raises
    OSError.
    """
    answers: SimpleQueue[list[_Address] | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
            answers.put([_Address(family, address) for family, *_, address in found])  # type: ignore[arg-type]
        except OSError as reason:
            answers.put(reason)

    Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return answer


# -- how ---------------------------------------------------------------------------------------------------


def _left(ends: float) -> float:
    """Seconds until a moment of the monotonic clock. Raises TimeoutError after it."""
    left = ends - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@contextmanager
def _connected(place: _Place, addresses: list[_Address], ends: float) -> Iterator[ssl.SSLSocket]:
    with _first_reachable(addresses[:MAX_ATTEMPTS], ends) as plain:
        plain.settimeout(_left(ends))
        trust = _trust(settings().outgoing_local_ca)
        with trust.wrap_socket(plain, server_hostname=place.host) as wire:
            yield wire


def _first_reachable(addresses: list[_Address], ends: float) -> socket.socket:
    """Each address gets its share of the time that is left. Raises the OSError of the last."""
    for to_try in range(len(addresses), 0, -1):
        try:
            return _reached(addresses[-to_try], _left(ends) / to_try)
        except OSError as reason:
            failure = reason
    raise failure


def _reached(address: _Address, seconds: float) -> socket.socket:
    plain = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        plain.settimeout(seconds)
        plain.connect(address.socket_address)
        # Else a small request waits for the acknowledgement of the handshake, 40 ms.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        plain.close()
        raise
    return plain


@cache_results()
def _trust(local_ca: Path | None) -> ssl.SSLContext:
    """The system's certificate authorities: they are renewed with Lambda's runtime, not with our releases."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if local_ca:
        context.load_verify_locations(local_ca)
    return context


def _send_request(
    wire: ssl.SSLSocket,
    ends: float,
    method: str,
    place: _Place,
    headers: Mapping[str, str],
    body: bytes | None,
    reads_body: bool,
) -> HttpResponse:
    """One request, one answer. Raises RequestFailed, OSError."""
    from h11 import CLIENT, Connection, Data, EndOfMessage, RemoteProtocolError, Request

    http = Connection(CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
    request = Request(method=method, target=place.target, headers=_framed(place, headers, body))
    _write(
        wire, ends, b"".join(http.send(each) or b"" for each in (request, Data(body or b""), EndOfMessage()))
    )
    try:
        return _answer(wire, ends, http, reads_body and method != "HEAD")
    except RemoteProtocolError:
        raise RequestFailed("The host did not answer with valid HTTP.") from None


def _answer(wire: ssl.SSLSocket, ends: float, http: "Connection", reads_body: bool) -> HttpResponse:
    """Raises RequestFailed, OSError, h11's RemoteProtocolError."""
    from h11 import NEED_DATA, Data, EndOfMessage, Response

    status, received = 0, bytearray()
    retry_after: str | None = None
    while not isinstance(event := http.next_event(), EndOfMessage):
        if event is NEED_DATA:
            wire.settimeout(_left(ends))
            http.receive_data(wire.recv(16_384))
        elif isinstance(event, Response):
            status = event.status_code
            said = dict(event.headers)
            if b"retry-after" in said:
                retry_after = said[b"retry-after"].decode("latin-1")
            if not reads_body:
                break
            _check_size(int(said.get(b"content-length", 0)))
        elif isinstance(event, Data):
            received += event.data
            _check_size(len(received))
    return HttpResponse(status, bytes(received), retry_after)


def _framed(place: _Place, headers: Mapping[str, str], body: bytes | None) -> list[tuple[str, str]]:
    """The caller's headers among ours."""
    ours = {"host": place.authority, "accept-encoding": "identity", "connection": "close"}
    if body is not None:
        ours["content-length"] = str(len(body))
    theirs = {name.lower(): value for name, value in headers.items()}
    return [*({"user-agent": "genai-voice"} | theirs | ours).items()]


def _write(wire: ssl.SSLSocket, ends: float, data: bytes) -> None:
    """`sendall` would begin its timeout anew with each piece."""
    rest = memoryview(data)
    while rest:
        wire.settimeout(_left(ends))
        rest = rest[wire.send(rest) :]


def _check_size(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise RequestFailed(f"The answer is longer than {MAX_BODY_BYTES:,} bytes.")
