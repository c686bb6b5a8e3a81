"""The pool of worker processes, seen from their parent: the one that answers, the next that imports, the old
that finish.
"""

import asyncio
import json
import os
import socket
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError
from local.serve.data_folder import open_log
from local.serve.processes import kill, start_python
from local.serve.template import Template
from local.serve.threads import Threads, WorkerRetired
from local.serve.worker import ANSWERED, EVENT, QUIT, FunctionOrder, Order

_IMPORT_S = 60


class WorkerLost(Exception):
    """The worker ended before it answered."""


class HandlerFailed(Exception):
    """The handler has raised an error. handlers.log has the traceback."""


class Worker:
    """One worker process that has imported all functions."""

    def __init__(self, process: Process, control: socket.socket) -> None:
        self.process = process
        self._control = control
        self._threads = Threads()

    @classmethod
    async def start(cls, template: Template, root: Path, environ: Mapping[str, str], log: Path) -> "Worker":
        """Start a worker and wait until it has imported all functions. Raises LocalError when one does not
        import.
        """
        control, theirs = socket.socketpair()
        control.setblocking(False)
        with theirs, open_log(log) as output:
            arguments = ["-m", "local.serve.worker", str(os.getpid()), str(theirs.fileno())]
            process = await start_python(arguments, environ, root, output, [theirs.fileno()])
        try:
            async with asyncio.timeout(_IMPORT_S):
                error = await _send_order(control, _build_order(template, root))
        except TimeoutError:
            error = f"The functions did not import within {_IMPORT_S} s"
        except asyncio.CancelledError:
            kill(process)
            raise
        if error is not None:
            control.close()
            kill(process)
            await process.wait()
            raise LocalError(error)
        return cls(process, control)

    async def call(self, function: str, request_id: str, event: bytes, limit_s: float) -> bytes:
        """Call a function and return the JSON of its reply. Waits `limit_s` seconds for a thread, and as long
        for the reply.

        Raises ShareTaken, TimeoutError where the function takes too long, WorkerRetired, WorkerLost or
        HandlerFailed.
        """
        async with self._threads.take(function, limit_s), asyncio.timeout(limit_s):
            answer = await self._send_event(f"{function} {request_id}\n".encode() + event)
        if not answer:
            raise WorkerLost
        if answer[:1] != ANSWERED:
            raise HandlerFailed
        return answer[1:]

    async def _send_event(self, call: bytes) -> bytes:
        """Send an event to the worker, and return what it answers. Raises WorkerLost."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [EVENT], [theirs.fileno()])
            reader, writer = await asyncio.open_connection(sock=ours)
        except OSError:
            ours.close()
            raise WorkerLost from None
        try:
            writer.write(call)
            writer.write_eof()
            return await reader.read()
        except OSError:
            raise WorkerLost from None
        finally:
            writer.close()

    async def retire(self, patience_s: float) -> None:
        """Let the worker finish its requests, then end it."""
        await self._threads.retire()
        try:
            self._control.send(QUIT)
            async with asyncio.timeout(patience_s):
                await self.process.wait()
        except (OSError, TimeoutError):
            pass
        finally:
            kill(self.process)
            self.release()

    def release(self) -> None:
        """Close the worker's socket, which ends it where it still lives."""
        self._control.close()


@dataclass
class WorkerPool:
    """Calls functions in the current worker. Another takes its place on demand, or when it is lost."""

    root: Path
    log: Path
    environment: Callable[[Template], Mapping[str, str]]
    template: Template
    limit_s: float
    """How long a request may take."""

    def __post_init__(self) -> None:
        self.variables: Mapping[str, str] = {}
        """The environment of the current worker."""
        self._current: Worker | None = None
        self._starting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._processes: set[Process] = set()

    async def replace(self, template: Template) -> None:
        """Start a worker with this template and let it take over.

        Raises LocalError when a function does not import; the current worker stays then.
        """
        async with self._starting:
            variables = self.environment(template)
            worker = await Worker.start(template, self.root, variables, self.log)
            before, self._current = self._current, worker
            patience_s = max(self.limit_s, *(each.timeout_s for each in self.template.functions.values()))
            self.template, self.variables = template, variables
            self._processes.add(worker.process)
            self._spawn(self._watch(worker))
            if before is not None:
                self._spawn(before.retire(patience_s))

    async def call(self, function: str, request_id: str, event: bytes, limit_s: float | None = None) -> bytes:
        """Call a function as `Worker.call` does, with the time of a request where no `limit_s` is given. A
        worker that is lost, or stuck in a function, is replaced.
        """
        while True:
            worker = self._current or await self._await_worker()
            try:
                return await worker.call(function, request_id, event, limit_s or self.limit_s)
            except WorkerRetired:
                continue
            except TimeoutError:
                self._replace_stuck(worker)
                raise

    async def close(self) -> None:
        """End all workers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for process in self._processes:
            kill(process)
            await process.wait()

    async def _await_worker(self) -> Worker:
        """Wait for the worker that is starting. Raises WorkerLost when there is none after that."""
        async with self._starting:
            if self._current is None:
                raise WorkerLost
            return self._current

    async def _watch(self, worker: Worker) -> None:
        """Start another worker when this one ends, as Lambda does after a crash."""
        try:
            await worker.process.wait()
        finally:
            worker.release()
        self._processes.discard(worker.process)
        if self._current is worker:
            self._current = None
            code = worker.process.returncode
            print(f"The functions' process has ended (exit code {code}): starting another.", flush=True)
            await self._replace_or_report()

    def _replace_stuck(self, stuck: Worker) -> None:
        """Replace a worker in which a function takes too long: a thread cannot be stopped, and would keep one
        of the 16 for good.
        """
        if self._current is stuck and not self._starting.locked():
            self._spawn(self._replace_or_report())

    async def _replace_or_report(self) -> None:
        """Replace the worker, or tell the terminal why no worker starts."""
        try:
            await self.replace(self.template)
        except LocalError as reason:
            print(f"The functions cannot be served: {reason}", flush=True)

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _send_order(control: socket.socket, order: Order) -> str | None:
    """Send the order and await the report. Returns None, or the reason why a function does not import."""
    loop = asyncio.get_running_loop()
    report = b""
    try:
        await loop.sock_sendall(control, json.dumps(order).encode() + b"\n")
        while not report.endswith(b"\n"):
            part = await loop.sock_recv(control, 65536)
            if not part:
                return "The functions' process ended while it imported them"
            report += part
    except OSError:
        return "The functions' process ended before it imported them"
    error = json.loads(report).get("error")
    return None if error is None else str(error)


def _build_order(template: Template, root: Path) -> Order:
    """Build the order of all functions of a template."""
    functions: list[FunctionOrder] = []
    for function in template.functions.values():
        module, _, attribute = function.handler.rpartition(".")
        functions.append(
            {
                "id": function.id,
                "file": str(function.folder / f"{module.replace('.', '/')}.py"),
                "attribute": attribute,
                "timeout_s": function.timeout_s,
                "memory_mb": function.memory_mb,
            }
        )
    return {"root": str(root), "functions": functions}
