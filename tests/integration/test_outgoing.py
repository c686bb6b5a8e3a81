"""What leaves for a tenant's address, and what comes back: against a real HTTPS server in this process."""

import gc
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from genai_voice.foundation.outgoing import (
    MAX_ATTEMPTS,
    MAX_BODY_BYTES,
    HttpResponse,
    NotAnswered,
    NotConnected,
    PolicyRefused,
    RequestFailed,
    check_address,
    send,
)

from tests.support.https import (
    Authority,
    Behaviour,
    Names,
    Server,
    hang,
    send_forever,
    send_raw,
    send_reply,
    send_slowly,
    serve_https,
)

HOST = "tools.example"
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SECONDS = 0.4

PRIVATE = {
    "private": "10.0.0.1",
    "link-local": "169.254.169.254",
    "carrier-grade NAT": "100.64.0.1",
    "unspecified": "0.0.0.0",  # noqa: S104 - refused
    "v6 metadata": "fd00:ec2::254",
    "mapped": "::ffff:10.0.0.1",
    "mapped loopback": "::ffff:127.0.0.1",
    "NAT64": "64:ff9b::a00:1",
    "6to4": "2002:a00:1::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
}
each_private = pytest.mark.parametrize("private", PRIVATE.values(), ids=PRIVATE.keys())


@pytest.fixture(autouse=True)
def _tools_example_is_here(names: Names) -> None:
    names.resolve(HOST, ["127.0.0.1"])


@pytest.fixture(autouse=True, scope="module")
def _no_connection_is_left_open() -> Iterator[None]:
    """One that nothing refers to any more fails its own test; this finds those in circles."""
    yield
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    assert [str(warning.message) for warning in left] == []


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@contextmanager
def deaf(address: str, port: int = 0) -> Iterator[int]:
    """A port where connections are neither taken nor refused: those that wait already are too many."""
    with socket.create_server((address, port), backlog=0) as listening, ExitStack() as waiting:
        port = listening.getsockname()[1]
        for _ in range(3):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex((address, port))
        yield port


# -- the request -------------------------------------------------------------------------------------------


def test_a_request_arrives_as_it_was_meant(server: Server) -> None:
    server.act = send_reply(201, b'{"ok": true}')
    url = server.make_url(HOST, "/orders?of=a%20b")
    headers = {"Content-Type": "application/json", "X-Api-Key": "k"}
    assert send("POST", url, headers=headers, body=b"{}") == HttpResponse(201, b'{"ok": true}')
    (request,) = server.requests
    assert (request.method, request.target, request.body, request.sni) == (
        "POST",
        "/orders?of=a%20b",
        b"{}",
        HOST,
    )
    assert request.headers == {
        "host": f"{HOST}:{server.port}",
        "user-agent": "genai-voice",
        "content-type": "application/json",
        "x-api-key": "k",
        "content-length": "2",
        "accept-encoding": "identity",
        "connection": "close",
    }


def test_a_request_without_a_body_announces_none(server: Server) -> None:
    send("GET", server.make_url(HOST))
    assert "content-length" not in server.requests[0].headers


def test_the_caller_may_say_who_it_is(server: Server) -> None:
    send("GET", server.make_url(HOST), headers={"User-Agent": "ours"})
    assert server.requests[0].headers["user-agent"] == "ours"


def test_a_literal_address_is_called_by_its_address(server: Server) -> None:
    send("GET", server.make_url("127.0.0.1"))
    assert (server.requests[0].headers["host"], server.requests[0].sni) == (f"127.0.0.1:{server.port}", None)


def test_a_literal_v6_address_keeps_its_brackets(authority: Authority, trusted: None) -> None:
    with serve_https(authority, address="::1") as server:
        send("GET", server.make_url("[::1]"))
    assert server.requests[0].headers["host"] == f"[::1]:{server.port}"


