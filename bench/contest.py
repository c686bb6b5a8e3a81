"""Several ways to do the same, timed in turns."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import repeat
from time import process_time
from unittest.mock import patch

from genai_voice.foundation import http

ROUNDS = 5
_SLICES = 20


@dataclass(frozen=True, slots=True)
class Contestant:
    call: Callable[[], object]
    around: Callable[[], AbstractContextManager[object]] = nullcontext
    """Entered before its turn, untimed."""


def find_best(contestants: Mapping[str, Contestant], calls: int) -> dict[str, float]:
    """Microseconds of one call of each: the best of 5 rounds of so many calls.

    A round goes by in slices, in each of which all take their turn, so that a machine that is slower for a
    while is so for all. Processor time of this process: nothing here waits, and what else runs meanwhile is
    not counted.
    """
    for each in contestants.values():
        _play_turn(each, calls // _SLICES)
    rounds = [_play_round(contestants, calls // _SLICES) for _ in range(ROUNDS)]
    return {name: min(taken[name] for taken in rounds) / calls * 1e6 for name in contestants}


def _play_round(contestants: Mapping[str, Contestant], calls: int) -> dict[str, float]:
    taken = dict.fromkeys(contestants, 0.0)
    for _ in range(_SLICES):
        for name, each in contestants.items():
            taken[name] += _play_turn(each, calls)
    return taken


def _play_turn(contestant: Contestant, calls: int) -> float:
    call = contestant.call
    with contestant.around():
        started = process_time()
        for _ in repeat(None, calls):
            call()
        return process_time() - started


@contextmanager
def leave_unreported() -> Iterator[None]:
    """The service without the log line of a request."""
    with patch.object(http, "report_request", lambda *facts, **more: None):
        yield
