"""Which addresses and headers a tenant's request may have: rules alone, without a look at the network.

`outgoing` applies them, when an address is registered and again each time before anything is sent to it.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

MAX_URL_CHARACTERS = 2_000
MAX_HEADERS_CHARACTERS = 8_000
"""Of the headers that are registered, names and values together: a caller may add its own."""

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


class NotAllowed(ValueError):
    """An address or a header that may not be used. The message says what to change."""


class ParsedUrl(NamedTuple):
    """The parts of an address, parsed once: what is checked and what is sent are made of the same parts."""

    host: str
    """A name or an address, without brackets and trailing dot."""
    port: int
    target: str
    """Path and query."""

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"


def parse_url(url: str) -> ParsedUrl:
    """Parse an address that may be used. Raises NotAllowed for any other."""
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
    return ParsedUrl(_parse_host(parts), port, (parts.path or "/") + query)


def _parse_host(parts: SplitResult) -> str:
    """Parse a public name, or an address in its usual form. Raises NotAllowed."""
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


def may_be_reached(address: IPv4Address | IPv6Address, *, is_loopback_allowed: bool = False) -> bool:
    """Whether a request may go to this address: only to a public host, of a range that is open to hosts."""
    if is_loopback_allowed and any(address in network for network in _LOOPBACK):
        return True
    return (
        address.is_global
        and not address.is_multicast
        and (address.version == 4 or address in _UNICAST)
        and not any(address in network for network in _REFUSED)
    )


def check_headers(headers: Mapping[str, str]) -> None:
    """Check headers that are to be registered. Raises NotAllowed with a sentence a person can act on."""
    if sum(map(len, [*headers, *headers.values()])) > MAX_HEADERS_CHARACTERS:
        raise NotAllowed(f"The headers are longer than {MAX_HEADERS_CHARACTERS:,} characters.")
    check_each_header(headers)


def check_each_header(headers: Mapping[str, str]) -> None:
    """Check the names and values of headers, however long they are together. Raises NotAllowed."""
    if len({name.lower() for name in headers}) < len(headers):
        raise NotAllowed("A header may be given only once.")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise NotAllowed("A header name may hold only letters, digits and hyphens.")
        if name.lower() in _OURS:
            raise NotAllowed(f"The header {name} is set by the service.")
        if not _FIELD_VALUE.fullmatch(value):
            raise NotAllowed(f"The header {name} may hold only ASCII characters, on one line.")
