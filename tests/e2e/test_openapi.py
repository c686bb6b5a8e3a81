"""The OpenAPI document is served and shown, and a client that is generated from it plays the demo."""

import importlib
import inspect
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import httpx
import pytest
from pydantic.alias_generators import to_snake
from rich.console import Console

from local.demo import script
from local.demo.account import Account
from local.demo.clients import CallFailed, Json, ServiceClient
from local.demo.play import play
from local.project import Project
from local.serve.greeting import DEMO_APPS
from tests.e2e.local.service import needs_dynoxide
from tests.e2e.served import SECRET, Served

DOCUMENT: Json = json.loads(Project.read({}).openapi.read_text(encoding="utf-8"))


def test_the_document_and_its_page_are_served(served: Served) -> None:
    reply = httpx.get(f"{served.address}/openapi.json", trust_env=False)
    assert (reply.status_code, reply.json()) == (200, DOCUMENT)
    page = httpx.get(f"{served.address}/docs", trust_env=False)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    root = httpx.get(served.address, trust_env=False, follow_redirects=True)
    assert (root.url, root.text) == (page.url, page.text)
    assert f"{served.address}/docs" in served.wait_for("Ctrl-C to stop")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package that openapi-python-client makes of the document."""
    folder = tmp_path_factory.mktemp("generated")
    tools = Path(sys.executable).parent
    run = subprocess.run(  # noqa: S603 - what is under test
        [
            *(str(tools / "openapi-python-client"), "generate", "--path", str(Project.read({}).openapi)),
            *("--meta", "none", "--output-path", str(folder / "generated_voice_client"), "--fail-on-warning"),
        ],
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},  # it formats with ruff
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "arning" not in run.stdout + run.stderr
    sys.path.insert(0, str(folder))
    yield importlib.import_module("generated_voice_client")
    sys.path.remove(str(folder))


class Generated(ServiceClient):
    """The demo's service, asked through the functions and models of the generated client alone."""

    def __init__(self, address: str, package: ModuleType) -> None:
        super().__init__(address, local=True)
        self._package = package
        self.used: set[str] = set()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        self.requests += 1
        operation = DOCUMENT["paths"][path][method.lower()]
        self.used.add(operation["operationId"])
        function = self._function(operation).sync_detailed
        given: dict[str, Any] = {to_snake(name): value for name, value in (query or {}).items()}
        given |= {to_snake(name): value for name, value in (headers or {}).items()}
        wanted = inspect.signature(function, eval_str=True).parameters
        if "body" in wanted:
            declared = wanted["body"].annotation
            model = next(each for each in get_args(declared) or [declared] if hasattr(each, "from_dict"))
            given["body"] = model.from_dict(body or {})
            assert given["body"].to_dict() == body
        with self._client(headers or {}) as client:
            arguments = {name: value for name, value in given.items() if name in wanted}
            reply = function(client=client, **arguments)
        if reply.status_code != 200:
            raise CallFailed(f"should be answered 200, and is {reply.status_code}: {reply.content!r}")
        assert reply.parsed.to_dict() == json.loads(reply.content)
        return dict(reply.parsed.to_dict())

    def _function(self, operation: Json) -> ModuleType:
        (tag,) = operation["tags"]
        return importlib.import_module(f"{self._package.__name__}.api.{tag}.{operation['operationId']}")

    def _client(self, headers: Mapping[str, str]) -> Any:
        options = {"base_url": self.address, "httpx_args": {"trust_env": False}}
        if "Authorization" not in headers:
            return self._package.Client(**options)
        token = headers["Authorization"].removeprefix("Bearer ")
        slug = {name: value for name, value in headers.items() if name == "X-App-Slug"}
        return self._package.AuthenticatedClient(token=token, headers=slug, **options)


@needs_dynoxide
@pytest.mark.parametrize("app", DEMO_APPS)
def test_a_generated_client_plays_the_demo(served: Served, generated: ModuleType, app: str) -> None:
    first, by_hand = ServiceClient(served.address, local=True), ServiceClient(served.address, local=True)
    by_client = Generated(served.address, generated)
    told: list[Account] = []
    for service in (first, by_hand, by_client):  # the first makes the experiment that all take part in
        told.append(Account(Console(file=io.StringIO())))
        play(script.read(app), service, SECRET, told[-1])
        service.close()
    assert [each.wrong for each in told] == [0, 0, 0]
    assert told[2].checked == told[1].checked
    assert by_client.requests == by_hand.requests
    assert {"tenancy_open_session", "conversations_save", "tools_execute"} <= by_client.used
