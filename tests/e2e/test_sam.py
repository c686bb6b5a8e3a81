"""What `make build` makes, run by `sam local` in Lambda's containers: the demo and every file of events/."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.build import sam
from tests.contract.test_routes import EVENTS, SAMPLE_SECRET
from tests.e2e.local.service import ROOT, Service
from tests.e2e.served import Checkout, Client, demo
from tests.support.missing import skip_unless
from tests.support.service import load_template

AT_ONCE = 4  # an invocation mostly waits, for SAM to start and for its container to end


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
def invoked(served: Service) -> dict[str, subprocess.CompletedProcess[str]]:
    """`sam local invoke` of every file, by its name, on the table that `make sam` serves."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip((file.stem for file in EVENTS), pool.map(invoke, EVENTS), strict=True))


def invoke(file: Path) -> subprocess.CompletedProcess[str]:
    event = json.loads(file.read_text())
    found = load_template().find(event["requestContext"]["http"]["method"], event["rawPath"])
    assert found
    return subprocess.run(  # noqa: S603 - what is under test
        sam.build_command("invoke", found[1], "--event", str(file)),
        cwd=ROOT,
        env=sam.build_environment(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("case", [file.stem for file in EVENTS])
def test_every_event_file_is_answered(
    invoked: dict[str, subprocess.CompletedProcess[str]], case: str
) -> None:
    """As tests/contract has it in order; here they race, so what one refers to another may not have made."""
    done = invoked[case]
    assert done.returncode == 0, done.stderr
    reply = json.loads(done.stdout.splitlines()[-1])
    if case.startswith("live_tokens."):  # there is no key for Gemini
        assert (reply["statusCode"], "GEMINI_API_KEY is missing" in reply["body"]) == (500, True), reply
        return
    assert reply["statusCode"] in (200, 201, 204, 404), reply
    assert reply["statusCode"] != 404 or "error" in reply["body"]
