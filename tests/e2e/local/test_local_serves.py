"""The local service over HTTP: events, replies, the platform's limits, faults that stay where they are."""

import base64
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.serve.server import Server
from tests.e2e.local.service import Project, Service, body_of

MB = 1024 * 1024


def event_of(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return dict(response.json()["event"])


def number_of(response: httpx.Response) -> int:
    return int(event_of(response)["queryStringParameters"]["number"])


def test_the_start_message_says_how_to_try_it(shared: Service) -> None:
    told = shared.wait_for("Ctrl-C to stop")
    secret = (shared.project.data / "demo-secret").read_text().strip()
    assert f"curl -s {shared.address}/api/persona -H 'Authorization: Bearer {secret}'" in told
    assert f"seeded with a secret of {len(secret)} characters" in told


def test_a_request_becomes_an_event(shared: Service) -> None:
    event = event_of(shared.get("/echo?a=1&a=2", headers={"X-Thing": "x", "Cookie": "c=1"}))
    assert event["routeKey"] == "GET /echo"
    assert event["queryStringParameters"] == {"a": "1,2"}
    assert event["headers"]["x-thing"] == "x"
    assert event["cookies"] == ["c=1"]
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"


def test_a_function_sees_its_variables_its_layer_and_its_time(shared: Service) -> None:
    seen = body_of(shared.get("/echo"))
    assert (seen["table"], seen["greeting"], seen["function"]) == ("genai-voice", "hello", "EchoFunction")
    assert isinstance(seen["remaining"], int)
    assert 28_000 < seen["remaining"] <= 29_000


@pytest.mark.parametrize("body", [b"{}", "ä→🙂".encode(), b'"\xff"'])
def test_a_body_of_json_comes_as_text(shared: Service, body: bytes) -> None:
    event = event_of(shared.post("/echo", content=body, headers={"content-type": "application/json"}))
    assert (event["body"], event["isBase64Encoded"]) == (body.decode(errors="replace"), False)


def test_a_webhooks_body_comes_as_base64_byte_for_byte(shared: Service) -> None:
    body = bytes(range(256))
    event = event_of(shared.post("/echo", content=body, headers={"content-type": "application/webhook+json"}))
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == body


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/echo"), ("OPTIONS", "/echo")])
def test_what_no_route_matches_goes_to_the_default(shared: Service, method: str, path: str) -> None:
    answer = httpx.request(method, shared.address + path)
    assert (answer.status_code, answer.text) == (404, f"nothing at {path} for $default")


def test_a_preflight_is_answered_without_a_body(shared: Service) -> None:
    answer = httpx.options(shared.address + "/trouble?kind=nothing")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers


def test_a_client_that_leaves_while_it_sends_calls_no_function(shared: Service) -> None:
    host, port = shared.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"POST /store?key=half HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    time.sleep(0.5)
    assert body_of(shared.get("/store?key=half")) == {"found": False}


def test_head_is_answered_without_a_body(shared: Service) -> None:
    for path, status in (("/echo", 200), ("/store", 404)):
        answer = httpx.head(shared.address + path)
        assert (answer.status_code, answer.content) == (status, b"")
        assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("kind", ["raise", "exit", "set", "shape"])
def test_a_failing_handler_is_an_error_in_our_envelope_and_nothing_else(shared: Service, kind: str) -> None:
    before = body_of(shared.get("/echo"))["pid"]
    answer = shared.get(f"/trouble?kind={kind}")
    assert (answer.status_code, answer.text) == (500, '{"error":"Internal server error"}')
    assert answer.headers["access-control-allow-origin"] == "*"
    assert body_of(shared.get("/echo"))["pid"] == before


def test_why_a_handler_failed_is_in_the_log_and_not_on_the_terminal(shared: Service) -> None:
    shared.get("/trouble?kind=raise")
    assert "something only the log may say" in (shared.project.data / "handlers.log").read_text()
    assert "something only the log may say" not in shared.output


def test_a_function_has_half_of_the_threads_and_others_go_on_meanwhile(shared: Service) -> None:
    with ThreadPoolExecutor(24) as clients:
        hanging = [clients.submit(shared.get, "/echo?sleep=1.5") for _ in range(24)]
        time.sleep(0.5)
        others = {shared.get("/trouble").status_code for _ in range(5)}
        assert others == {404}
        assert not all(each.done() for each in hanging)
        at_once = [each.result().json()["at_once"] for each in hanging]
    assert max(at_once) == 8


def test_an_idle_connection_is_kept_as_long_as_api_gateway_keeps_it() -> None:
    gateway: Any = None
    assert Server(gateway, lambda: None).config.timeout_keep_alive == 75


def test_a_hundred_requests_wait_their_turn(shared: Service) -> None:
    with ThreadPoolExecutor(100) as clients:
        answers = list(
            clients.map(lambda number: shared.get(f"/echo?sleep=0.02&number={number}"), range(100))
        )
    assert {event_of(each)["queryStringParameters"]["number"] for each in answers} == {
        str(n) for n in range(100)
    }


@pytest.mark.parametrize(
    ("size", "status", "limit"),
    [
        pytest.param(5 * MB, 200, "", id="an event that fits"),
        pytest.param(6 * MB, 413, "6 MB", id="an event that does not"),
        pytest.param(11 * MB, 413, "10 MB", id="a request that does not"),
    ],
)
def test_requests_have_the_platforms_limits(shared: Service, size: int, status: int, limit: str) -> None:
    answer = shared.post("/echo?grow=1", content=b"x" * size, headers={"content-type": "text/plain"})
    assert answer.status_code == status
    if limit:
        assert answer.json() == {"error": f"Request body too large: at most {limit}"}
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(("size", "status"), [(5 * MB, 200), (6 * MB, 500)])
def test_replies_have_the_platforms_limit(shared: Service, size: int, status: int) -> None:
    answer = shared.get(f"/echo?grow={size}")
    assert answer.status_code == status
    if status == 500:
        assert answer.json() == {"error": "Internal server error"}


def test_a_crash_costs_the_request_and_not_the_service(shared: Service) -> None:
    before = body_of(shared.get("/echo"))["pid"]
    assert shared.get("/trouble?kind=crash").status_code == 503
    assert body_of(shared.get("/echo"))["pid"] != before


def test_the_engine_has_the_table(shared: Service) -> None:
    assert body_of(shared.post("/store?key=k")) == {"stored": "k"}
    assert body_of(shared.get("/store?key=k")) == {"found": True}
    assert body_of(shared.get("/store?key=other")) == {"found": False}


def test_a_function_that_takes_too_long_is_cut_off_and_keeps_no_thread(start: Callable[..., Service]) -> None:
    service = start("-c", "import sys; from local.serve import run; sys.exit(run.main(time_limit_s=1.0))")
    before = body_of(service.get("/echo"))["pid"]
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda _: service.get("/echo?sleep=2"), range(20)))
    assert {each.status_code for each in answers} == {503}
    assert {each.text for each in answers} == {'{"message":"Service Unavailable"}'}
    seen = service.get("/echo")
    assert seen.status_code == 200
    assert seen.elapsed.total_seconds() < 1
    service.wait_until(lambda: body_of(service.get("/echo"))["pid"] != before)


