"""Which addresses and headers of a tenant are let out: what can be said without asking anybody."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from genai_voice.foundation.outgoing import RequestFailed, check_address, send
from genai_voice.foundation.outgoing_rules import check_headers
from hypothesis import given
from hypothesis import strategies as st

REFUSED_URLS = {
    "http": "http://api.example.com/",
    "no scheme": "api.example.com/tools",
    "another scheme": "ftp://api.example.com/",
    "a file": "file:///etc/passwd",
    "no slashes": "https:api.example.com",
    "empty": "",
    "no host": "https://",
    "no host but a path": "https:///tools",
    "no host but a port": "https://:8443/",
    "a user": "https://user@api.example.com/",
    "a password": "https://user:word@api.example.com/",
    "an empty user": "https://@api.example.com/",
    "a user that looks like a host": "https://api.example.com@10.0.0.1/",
    "a fragment": "https://api.example.com/#there",
    "an empty fragment": "https://api.example.com/#",
    "a blank": "https://api.example.com/a b",
    "a blank before": " https://api.example.com/",
    "a line feed": "https://api.example.com/\nX: 1",
    "a line feed at the end": "https://api.example.com/\n",
    "a tab in the scheme": "ht\ttps://api.example.com/",
    "a null": "https://api.example.com/\0",
    "a delete": "https://api.example.com/\x7f",
    "a backslash": "https://api.example.com\\@10.0.0.1/",
    "an international host": "https://bücher.example/",
    "an international path": "https://api.example.com/bücher",
    "2,001 characters": "https://api.example.com/" + "a" * 1_977,
    "port 0": "https://api.example.com:0/",
    "the port of http": "https://api.example.com:80/",
    "the port of mail": "https://api.example.com:465/",
    "port 1023": "https://api.example.com:1023/",
    "port 65536": "https://api.example.com:65536/",
    "no number as port": "https://api.example.com:https/",
    "a negative port": "https://api.example.com:-1/",
    "full-width digits as port": "https://api.example.com:\uff14\uff14\uff13/",
}

REFUSED_HOSTS = {
    "localhost": "localhost",
    "LOCALHOST": "LOCALHOST",
    "localhost with a dot": "localhost.",
    "below localhost": "api.localhost",
    "localdomain": "localhost.localdomain",
    "the metadata name of Google": "metadata.google.internal",
    "the metadata name of Google with a dot": "metadata.google.internal.",
    "the metadata name of EC2": "instance-data.ec2.internal",
    "the name of an EC2 instance": "ip-10-0-0-1.ec2.internal",
    "mDNS": "printer.local",
    "a name without a dot": "intranet",
    "the short metadata name": "metadata",
    "two dots": "api..example.com",
    "two dots at the end": "api.example.com..",
    "a dot first": ".example.com",
    "a dot": ".",
    "a label of 64": "a" * 64 + ".example.com",
    "254 characters": "a." * 125 + "exam",
    "a hyphen first": "-api.example.com",
    "a star": "*.example.com",
    "percent": "%31%32%37.0.0.1",
    "loopback": "127.0.0.1",
    "loopback with a dot": "127.0.0.1.",
    "another loopback": "127.255.255.254",
    "decimal": "2130706433",
    "decimal of a public address": "134744072",
    "hexadecimal": "0x7f000001",
    "hexadecimal parts": "0x7f.0x0.0x0.0x1",
    "hexadecimal and short": "0x7f.1",
    "octal": "0177.0.0.1",
    "octal in one number": "017700000001",
    "leading zeros": "127.000.000.001",
    "short": "127.1",
    "three parts": "127.0.1",
    "five parts": "127.0.0.0.1",
    "over 255": "127.0.0.256",
    "zero": "0",
    "a hexadecimal last part": "127.0.0.0x1",
    "full-width digits": "\uff11\uff12\uff17.0.0.1",
    "full-width dots": "127。0。0。1",
    "circled digits": "①②⑦.0.0.1",
    "unspecified": "0.0.0.0",  # noqa: S104 - refused
    "this network": "0.1.2.3",
    "ten": "10.0.0.1",
    "172.16": "172.16.0.1",
    "172.31": "172.31.255.255",
    "192.168": "192.168.1.1",
    "carrier-grade NAT": "100.64.0.1",
    "the metadata address of Alibaba": "100.100.100.200",
    "link-local": "169.254.0.1",
    "the metadata address": "169.254.169.254",
    "the credentials of containers": "169.254.170.2",
    "protocol assignments": "192.0.0.1",
    "the metadata address of Oracle": "192.0.0.192",
    "documentation 1": "192.0.2.1",
    "documentation 2": "198.51.100.1",
    "documentation 3": "203.0.113.1",
    "6to4 relay": "192.88.99.1",
    "benchmarks": "198.18.0.1",
    "multicast": "224.0.0.1",
    "multicast, far": "239.255.255.250",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "v6 unspecified": "[::]",
    "v6 loopback": "[::1]",
    "v6 loopback in full": "[0:0:0:0:0:0:0:1]",
    "v6 loopback with a dot": "[::1].",
    "v6 without brackets": "::1",
    "v6 link-local": "[fe80::1]",
    "v6 zone": "[fe80::1%25eth0]",
    "v6 public with a zone": "[2606:4700::1111%25eth0]",
    "v6 site-local": "[fec0::1]",
    "v6 unique local": "[fc00::1]",
    "the v6 metadata address": "[fd00:ec2::254]",
    "v6 multicast": "[ff02::1]",
    "v6 documentation": "[2001:db8::1]",
    "v6 documentation, new": "[3fff::1]",
    "v6 discard": "[100::1]",
    "v6 segment routing": "[5f00::1]",
    "v6 not assigned": "[4000::1]",
    "mapped loopback": "[::ffff:127.0.0.1]",
    "mapped private": "[::ffff:10.0.0.1]",
    "mapped private in hexadecimal": "[::ffff:a00:1]",
    "mapped metadata": "[::ffff:169.254.169.254]",
    "mapped public": "[::ffff:8.8.8.8]",
    "compatible loopback": "[::127.0.0.1]",
    "compatible public": "[::8.8.8.8]",
    "translated": "[::ffff:0:10.0.0.1]",
    "NAT64 private": "[64:ff9b::10.0.0.1]",
    "NAT64 public": "[64:ff9b::8.8.8.8]",
    "NAT64 local": "[64:ff9b:1::10.0.0.1]",
    "6to4 private": "[2002:a00:1::1]",
    "6to4 public": "[2002:808:808::1]",
    "Teredo": "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "ORCHID": "[2001:20::1]",
    "v4 in brackets": "[127.0.0.1]",
    "a name in brackets": "[v1.example]",
    "a bracket": "[::1",
}

EVERY_REFUSED = REFUSED_URLS | {what: f"https://{host}/" for what, host in REFUSED_HOSTS.items()}

ACCEPTED = {
    "a literal address": "https://8.8.8.8/",
    "a literal address with a dot": "https://8.8.8.8./",
    "a literal v6 address": "https://[2606:4700:4700::1111]/",
    "a port": "https://8.8.8.8:1024/tools",
    "the highest port": "https://8.8.8.8:65535/tools",
    "an empty port": "https://8.8.8.8:/tools",
    "a query": "https://8.8.8.8/tools?a=b&c=%20",
    "no path": "https://8.8.8.8",
    "capitals": "HTTPS://8.8.8.8/Tools",
    "2,000 characters": "https://8.8.8.8/" + "a" * 1_984,
    "at in the path": "https://8.8.8.8/@me",
}


@pytest.mark.parametrize("url", REFUSED_URLS.values(), ids=REFUSED_URLS.keys())
def test_an_address_that_breaks_a_rule_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z].{10,160}\.$"):
        check_address(url)


@pytest.mark.parametrize("host", REFUSED_HOSTS.values(), ids=REFUSED_HOSTS.keys())
def test_a_host_that_is_not_public_is_refused_with_a_sentence(host: str) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z].{10,160}\.$"):
        check_address(f"https://{host}:8443/tools")


@pytest.mark.parametrize("url", EVERY_REFUSED.values(), ids=EVERY_REFUSED.keys())
def test_what_is_refused_when_registered_is_refused_when_called(url: str) -> None:
    """A rule may have become stricter since."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - whatever it says
        check_address(url)
    with pytest.raises(RequestFailed) as failed:
        send("GET", url)
    assert str(failed.value) == str(refused.value)


