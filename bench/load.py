"""Latency of the local service under 8 clients for 20 s.

`make run` with a data folder and a port of its own. Each client plays the conversation that `bench.cost`
prices, over and over with sessions of its own, on a connection that it keeps, and sends the next request as
soon as it has its answer: the service is busy all the time, on the machine that its clients share.
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection, HTTPException
from itertools import count
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.conversation import Conversation, Request
from bench.make_run import serve
from bench.report import Figure, Findings, Sheet
from bench.workload import APP, ROOT

TITLE = "The local service under 8 clients for 20 s"
_CLIENTS = 8
_SECONDS = 20
_SECRET = "the secret of the demo apps"  # noqa: S105 - of a table that is gone afterwards
_COLUMNS = ("endpoint", "requests", "p50 ms", "p99 ms", "slowest ms")


class _Answer(NamedTuple):
    endpoint: str
    ms: float
    fault: str
    """What is wrong with it, or nothing."""


def measure() -> Findings:
    with (
        TemporaryDirectory(prefix="genai-voice-bench-") as data,
        serve(ROOT, Path(data), DEMO_SECRET=_SECRET) as port,
        ThreadPoolExecutor(_CLIENTS) as pool,
    ):
        until = time.monotonic() + _SECONDS
        played = pool.map(partial(_play, port, until), range(_CLIENTS))
        answers = [answer for each in played for answer in each]
    took = sorted(answer.ms for answer in answers)
    faults = Counter(f"{answer.endpoint}: {answer.fault}" for answer in answers if answer.fault)
    told = "; ".join(f"{times} × {fault}" for fault, times in faults.most_common(3))
    return [
        Figure(f"errors ({told})" if told else "errors", faults.total(), "", at_most=0, binding=True),
        Figure("p50", find_percentile(took, 50), "ms"),
        Figure("p99", find_percentile(took, 99), "ms"),
        Figure("requests", len(took), "requests"),
        Figure("requests per second", len(took) / _SECONDS, "/ s"),
        Sheet("By endpoint", _COLUMNS, _make_rows(answers)),
    ]


def find_percentile(ascending: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    return ascending[max(0, ceil(len(ascending) * percent / 100) - 1)]


def _make_rows(answers: Sequence[_Answer]) -> list[tuple[str | float, ...]]:
    took: dict[str, list[float]] = defaultdict(list)
    for answer in sorted(answers, key=lambda each: each.ms):
        took[answer.endpoint].append(answer.ms)
    return [
        (
            endpoint,
            len(ms),
            *(round(each, 1) for each in (find_percentile(ms, 50), find_percentile(ms, 99), ms[-1])),
        )
        for endpoint, ms in sorted(took.items())
    ]


def _play(port: int, until: float, client: int) -> list[_Answer]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    answers = []
    for request in _list_requests(client):
        if time.monotonic() >= until:
            break
        answers.append(_ask(connection, request))
    connection.close()
    return answers


def _list_requests(client: int) -> Iterator[Request]:
    for number in count():
        session = f"session-{1_760_000_000_000 + number}-{client:010x}"
        yield from Conversation(APP, _SECRET, session, 1_760_000_000_000).list_requests()


def _ask(connection: HTTPConnection, request: Request) -> _Answer:
    body = None if request.body is None else json.dumps(request.body)
    headers = {**request.headers, "content-type": "application/json"}
    started = time.perf_counter()
    try:
        connection.request(request.method, request.path, body, headers)
        reply = connection.getresponse()
        reply.read()
        fault = "" if reply.status == 200 else f"status {reply.status}"
    except (OSError, HTTPException) as reason:
        connection.close()
        fault = type(reason).__name__
    return _Answer(f"{request.method} {request.path}", (time.perf_counter() - started) * 1000, fault)
