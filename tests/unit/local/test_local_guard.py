"""Which requests a guard passes on: what programs of this machine send, and nothing that a page can."""

import pytest

from local.serve.guard import find_refusal

NAMES = {b"127.0.0.1:4000", b"localhost:4000"}
HOST = (b"host", b"127.0.0.1:4000")


@pytest.mark.parametrize("host", sorted(NAMES))
def test_what_aws_clients_send_is_passed_on(host: bytes) -> None:
    assert find_refusal(b"POST", [(b"host", host), (b"x-amz-target", b"x")], NAMES) is None


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([HOST, (b"origin", b"https://evil.example")], id="an origin"),
        pytest.param([HOST, (b"origin", b"null")], id="a hidden origin"),
        pytest.param([HOST, (b"origin", b"")], id="an empty origin"),
        pytest.param([HOST, (b"sec-fetch-mode", b"no-cors")], id="fetch metadata"),
        pytest.param([(b"host", b"evil.example")], id="another name"),
        pytest.param([(b"host", b"evil.example:4000")], id="another name with this port"),
        pytest.param([(b"host", b"127.0.0.1")], id="no port"),
        pytest.param([(b"host", b"127.0.0.1:4001")], id="another port"),
        pytest.param([HOST, (b"host", b"evil.example")], id="two names"),
        pytest.param([], id="no name"),
    ],
)
def test_what_a_page_can_send_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    assert find_refusal(b"POST", headers, NAMES)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
def test_another_method_is_refused(method: bytes) -> None:
    assert find_refusal(method, [HOST], NAMES)