@pytest.mark.parametrize("url", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_public_address_is_accepted(url: str) -> None:
    check_address(url)


V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(IPv6Address)
UNICAST = st.integers(0x2000 << 112, (0x4000 << 112) - 1).map(IPv6Address)
EMBEDDED = st.builds(
    lambda prefix, v4, shift: IPv6Address(int(IPv6Address(prefix)) | int(v4) << shift),
    st.sampled_from(["::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "2002::", "2001::"]),
    V4,
    st.sampled_from([0, 80]),
)


@given(st.one_of(V4, V6, UNICAST, EMBEDDED))
def test_no_literal_address_that_is_accepted_is_anything_but_public(
    address: IPv4Address | IPv6Address,
) -> None:
    try:
        check_address(f"https://[{address}]/" if address.version == 6 else f"https://{address}/")
    except ValueError:
        return
    assert address.is_global
    assert not address.is_multicast
    assert not address.is_reserved
    if isinstance(address, IPv6Address):
        assert (address.ipv4_mapped, address.sixtofour, address.teredo) == (None, None, None)


@given(st.text("0123456789abcdefx.", min_size=1, max_size=20))
def test_what_looks_like_a_number_is_an_address_in_its_usual_form_or_refused(host: str) -> None:
    """inet_aton, on which getaddrinfo falls back, reads many more forms than four decimal numbers."""
    try:
        read = socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return
    try:
        check_address(f"https://{host}/")
    except ValueError:
        return
    assert read == host.removesuffix(".")
    assert ip_address(read).is_global


ACCEPTED_HEADERS = {
    "none": {},
    "a key": {"X-Api-Key": "abc def"},
    "authorization": {"Authorization": "Bearer abc"},
    "a type": {"content-type": "application/json; charset=utf-8"},
    "empty": {"X-Empty": ""},
    "one character": {"X": "a"},
    "a tab within": {"X": "a\tb"},
    "8,000 characters": {"X": "a" * 7_999},
}

REFUSED_HEADERS = {
    "a line": {"X": "a\r\nHost: b"},
    "a line feed": {"X": "a\nb"},
    "a line feed at the end": {"X": "a\n"},
    "a null": {"X": "a\0"},
    "a blank first": {"X": " a"},
    "a blank last": {"X": "a "},
    "beyond ASCII": {"X": "ü"},
    "a surrogate": {"X": "\ud800"},
    "a name with a line": {"X\r\nHost": "b"},
    "a name with a line feed at the end": {"X\n": "b"},
    "a name with a colon": {"X:": "b"},
    "a name with a blank": {"X Y": "b"},
    "an empty name": {"": "b"},
    "a name beyond ASCII": {"Ü": "b"},
    "twice": {"X-Key": "a", "x-key": "b"},
    **{
        name: {name: "1"}
        for name in (
            *("Host", "host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE"),
            *("Trailer", "Upgrade", "Expect", "Accept-Encoding", "Proxy-Authorization", "Proxy-Connection"),
        )
    },
}


@pytest.mark.parametrize("headers", ACCEPTED_HEADERS.values(), ids=ACCEPTED_HEADERS.keys())
def test_headers_that_say_nothing_of_the_way_are_accepted(headers: dict[str, str]) -> None:
    check_headers(headers)


@pytest.mark.parametrize("headers", REFUSED_HEADERS.values(), ids=REFUSED_HEADERS.keys())
def test_headers_that_would_change_the_request_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z].{10,160}\.$") as refused:
        check_headers(headers)
    with pytest.raises(RequestFailed) as failed:
        send("GET", "https://8.8.8.8/", headers=headers, seconds=0.1)
    assert str(failed.value) == str(refused.value)


@pytest.mark.parametrize("headers", [{"X": "a" * 8_000}, {f"X-{n}": "abcdef" for n in range(1_000)}])
def test_more_headers_than_most_servers_take_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^The headers are longer than 8,000 characters\.$"):
        check_headers(headers)


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=20), max_size=3))
def test_headers_that_are_accepted_are_written_as_one_line_each(headers: dict[str, str]) -> None:
    """h11 has its own idea of what a header is: ours is not wider."""
    from h11 import CLIENT, Connection, Request

    try:
        check_headers(headers)
    except ValueError:
        return
    request = Request(method="GET", target="/", headers=[("Host", "a"), *headers.items()])
    assert Connection(CLIENT).send(request).count(b"\r\n") == len(headers) + 3
