"""Whether a batch of messages takes longer when the table has more rows: 10⁵ of them, written by the handler.

What grows with the table would show: a stream that the local engine looks through, an index that is read. The
processor's time is bound, of this process and of the engine; the time by the clock, which whatever else runs
on the machine makes longer, is shown beside it.
"""

import os
from pathlib import Path
from statistics import fmean, median
from time import perf_counter, process_time
from typing import NamedTuple

from bench.engine import serve_fresh_table
from bench.report import Figure, Findings, Sheet
from tests.support.service import Client, create_app

TITLE = "10⁵ messages in batches of 500"
_BATCH = 500  # messages of a request
_BATCHES = 200
_TENTH = _BATCHES // 10
_LIMIT = 1.3
_MEMORY = Path("/dev/shm")  # noqa: S108 - a file there waits for no disk


class _Took(NamedTuple):
    clock: float
    """Seconds."""
    processor: float
    """The same."""


def measure() -> Findings:
    with serve_fresh_table(_MEMORY if _MEMORY.is_dir() else None):
        app = create_app()
        _write(app, -1)  # imports, the connection, the caller
        taken = [_write(app, number) for number in range(_BATCHES)]
    tenths = [_sum_up(taken[start : start + _TENTH]) for start in range(0, _BATCHES, _TENTH)]
    first, last = tenths[0], tenths[-1]
    rows = [
        ((place + 1) * _TENTH * _BATCH, 1000 * each.processor, 1000 * each.clock)
        for place, each in enumerate(tenths)
    ]
    growth = last.processor / first.processor
    return [
        Figure("a batch at the end / at the beginning", growth, "×", at_most=_LIMIT, binding=True),
        Figure("  by the clock", last.clock / first.clock, "×", at_most=_LIMIT),
        Figure("  at the beginning", 1000 * first.processor, "ms"),
        Figure("  at the end", 1000 * last.processor, "ms"),
        Sheet("A batch up to so many messages", ("messages", "processor ms", "clock ms"), rows),
    ]


def _sum_up(taken: list[_Took]) -> _Took:
    """The median by the clock; the mean of the processor's time, which is counted in steps of 10 ms."""
    return _Took(median(each.clock for each in taken), fmean(each.processor for each in taken))


def _write(app: Client, number: int) -> _Took:
    """Send one batch, of a conversation of its own. Raises AssertionError where it is refused."""
    session = f"session-{number:04}"
    batch = [
        {
            "sessionId": session,
            "participantIdentity": "agent" if place % 2 else "caller",
            "role": "agent" if place % 2 else "user",
            "content": f"Line {place} of what is said in this conversation, which is as long as most are.",
            "isFinal": True,
            "createdAt": 1_760_000_000_000 + 1_700 * place,
        }
        for place in range(_BATCH)
    ]
    clock, processor = perf_counter(), _read_processor_time()
    reply = app.post("/api/messages", {"messages": batch})
    took = _Took(perf_counter() - clock, _read_processor_time() - processor)
    if reply.status != 200:
        raise AssertionError(f"a batch is answered {reply.status}: {reply.text}")
    return took


def _read_processor_time() -> float:
    """Read the seconds that this process and its children, the engine among them, have had of processors."""
    ticks = 0
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return process_time() + ticks / os.sysconf("SC_CLK_TCK")
