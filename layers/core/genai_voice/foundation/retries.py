"""Writes that several writers race for are tried again until they succeed."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from genai_voice.foundation.errors import Busy

T = TypeVar("T")

ATTEMPTS = 20
"""Where n writers change one item at once, each loses only to one that wins and leaves: n - 1 times at most.
So 20 at once all succeed, more than one conversation or one app ever sees. The waits between add up to 1.3 s
on average and 2.6 s at most, well within the time that clients wait for an answer.
"""


def retry_lost_races(
    try_once: Callable[[], T | None],
    *,
    busy: str,
    after_loss: Callable[[], T | None] | None = None,
    attempts: int = ATTEMPTS,
) -> T:
    """Try a conditional write until no other writer comes between. Answers what the try that succeeded
    answers; None says that it has lost. Raises Busy with the text `busy` after so many `attempts`.

    A try reads what it depends on, decides and writes. Where the first can do without reading, `after_loss`
    is what is tried from the second time on. What a try raises ends it.
    """
    for attempt in range(attempts):
        answer = after_loss() if attempt and after_loss else try_once()
        if answer is not None:
            return answer
        if attempt < attempts - 1:
            _back_off(attempt)
    raise Busy(busy)


def _back_off(attempt: int) -> None:
    """Wait before the next try: up to 5 ms after the first (0), doubling to 160 ms. Chance keeps apart the
    tries of writers that have met.
    """
    time.sleep(random.uniform(0, 0.005 * 2 ** min(attempt, 5)))  # noqa: S311 - spreads retries
