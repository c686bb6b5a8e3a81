"""Whether calls of one app's tools that hang hold up another app, on the local service.

`make run` with a data folder of its own. 64 clients call 64 tools whose endpoint takes connections and never
says a word, each again as soon as it is answered: none of the tools has failed often enough yet to be left
alone, so nothing but the share of the threads that tools may take helps. Meanwhile another app saves a
conversation over and over, as it did before without them; three times, each time with a new service.
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, NamedTuple

from bench.load import find_percentile
from bench.make_run import serve
from bench.report import Figure, Findings, Sheet
from bench.workload import ROOT, make_conversation

TITLE = "Saves of one app while 64 calls of another one's tools hang"
_RUNS = 3
_SECONDS = 8
_FEW, _HANGING = 16, 64
_SECRET = "the secret of the demo apps"  # noqa: S105 - of a table that is gone afterwards
_HANGING_APP, _OTHER_APP = "demo-dentist", "demo-earnings"
_BEFORE = (9_945, 39_089, 30_123)
"""In ms at commit 6066f97, when tools could take every thread: what the sheet of waits lists."""


class _Run(NamedTuple):
    """In ms."""

    alone: float
    beside: float
    """Of the saves, the 99th percentile."""
    health_of_few: float
    health: float


class _Client:
    """One connection with the credentials of an app."""

    def __init__(self, port: int, app: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {
            "authorization": f"Bearer {_SECRET}",
            "x-app-slug": app,
            "content-type": "application/json",
        }

    def send(self, method: str, path: str, body: Any = None) -> float:
        """Send a request, and answer how many ms its answer took."""
        started = time.perf_counter()
        self._connection.request(method, path, body and json.dumps(body), self._headers)
        reply = self._connection.getresponse()
        text = reply.read()
        if reply.status not in (200, 503):
            raise RuntimeError(f"{method} {path}: {reply.status} {text.decode()}")
        return (time.perf_counter() - started) * 1000


def measure() -> Findings:
    runs = [_measure_run() for _ in range(_RUNS)]
    alone, beside = (median(run.alone for run in runs), median(run.beside for run in runs))
    few, many = (max(run.health_of_few for run in runs), max(run.health for run in runs))
    waits = {"health, 16 hang": few, "health, 64 hang": many, "p99 of saves, 64 hang": beside}
    rows = [(what, before, round(ms, 1)) for (what, ms), before in zip(waits.items(), _BEFORE, strict=True)]
    return [
        Figure("p99 of saves, nothing hangs", alone, "ms"),
        Figure("p99 of saves, 64 calls of another app hang", beside, "ms", at_most=1.5 * alone + 20),
        Figure("health check, 64 calls hang, slowest of three", many, "ms", at_most=1_000),
        Sheet("ms that a request waits", ("what", "before", "now"), rows),
        Sheet(
            "p99 of saves in ms",
            ("run", "alone", "64 hang"),
            [(str(number), round(run.alone, 1), round(run.beside, 1)) for number, run in enumerate(runs, 1)],
        ),
    ]


def _measure_run() -> _Run:
    with (
        TemporaryDirectory(prefix="genai-voice-bench-") as data,
        _listen_deaf() as deaf,
        serve(ROOT, Path(data), DEMO_SECRET=_SECRET) as port,
    ):
        _register_tools(port, f"https://127.0.0.1:{deaf}/")
        saver = _Client(port, _OTHER_APP)
        _save(saver, 1)
        alone = _save(saver, _SECONDS)
        _hang(port, range(_FEW))
        few = _Client(port, _OTHER_APP).send("GET", "/api/health")
        _hang(port, range(_FEW, _HANGING))
        many = _Client(port, _OTHER_APP).send("GET", "/api/health")
        return _Run(alone, _save(_Client(port, _OTHER_APP), _SECONDS), few, many)


def _save(client: _Client, seconds: float) -> float:
    """Save a conversation again and again, and answer the 99th percentile in ms."""
    until, body = time.monotonic() + seconds, make_conversation(8)
    took = []
    while time.monotonic() < until:
        took.append(client.send("POST", "/api/conversations", body))
    return find_percentile(sorted(took), 99)


@contextmanager
def _listen_deaf() -> Iterator[int]:
    """A port where connections are taken, and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        yield listening.getsockname()[1]


def _register_tools(port: int, endpoint: str) -> None:
    client = _Client(port, _HANGING_APP)
    for number in range(_HANGING):
        tool = {"name": f"hang_{number}", "description": "Hangs.", "parametersSchema": "{}"}
        client.send("POST", "/api/tools", tool | {"endpoint": endpoint})


def _hang(port: int, numbers: range) -> None:
    """Have a client for each of these tools call it until the service ends, and wait until they do."""
    for number in numbers:
        Thread(target=_call_for_ever, args=[port, number], daemon=True).start()
    time.sleep(1)


def _call_for_ever(port: int, number: int) -> None:
    client = _Client(port, _HANGING_APP)
    with suppress(OSError, HTTPException, RuntimeError):
        while True:
            client.send(
                "POST", "/api/tools/execute", {"sessionId": f"s-{number}", "toolName": f"hang_{number}"}
            )
