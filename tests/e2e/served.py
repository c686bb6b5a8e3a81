"""This checkout, served by `make run`'s command as a process of its own, and clients that call it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from genai_voice.foundation.keys import make_key

from local.serve import connection, tables
from tests.e2e.local.service import ROOT, Project, Service, processes_with

Ended = subprocess.CompletedProcess[str]
SECRET = "the secret of the demo apps"
_OPERATOR = "from local.cli import main; main()"
_CODE = os.pathsep.join([str(ROOT / "layers" / "core"), str(ROOT)])


class Checkout(Project):
    def __init__(self, data: Path) -> None:  # writes no small project: there is a real one
        self.root = self.data = data


class Served(Service):
    """The real service with its data in `data`."""

    def __init__(self, data: Path, **variables: str) -> None:
        self.data = data
        own = {"GENAI_VOICE_ROOT": str(ROOT), "DATA_DIR": str(data), "DEMO_SECRET": SECRET}
        super().__init__(Checkout(data), **own | variables)

    def client(self, slug: str = "demo-dentist", secret: str = SECRET) -> "Client":
        return Client(self.address, slug, secret)

    def operator(self, *arguments: str, **variables: str) -> Ended:
        """`genai-voice` beside the service, on the same data."""
        return operator(*arguments, DATA_DIR=str(self.data), **variables)

    def operating(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The same while it runs, with pipes for what it prints."""
        return subprocess.Popen(  # noqa: S603 - what is under test
            [sys.executable, "-c", _OPERATOR, *arguments],
            cwd=ROOT,
            env=_environment(DATA_DIR=str(self.data)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def demo(self, **variables: str) -> Ended:
        """`make demo` beside the service, on the same data."""
        return demo(**{"DATA_DIR": str(self.data), "DEMO_SECRET": SECRET} | variables)

    def kill(self) -> None:
        """-9, for the parent and all that it has started."""
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        self.process.wait()

    def kill_group(self) -> None:
        """-9, for the group alone: the engine and the worker have their own and follow by themselves."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def processes(self) -> list[int]:
        return processes_with(f"DATA_DIR={self.data}")

    def rows(self, *parts: str) -> list[dict[str, Any]]:
        """The items of a partition as DynamoDB's JSON, from the engine itself."""
        with Table(connection.find_running(self.data)) as table:
            return table.partition(*parts)


class Table:
    """Past the service."""

    def __init__(self, here: connection.Connection) -> None:
        self._name, self._client = here.table, tables.open_client(here)

    def __enter__(self) -> "Table":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def partition(self, *parts: str) -> list[dict[str, Any]]:
        """Its items as DynamoDB's JSON, in the order of their keys."""
        asked = {
            "TableName": self._name,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": make_key(*parts)}},
            "ConsistentRead": True,
        }
        return [
            item for page in self._client.get_paginator("query").paginate(**asked) for item in page["Items"]
        ]


def events_of(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All events that a session's rows hold."""
    return [
        event
        for item in items
        if item["kind"]["S"] == "events"
        for event in json.loads(zlib.decompress(item["events"]["B"]))
    ]


def operator(*arguments: str, **variables: str) -> Ended:
    """The command as its installed script starts it."""
    return _run("-c", _OPERATOR, *arguments, **variables)


def demo(**variables: str) -> Ended:
    return _run("-m", "local.demo", **variables)


def smoke(**variables: str) -> Ended:
    return _run("-m", "local.demo.smoke", **variables)


def _environment(**variables: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": _CODE, **variables}


def _run(*arguments: str, **variables: str) -> Ended:
    return subprocess.run(  # noqa: S603 - what is under test
        [sys.executable, *arguments],
        cwd=ROOT,
        env=_environment(**variables),
        capture_output=True,
        text=True,
        timeout=300,  # `sam local` takes a second for each request
        check=False,
    )


class Client:
    """Calls with the credentials of one app in the headers, or with a session token of it."""

    def __init__(self, address: str, slug: str, secret: str) -> None:
        self.slug = slug
        self._http = httpx.Client(base_url=address, timeout=60, trust_env=False)
        self._secret = {"Authorization": f"Bearer {secret}", "X-App-Slug": slug}
        self._headers = self._secret

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def open_session(self) -> None:
        """From now on calls carry a new session token, which nobody has looked up before."""
        opened = self._http.post("/api/auth/session", headers=self._secret)
        assert opened.status_code == 200, opened.text
        self._headers = {"Authorization": f"Bearer {opened.json()['sessionToken']}"}

    def call(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        return self._http.request(method, path, json=body, params=query, headers=self._headers)

    def post(self, path: str, body: Any) -> dict[str, Any]:
        return answer(self.call("POST", path, body))

    def get(self, path: str, **query: str) -> dict[str, Any]:
        return answer(self.call("GET", path, **query))

    def all(self, path: str, items: str, session: str) -> list[dict[str, Any]]:
        """The session's items of a list of the app, oldest first."""
        found: list[dict[str, Any]] = []
        query: dict[str, str] = {}
        while True:
            page = self.get(path, **query)
            found += [each for each in page[items] if each["sessionId"] == session]
            if "cursor" not in page:
                return found[::-1]
            query = {"cursor": page["cursor"]}

    def messages(self, session: str) -> list[str]:
        return [each["content"] for each in self.get("/api/messages", sessionId=session)["messages"]]

    def conversation(self, session: str) -> dict[str, Any]:
        """The only one of this session."""
        (found,) = self.all("/api/conversations", "conversations", session)
        return found | {"transcript": json.loads(found.get("transcript", "null"))}

    def executions(self, session: str) -> list[dict[str, Any]]:
        return self.all("/api/tools/executions", "executions", session)

    def execute(self, session: str, tool: str, **parameters: Any) -> dict[str, Any]:
        result = self.post("/api/tools/execute", execution(session, tool, **parameters))
        return dict(result["data"])


def answer(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, f"{response.request.url}: {response.status_code} {response.text}"
    return dict(response.json())


def insist(act: Callable[[], httpx.Response], seconds: float = 60) -> tuple[dict[str, Any], list[str]]:
    """The answer, and what came before it: as clients ask that lose nothing."""
    deadline, failures = time.monotonic() + seconds, list[str]()
    while True:
        try:
            response = act()
        except httpx.TransportError as reason:
            failures.append(repr(reason))
        else:
            if response.status_code < 500:
                return answer(response), failures
            failures.append(f"{response.status_code} {response.text}")
        assert time.monotonic() < deadline, f"no answer in {seconds} s: {failures[-1]}"
        time.sleep(0.05)


def said(session: str, content: str, at: int) -> dict[str, Any]:
    """A message as the voice agent sends it."""
    return {
        "sessionId": session,
        "participantIdentity": "user" if at % 2 else "agent",
        "role": "user" if at % 2 else "agent",
        "content": content,
        "isFinal": True,
        "createdAt": at,
    }


def written(content: str, at: int) -> dict[str, Any]:
    """The same in a transcript."""
    return {"role": "user" if at % 2 else "agent", "content": content, "ts": at}


def event(kind: str, at: int) -> dict[str, Any]:
    return {"eventType": kind, "ts": at, "data": json.dumps({"state": "speaking"})}


def execution(session: str, tool: str, **parameters: Any) -> dict[str, Any]:
    return {"sessionId": session, "toolName": tool, "parameters": parameters}


def incompressible(size: int, seed: int) -> str:
    return random.Random(seed).randbytes(size // 2).hex()  # noqa: S311 - only has to be incompressible


@contextmanager
def serving(data: Path, **variables: str) -> Iterator[Served]:
    data.mkdir(parents=True, exist_ok=True)
    service = Served(data, **variables)
    try:
        service.wait_for("Ctrl-C to stop")
        yield service
    finally:
        service.close()
