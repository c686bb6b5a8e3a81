"""How functions share the threads of a worker: while the calls of one wait for a server, others go on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from local.serve.worker import THREADS

SHARE = THREADS // 2
"""How many a function may take."""


class ShareTaken(Exception):
    """No thread that the function may take became free for as long as its caller waits."""


class WorkerRetired(Exception):
    """The worker takes no more events, another does."""


class Threads:
    """The 16 threads of a worker, as its parent counts them."""

    def __init__(self) -> None:
        self._busy: Counter[str] = Counter()
        """By function."""
        self._is_retired = False
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def take(self, function: str, limit_s: float) -> AsyncIterator[None]:
        """Take a thread, of which each function has 8 at most. Raises ShareTaken after `limit_s` seconds, and
        WorkerRetired in those who wait when the worker retires, so that they go to its successor.
        """
        try:
            async with asyncio.timeout(limit_s), self._changed:
                await self._changed.wait_for(lambda: self._is_retired or self._has_room_for(function))
                if self._is_retired:
                    raise WorkerRetired
                self._busy[function] += 1
        except TimeoutError:
            raise ShareTaken from None
        try:
            yield
        finally:
            self._busy[function] -= 1
            async with self._changed:
                self._changed.notify_all()  # who is first may wait for another function's thread

    async def retire(self) -> None:
        """Let nobody take a thread any more."""
        async with self._changed:
            self._is_retired = True
            self._changed.notify_all()

    def _has_room_for(self, function: str) -> bool:
        return self._busy.total() < THREADS and self._busy[function] < SHARE