def test_a_dot_at_the_end_of_a_name_is_not_part_of_it(server: Server) -> None:
    send("GET", server.make_url(f"{HOST}."))
    assert (server.requests[0].headers["host"], server.requests[0].sni) == (f"{HOST}:{server.port}", HOST)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_not_asked(
    server: Server, names: Names, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://proxy.example:3128")
    assert send("GET", server.make_url(HOST)).status == 200
    assert names.asked == [HOST]


def test_a_long_body_arrives_whole(server: Server) -> None:
    body = bytes(range(256)) * 4_096
    send("POST", server.make_url(HOST), body=body)
    assert server.requests[0].body == body


# -- the answer --------------------------------------------------------------------------------------------


ANSWERS: dict[str, tuple[Behaviour, HttpResponse]] = {
    "an error": (send_reply(500, b"no"), HttpResponse(500, b"no")),
    "nothing": (send_raw(b"HTTP/1.1 204 No Content\r\n\r\n"), HttpResponse(204, b"")),
    "chunks": (send_raw(CHUNKED + b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\nA: b\r\n\r\n"), HttpResponse(200, b"abc")),
    "until the end of the connection": (send_raw(HEAD + b"\r\nabc"), HttpResponse(200, b"abc")),
    "an early hint first": (
        send_raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD + b"\r\nabc"),
        HttpResponse(200, b"abc"),
    ),
    "packed": (send_reply(200, b"\x1f\x8b", {"Content-Encoding": "gzip"}), HttpResponse(200, b"\x1f\x8b")),
    "the longest": (send_reply(200, b"a" * MAX_BODY_BYTES), HttpResponse(200, b"a" * MAX_BODY_BYTES)),
    "slow": (send_slowly(HEAD + b"Content-Length: 1\r\n\r\na", every_s=0.001), HttpResponse(200, b"a")),
    "more than announced": (send_raw(HEAD + b"Content-Length: 1\r\n\r\nabc"), HttpResponse(200, b"a")),
}


@pytest.mark.parametrize(("act", "answer"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_comes_back_as_it_is(server: Server, act: Behaviour, answer: HttpResponse) -> None:
    server.act = act
    assert send("GET", server.make_url(HOST)) == answer


def test_an_answer_to_head_has_a_length_and_no_body(server: Server) -> None:
    server.act = send_raw(HEAD + b"Content-Length: 1000000\r\n\r\n")
    assert send("HEAD", server.make_url(HOST)) == HttpResponse(200, b"")


def test_an_answer_whose_body_nobody_wants_ends_with_its_headers(server: Server) -> None:
    server.act = send_forever(HEAD + b"Retry-After: 5\r\n\r\n", b"x" * 65_536)
    assert send("POST", server.make_url(HOST), seconds=SECONDS, reads_body=False) == HttpResponse(
        200, b"", "5"
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(server: Server, status: int) -> None:
    server.act = send_reply(status, b"there", {"Location": server.make_url("127.0.0.1", "/there")})
    assert send("GET", server.make_url(HOST)) == HttpResponse(status, b"there")
    assert [request.target for request in server.requests] == ["/"]


BROKEN: dict[str, tuple[Behaviour, str]] = {
    "nothing": (send_raw(b""), "valid HTTP"),
    "half a head": (send_raw(HEAD + b"Content-Le"), "valid HTTP"),
    "half a body": (send_raw(HEAD + b"Content-Length: 5\r\n\r\nab"), "valid HTTP"),
    "half of the chunks": (send_raw(CHUNKED + b"5\r\nab"), "valid HTTP"),
    "no HTTP": (send_raw(b"220 mail.example ESMTP SECRET\r\n"), "valid HTTP"),
    "two lengths": (send_raw(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "valid HTTP"),
    "no number as length": (send_raw(HEAD + b"Content-Length: SECRET\r\n\r\nab"), "valid HTTP"),
    "another protocol": (send_raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), "valid HTTP"),
    "a longer length": (
        send_raw(HEAD + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)),
        "longer than 262,144",
    ),
    "a longer body": (send_raw(HEAD + b"\r\n" + b"a" * (MAX_BODY_BYTES + 1)), "longer than 262,144"),
    "endless chunks": (send_forever(CHUNKED, b"4000\r\n" + b"a" * 0x4000 + b"\r\n"), "longer than 262,144"),
    "an endless body": (send_forever(HEAD + b"\r\n", b"a" * 0x4000), "longer than 262,144"),
    "endless headers": (send_forever(HEAD, b"X-Header: " + b"a" * 1_000 + b"\r\n"), "valid HTTP"),
    "an endless header": (send_forever(HEAD + b"X: ", b"a" * 1_000), "valid HTTP"),
    "endless trailers": (send_forever(CHUNKED + b"0\r\n", b"X: " + b"a" * 1_000 + b"\r\n"), "valid HTTP"),
    "an endless chunk extension": (send_forever(CHUNKED + b"1;", b"a" * 1_000), "valid HTTP"),
}


@pytest.mark.parametrize(("act", "text"), BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_that_is_broken_or_too_long_is_a_sentence(
    server: Server, act: Behaviour, text: str
) -> None:
    server.act = act
    with at_most(5), pytest.raises(RequestFailed, match=text) as failed:
        send("GET", server.make_url(HOST))
    assert "SECRET" not in str(failed.value)
    assert len(server.connections) == 1, "nothing is sent twice"


LONG = "longer than"


@pytest.mark.parametrize(("act", "text"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_is_none_and_one_that_is_too_long_is_one(
    server: Server, act: Behaviour, text: str
) -> None:
    server.act = act
    with pytest.raises(RequestFailed) as failed:
        send("GET", server.make_url(HOST))
    assert type(failed.value) is (RequestFailed if LONG in text else NotAnswered)


# -- the deadline ------------------------------------------------------------------------------------------


SLOW: dict[str, Callable[[Server], None]] = {
    "no handshake": lambda server: setattr(server, "shakes_hands", False),
    "no answer": lambda server: setattr(server, "act", hang),
    "a dripping head": lambda server: setattr(server, "act", send_slowly(HEAD + b"X: " + b"a" * 1_000)),
    "a dripping body": lambda server: setattr(server, "act", send_slowly(HEAD + b"\r\n" + b"a" * 1_000)),
    "dripping chunks": lambda server: setattr(server, "act", send_slowly(CHUNKED + b"1\r\na\r\n" * 1_000)),
    "endless early hints": lambda server: setattr(
        server, "act", send_forever(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
    ),
    "half a body": lambda server: setattr(server, "act", send_slowly(HEAD + b"Content-Length: 2\r\n\r\na")),
}


@pytest.mark.parametrize("make", SLOW.values(), ids=SLOW.keys())
def test_a_slow_answer_ends_with_the_time(server: Server, make: Callable[[Server], None]) -> None:
    make(server)
    with at_most(SECONDS + 0.5), pytest.raises(NotAnswered, match=r"no answer within 0\.4 s") as failed:
        send("GET", server.make_url(HOST), seconds=SECONDS)
    assert isinstance(failed.value, NotConnected) == (not server.shakes_hands), "whether something was sent"


def test_a_request_that_nobody_reads_ends_with_the_time(server: Server) -> None:
    over = Event()

    def wait(_: object) -> None:
        over.wait(30)

    server.reads = False
    server.act = wait
    with at_most(SECONDS + 0.5), pytest.raises(RequestFailed, match="no answer within"):
        send("POST", server.make_url(HOST), body=bytes(30_000_000), seconds=SECONDS)
    over.set()


def test_a_look_up_without_an_answer_ends_with_the_time(names: Names, trusted: None) -> None:
    names.speaking.clear()
    with at_most(SECONDS + 0.5), pytest.raises(NotConnected, match="no answer within"):
        send("GET", f"https://{HOST}:8443/", seconds=SECONDS)
    names.speaking.set()


def test_no_time_is_no_answer(server: Server) -> None:
    with pytest.raises(RequestFailed, match="no answer within"):
        send("GET", server.make_url(HOST), seconds=0)
    assert server.requests == []


# -- where it goes -----------------------------------------------------------------------------------------


@each_private
def test_a_name_that_leads_inside_is_not_called(names: Names, trusted: None, private: str) -> None:
    names.resolve(HOST, [private])
    with pytest.raises(ValueError, match=r"must be public\.$"):
        check_address(f"https://{HOST}/")
    with pytest.raises(PolicyRefused, match=r"must be public\.$"):
        send("GET", f"https://{HOST}/", seconds=SECONDS)


@each_private
def test_a_name_with_one_address_inside_is_not_called_at_its_others(
    server: Server, names: Names, private: str
) -> None:
    names.resolve(HOST, ["127.0.0.1", private])
    with pytest.raises(ValueError, match=r"must be public\.$"):
        check_address(server.make_url(HOST))
    with pytest.raises(RequestFailed, match=r"must be public\.$"):
        send("GET", server.make_url(HOST))
    assert server.connections == []


@pytest.mark.parametrize("loopback", ["127.0.0.1", "127.0.0.2", "::1"])
def test_loopback_is_reached_only_in_tests(names: Names, loopback: str) -> None:
    names.resolve(HOST, [loopback])
    with pytest.raises(RequestFailed, match=r"must be public\.$"):
        send("GET", f"https://{HOST}/", seconds=SECONDS)


def test_a_name_is_looked_up_once_and_called_where_that_led(
    authority: Authority, server: Server, names: Names
) -> None:
    """A name that changes between the look-up that is vetted and another would lead inside."""
    names.resolve(HOST, ["127.0.0.1"], ["127.0.0.2"], ["10.0.0.1"])
    with serve_https(authority, address="127.0.0.2", port=server.port) as elsewhere:
        assert send("GET", server.make_url(HOST)).status == 200
    assert names.asked == [HOST]
    assert (len(server.requests), len(elsewhere.connections)) == (1, 0)


def test_a_name_is_looked_up_again_for_each_request(server: Server, names: Names) -> None:
    names.resolve(HOST, ["127.0.0.1"], ["10.0.0.1"])
    send("GET", server.make_url(HOST))
    with pytest.raises(RequestFailed, match=r"must be public\.$"):
        send("GET", server.make_url(HOST))
    assert len(server.connections) == 1


def test_the_next_address_is_tried_when_one_does_not_answer(server: Server, names: Names) -> None:
    names.resolve(HOST, ["::1", "127.0.0.2", "127.0.0.1"])
    assert send("GET", server.make_url(HOST)).status == 200


def test_an_address_of_a_family_that_this_machine_lacks_is_passed_over(
    server: Server, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IPv6 where the kernel was started without it."""

    def look_up(*arguments: Any, **options: Any) -> list[Any]:
        found = names.getaddrinfo(*arguments, **options)
        return [(socket.AF_APPLETALK, *found[0][1:]), *found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert send("GET", server.make_url(HOST)).status == 200


def test_a_name_with_many_addresses_is_given_up(server: Server, names: Names) -> None:
    """Else each would have too small a share of the time."""
    names.resolve(HOST, [*["127.0.0.2"] * MAX_ATTEMPTS, "127.0.0.1"])
    with pytest.raises(RequestFailed, match="connection to the host failed"):
        send("GET", server.make_url(HOST))
    assert server.connections == []


def test_an_address_that_swallows_connections_leaves_time_for_the_next(
    authority: Authority, names: Names, trusted: None
) -> None:
    names.resolve(HOST, ["127.0.0.2", "127.0.0.1"])
    with serve_https(authority) as server, deaf("127.0.0.2", server.port), at_most(SECONDS + 0.5):
        assert send("GET", server.make_url(HOST), seconds=SECONDS).status == 200


def test_addresses_that_swallow_connections_end_with_the_time(names: Names, trusted: None) -> None:
    names.resolve(HOST, ["127.0.0.2"] * 20)
    with (
        deaf("127.0.0.2") as port,
        at_most(SECONDS + 0.5),
        pytest.raises(RequestFailed, match="no answer within"),
    ):
        send("GET", f"https://{HOST}:{port}/", seconds=SECONDS)


def test_a_host_that_refuses_connections_is_a_sentence(server: Server, names: Names) -> None:
    names.resolve(HOST, ["127.0.0.2"])
    with pytest.raises(NotConnected, match=r"^The connection to the host failed\.$"):
        send("GET", server.make_url(HOST))


def test_a_name_that_does_not_resolve_is_accepted_and_cannot_be_called(trusted: None) -> None:
    check_address("https://not-yet.example/")
    with pytest.raises(NotConnected, match=r"^The host name could not be resolved\.$"):
        send("GET", "https://not-yet.example/")


def test_a_name_that_leads_outside_is_accepted(names: Names) -> None:
    names.resolve(HOST, ["8.8.8.8", "2606:4700:4700::1111"])
    check_address(f"https://{HOST}/")


# -- trust -------------------------------------------------------------------------------------------------


def test_a_certificate_for_another_name_is_not_accepted(authority: Authority, trusted: None) -> None:
    with (
        serve_https(authority, hosts=["other.example"]) as server,
        pytest.raises(NotConnected, match=r"^The certificate of the host is not valid\.$"),
    ):
        send("GET", server.make_url(HOST))
    assert server.requests == []


def test_a_certificate_for_the_address_is_none_for_the_name(authority: Authority, trusted: None) -> None:
    with (
        serve_https(authority, hosts=["127.0.0.1"]) as server,
        pytest.raises(RequestFailed, match="certificate"),
    ):
        send("GET", server.make_url(HOST))


def test_a_certificate_of_a_strange_authority_is_not_accepted(
    tmp_path_factory: pytest.TempPathFactory, trusted: None
) -> None:
    with (
        serve_https(Authority(tmp_path_factory.mktemp("strange"))) as server,
        pytest.raises(RequestFailed, match="certificate"),
    ):
        send("GET", server.make_url(HOST))
    assert server.requests == []


def test_a_host_without_tls_is_a_sentence(trusted: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            plain, _ = listening.accept()
            with plain:
                plain.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

        answering = Thread(target=answer)
        answering.start()
        with pytest.raises(NotConnected, match=r"^The connection to the host failed\.$"):
            send("GET", f"https://127.0.0.1:{listening.getsockname()[1]}/")
        answering.join()
