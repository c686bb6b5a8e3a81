"""The only HTTP client for addresses that a tenant supplies.

    url ─> rules ─> one look-up ─> check of every address ─> TCP to one of them ─> TLS for the name ─> HTTP

All of it ends within one deadline. The addresses that are checked are those that are connected to, so a name
cannot change in between. Redirects are not followed, nothing is repeated or unpacked, and no proxy is taken
from the environment. The protocol is h11's, which leaves the network to its user: here the network is what
matters, and most of a whole HTTP client would have to be switched off.

The rules themselves are in `outgoing_rules`.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from genai_voice.foundation.caches import cache_results
from genai_voice.foundation.outgoing_rules import (
    NotAllowed,
    ParsedUrl,
    check_each_header,
    may_be_reached,
    parse_url,
)
from genai_voice.foundation.settings import get_settings

if TYPE_CHECKING:
    from h11 import Connection

MAX_BODY_BYTES = 262_144
"""Of a response."""
MAX_HEAD_BYTES = 65_536
"""Of a response: its status line and headers."""
MAX_ATTEMPTS = 4
"""How many addresses of a name are tried."""
LOOK_UP_S = 2.0
"""How long a name may take to resolve when its address is registered."""


class RequestFailed(Exception):
    """There is no response. The message is one sentence for the caller, without an address."""


class PolicyRefused(RequestFailed):
    """The request was not sent, by the rules. It never will be, unless its name leads elsewhere by then."""


class NotAnswered(RequestFailed):
    """The host has not answered in time, or not in HTTP, or has broken the connection off. What was sent may
    have arrived.
    """


class NotConnected(NotAnswered):
    """There was no connection, over TLS and with the name of the host: nothing was sent."""


class HttpResponse(NamedTuple):
    status: int
    """As it came: a redirect is a response like others."""
    body: bytes
    """Empty where it was not asked for."""
    retry_after: str | None = None
    """The header of this name, as it came."""


def check_address(url: str) -> None:
    """Check an address that is to be registered. Raises NotAllowed with a sentence a person can act on.

    Looks the host up, for at most 2 s: a name that leads to an address that is not public is refused, one
    that does not resolve now is accepted, since `send` looks again.
    """
    parsed = parse_url(url)
    with suppress(OSError):
        _find_allowed_addresses(parsed, LOOK_UP_S)


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float = 10.0,
    reads_body: bool = True,
) -> HttpResponse:
    """Send one request and read its response, in `seconds` at most, look-up and all. Without `reads_body` the
    response ends with its headers, and how long or slow the rest is does not matter.

    Raises RequestFailed, whose kinds say whether something was sent, and whether the host has answered.
    """
    ends = monotonic() + seconds
    with ExitStack() as opened:
        with _explain_failures(NotConnected, seconds):
            parsed = parse_url(url)
            check_each_header(headers or {})
            addresses = _find_allowed_addresses(parsed, _compute_seconds_until(ends))
            wire = opened.enter_context(_connect(parsed, addresses, ends))
        with _explain_failures(NotAnswered, seconds):
            return _send_request(wire, ends, method, parsed, headers or {}, body, reads_body)


@contextmanager
def _explain_failures(kind: type[NotAnswered], seconds: float) -> Iterator[None]:
    """Raise what goes wrong as this kind, or as PolicyRefused, in a sentence."""
    try:
        yield
    except NotAllowed as reason:
        raise PolicyRefused(str(reason)) from None
    except TimeoutError:
        raise kind(f"There was no answer within {seconds:g} s.") from None
    except socket.gaierror:
        raise kind("The host name could not be resolved.") from None
    except ssl.SSLCertVerificationError:
        raise kind("The certificate of the host is not valid.") from None
    except OSError:
        raise kind("The connection to the host failed.") from None


# -- finding the addresses --------------------------------------------------------------------------------


class _Address(NamedTuple):
    family: int
    socket_address: tuple[str, int] | tuple[str, int, int, int]


def _find_allowed_addresses(parsed: ParsedUrl, seconds: float) -> list[_Address]:
    """Find the addresses of a host, by one look-up. Raises NotAllowed when any may not be reached, since a
    name with one address inside is a trap, whatever its others are; OSError when there is none.
    """
    addresses = _look_up(parsed, seconds)
    loopback = get_settings().outgoing_local_ca is not None
    for address in addresses:
        if not may_be_reached(ip_address(address.socket_address[0]), is_loopback_allowed=loopback):
            raise NotAllowed("The host must be public.")
    return addresses


def _look_up(parsed: ParsedUrl, seconds: float) -> list[_Address]:
    """Look up the addresses of a host. getaddrinfo cannot be interrupted: it runs in a thread, which is left
    behind when time is up. Raises OSError.
    """
    answers: SimpleQueue[list[_Address] | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(parsed.host, parsed.port, type=socket.SOCK_STREAM)
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


# -- connecting and sending -------------------------------------------------------------------------------


def _compute_seconds_until(ends: float) -> float:
    """Answer the seconds until a moment of the monotonic clock. Raises TimeoutError after it."""
    left = ends - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@contextmanager
def _connect(parsed: ParsedUrl, addresses: list[_Address], ends: float) -> Iterator[ssl.SSLSocket]:
    with _connect_to_first(addresses[:MAX_ATTEMPTS], ends) as plain:
        plain.settimeout(_compute_seconds_until(ends))
        trust = _make_tls_context(get_settings().outgoing_local_ca)
        with trust.wrap_socket(plain, server_hostname=parsed.host) as wire:
            yield wire


def _connect_to_first(addresses: list[_Address], ends: float) -> socket.socket:
    """Connect to the first address that answers. Each gets its share of the time that is left. Raises the
    OSError of the last.
    """
    for to_try in range(len(addresses), 0, -1):
        try:
            return _open_socket(addresses[-to_try], _compute_seconds_until(ends) / to_try)
        except OSError as reason:
            failure = reason
    raise failure


def _open_socket(address: _Address, seconds: float) -> socket.socket:
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
def _make_tls_context(local_ca: Path | None) -> ssl.SSLContext:
    """Trust the certificate authorities of the system, which are renewed with the runtime and not with our
    releases.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if local_ca:
        context.load_verify_locations(local_ca)
    return context