def test_settings_of_the_environment_reach_functions_and_refusals(start: Callable[..., Service]) -> None:
    service = start(ALLOWED_ORIGINS="https://a.example", TABLE_NAME="mine", AWS_PROFILE="nobody")
    answer = service.get("/trouble?kind=raise", headers={"Origin": "https://a.example"})
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert body_of(service.get("/echo"))["table"] == "mine"
    assert body_of(service.post("/store?key=k")) == {"stored": "k"}


def test_another_process_finds_the_table(shared: Service, tmp_path: Path) -> None:
    shared.wait_for("Ctrl-C to stop")
    connection = json.loads((shared.project.data / "connection.json").read_text())
    assert connection == {
        "endpoint": connection["endpoint"],
        "table": "genai-voice",
        "region": "us-east-1",
        "deployment_secret_file": str(shared.project.data / "deployment-secret"),
        "address": shared.address,
        "webhook_queue_url": "",  # this project has no queue
        "outgoing_local_ca": str(shared.project.data / "authority.pem"),
    }
    client = Service(
        Project(tmp_path / "other"),
        "-c",
        "import os; from local.serve.connection import connect; connect(); "
        "print('table', os.environ['TABLE_NAME'], 'found')",
        DATA_DIR=str(shared.project.data),
    )
    assert client.process.wait(20) == 0
    assert "table genai-voice found" in client.output
    client.close()
