"""What `make build` makes, run by `sam local` in Lambda's containers: the demo and every file of events/."""

import json
import os
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from socket import create_connection
from typing import Any

import httpx
import pytest

from local.build import sam
from local.serve.guard import find_free_port
from tests.contract.test_routes import EVENTS, SAMPLE_SECRET
from tests.e2e.local.service import ROOT, Service
from tests.e2e.served import Checkout, Client, demo
from tests.support.missing import skip_unless
from tests.support.service import load_template

AT_ONCE = 4  # an invocation mostly waits, for its container to start
ENVIRONMENT = sam.build_environment(os.environ)


def docker_runs() -> bool:
    try:
        return not subprocess.run(["docker", "version"], capture_output=True, check=False).returncode  # noqa: S607
    except OSError:
        return False


pytestmark = [
    skip_unless(docker_runs(), reason="sam local needs Docker, and none is running here"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`make sam`."""
    data = tmp_path_factory.mktemp("sam")
    own = {"GENAI_VOICE_ROOT": str(ROOT), "DATA_DIR": str(data), "DEMO_SECRET": SAMPLE_SECRET}
    service = Service(Checkout(data), "-m", "local.build.sam", **own)
    try:
        service.wait_for("Ctrl-C to stop", seconds=300)
        yield service
        service.process.terminate()
        assert service.process.wait(60) == 0, service.output
    finally:
        service.close()


def test_the_demo_plays(served: Service) -> None:
    played = demo(URL=served.address, DEMO_SECRET=SAMPLE_SECRET)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "All as it should be: 3 conversations, " in played.stdout


def test_the_edge_answers_what_no_route_does(served: Service) -> None:
    with Client(served.address, "demo-dentist", SAMPLE_SECRET) as client:
        assert client.call("OPTIONS", "/api/persona").status_code == 204
        unknown = client.call("GET", "/api/unknown")
        assert (unknown.status_code, unknown.json()) == (404, {"error": "Not found"})


@pytest.fixture(scope="module")
def lambda_address(served: Service) -> Iterator[str]:
    """Lambda's own API by `sam local start-lambda`, on the table that `make sam` serves. To start `sam local
    invoke` for each payload would take two seconds of processor each time.
    """
    port = find_free_port("127.0.0.1")
    command = sam.build_command(
        "start-lambda", "--port", str(port), "--warm-containers", "LAZY", "--no-watch"
    )
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=said, stderr=said) as process,  # noqa: S603 - what is under test
    ):
        try:
            _await_port(port)
            yield f"http://127.0.0.1:{port}/2015-03-31/functions"
        finally:
            process.terminate()
            process.wait(60)


def _await_port(port: str) -> None:
    for _ in range(300):
        with suppress(OSError), create_connection(("127.0.0.1", int(port)), timeout=1):
            return
        time.sleep(0.2)
    pytest.fail("sam local start-lambda does not answer")


@pytest.fixture(scope="module")
def answers(lambda_address: str) -> dict[str, httpx.Response]:
    """What Lambda answers of every file, by its name: the files of a function in their order, functions at
    once.
    """
    by_function: defaultdict[str, list[Path]] = defaultdict(list)
    for file in EVENTS:
        by_function[_find_function(file)].append(file)

    def invoke_all(function: str) -> list[tuple[str, httpx.Response]]:
        url = f"{lambda_address}/{function}/invocations"
        files = by_function[function]
        return [(file.stem, httpx.post(url, content=file.read_bytes(), timeout=120)) for file in files]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(chain.from_iterable(pool.map(invoke_all, by_function)))


def _find_function(file: Path) -> str:
    event = json.loads(file.read_text())
    found = load_template().find(event["requestContext"]["http"]["method"], event["rawPath"])
    assert found
    return found[1]


def _check_reply(case: str, reply: dict[str, Any]) -> None:
    """What a payload refers to another may not have made: functions race here."""
    if case.startswith("live_tokens."):  # there is no key for Gemini
        assert (reply["statusCode"], "GEMINI_API_KEY is missing" in reply["body"]) == (500, True), reply
        return
    assert reply["statusCode"] in (200, 201, 204, 404), reply
    assert reply["statusCode"] != 404 or "error" in reply["body"]


@pytest.mark.parametrize("case", [file.stem for file in EVENTS])
def test_every_event_file_is_answered(answers: dict[str, httpx.Response], case: str) -> None:
    assert answers[case].status_code == 200, answers[case].text
    _check_reply(case, answers[case].json())


@pytest.mark.parametrize("case", ["conversations.save", "conversations.list"])
def test_an_event_file_is_answered_by_the_command_of_the_documents(served: Service, case: str) -> None:
    file = ROOT / "events" / f"{case}.json"
    command = sam.build_command("invoke", _find_function(file), "--event", str(file))
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)  # noqa: S603 - what is under test
    assert done.returncode == 0, done.stderr
    _check_reply(case, json.loads(done.stdout.splitlines()[-1]))
