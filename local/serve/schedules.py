"""The schedules of the template: each calls its function once at the start, then at its rate."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from local.serve.engines import ACCOUNT
from local.serve.invocations import InvocationFailed, invoke
from local.serve.template import Schedule
from local.serve.worker_pool import WorkerPool


async def drive(schedules: Sequence[Schedule], workers: WorkerPool, opened: asyncio.Event) -> None:
    """Drive the schedules until this is cancelled. The first calls wait for `opened`, the queues: they find
    what earlier runs left, and what they send needs its queue.
    """
    await opened.wait()
    async with asyncio.TaskGroup() as tasks:
        for schedule in schedules:
            tasks.create_task(_repeat(schedule, workers))


async def _repeat(schedule: Schedule, workers: WorkerPool) -> None:
    """Call the function at the schedule's rate, one call at a time: a call that takes longer than the rate
    delays the next. A call that has failed waits for the next, where EventBridge would try it again.
    """
    loop = asyncio.get_running_loop()
    while True:
        following = loop.time() + schedule.every_s
        event = build_event(schedule, datetime.now(UTC), workers.variables["AWS_REGION"])
        with contextlib.suppress(InvocationFailed):
            await invoke(workers, schedule.function, event, f"its schedule {schedule.name}")
        await asyncio.sleep(following - loop.time())


def build_event(schedule: Schedule, now: datetime, region: str) -> dict[str, Any]:
    """Build the event that EventBridge Scheduler sends where the template gives no input."""
    name = f"{schedule.function}{schedule.name}"
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [f"arn:aws:scheduler:{region}:{ACCOUNT}:schedule/default/{name}"],
        "detail": "{}",
    }
