"""Each function has half of a worker's threads, and whoever waits for one is told when there is none."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from local.serve.threads import ShareTaken, Threads, WorkerRetired

LONG_S = 60.0


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def take(taken: AsyncExitStack, threads: Threads, function: str, times: int) -> None:
    for _ in range(times):
        await taken.enter_async_context(threads.take(function, LONG_S))


async def is_refused(threads: Threads, function: str) -> bool:
    try:
        async with threads.take(function, 0):
            return False
    except ShareTaken:
        return True


def test_a_function_has_half_of_the_threads_and_all_together_have_all() -> None:
    async def work() -> None:
        threads = Threads()
        async with AsyncExitStack() as taken:
            await take(taken, threads, "tools", 8)
            assert await is_refused(threads, "tools")
            await take(taken, threads, "saves", 7)
            assert not await is_refused(threads, "health")
            await take(taken, threads, "saves", 1)
            assert await is_refused(threads, "health")
        assert not await is_refused(threads, "tools")

    run(work())


def test_who_waits_for_a_share_does_not_hold_up_who_may_have_a_thread() -> None:
    """Also where it has waited longer: each thread that becomes free is offered to all."""

    async def work() -> None:
        threads = Threads()
        async with AsyncExitStack() as others, AsyncExitStack() as one, AsyncExitStack() as taken:
            await take(taken, threads, "tools", 8)
            await take(others, threads, "saves", 7)
            await take(one, threads, "events", 1)
            waiting = [asyncio.create_task(take(taken, threads, each, 1)) for each in ("tools", "health")]
            await asyncio.sleep(0)
            await one.aclose()
            await asyncio.wait_for(waiting[1], LONG_S)
            assert not waiting[0].done()
            waiting[0].cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    run(work())


def test_those_who_wait_are_told_when_the_worker_retires() -> None:
    async def work() -> None:
        threads = Threads()
        async with AsyncExitStack() as taken:
            await take(taken, threads, "tools", 8)
            waiting = asyncio.create_task(take(taken, threads, "tools", 1))
            await asyncio.sleep(0)
            await threads.retire()
            with pytest.raises(WorkerRetired):
                await waiting

    run(work())