def _send_request(
    wire: ssl.SSLSocket,
    ends: float,
    method: str,
    parsed: ParsedUrl,
    headers: Mapping[str, str],
    body: bytes | None,
    reads_body: bool,
) -> HttpResponse:
    """Send one request and read its response. Raises RequestFailed, OSError."""
    from h11 import CLIENT, Connection, Data, EndOfMessage, RemoteProtocolError, Request

    http = Connection(CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
    request = Request(method=method, target=parsed.target, headers=_make_headers(parsed, headers, body))
    _write_all(
        wire, ends, b"".join(http.send(each) or b"" for each in (request, Data(body or b""), EndOfMessage()))
    )
    try:
        return _read_response(wire, ends, http, reads_body and method != "HEAD")
    except RemoteProtocolError:
        raise NotAnswered("The host did not answer with valid HTTP.") from None


def _read_response(wire: ssl.SSLSocket, ends: float, http: "Connection", reads_body: bool) -> HttpResponse:
    """Read the response. Raises RequestFailed, OSError, h11's RemoteProtocolError."""
    from h11 import NEED_DATA, Data, EndOfMessage, Response

    status, received = 0, bytearray()
    retry_after: str | None = None
    while not isinstance(event := http.next_event(), EndOfMessage):
        if event is NEED_DATA:
            wire.settimeout(_compute_seconds_until(ends))
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


def _make_headers(parsed: ParsedUrl, headers: Mapping[str, str], body: bytes | None) -> list[tuple[str, str]]:
    """Make the headers of a request: the caller's among ours."""
    ours = {"host": parsed.authority, "accept-encoding": "identity", "connection": "close"}
    if body is not None:
        ours["content-length"] = str(len(body))
    theirs = {name.lower(): value for name, value in headers.items()}
    return [*({"user-agent": "genai-voice"} | theirs | ours).items()]


def _write_all(wire: ssl.SSLSocket, ends: float, data: bytes) -> None:
    """Write all of it before the deadline: `sendall` would begin its timeout anew with each piece."""
    rest = memoryview(data)
    while rest:
        wire.settimeout(_compute_seconds_until(ends))
        rest = rest[wire.send(rest) :]


def _check_size(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise RequestFailed(f"The answer is longer than {MAX_BODY_BYTES:,} bytes.")
