"""Run the local service (`make run`), configured by PORT, DATA_DIR, DEMO_SECRET and DYNAMODB_ENDPOINT."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.errors import LocalError
from local.project import Project
from local.serve import connection, data_folder, engines, seeding, tables
from local.serve.authority import prepare_authority
from local.serve.connection import Connection
from local.serve.greeting import describe_gemini, format_greeting
from local.serve.secret_files import prepare_deployment_secret, read_demo_secret
from local.serve.template import Template
from local.serve.template_reader import read_template

if TYPE_CHECKING:
    from local.serve.server import Server
    from local.serve.worker_pool import WorkerPool

TIME_LIMIT_S = 30.0  # API Gateway's
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LocalService:
    """One run of the service, from the claimed port and folder to the end of its last process."""

    def __init__(
        self,
        project: Project,
        port: socket.socket,
        lock: int,
        environ: Mapping[str, str],
        time_limit_s: float,
    ) -> None:
        self._project = project
        self._port = port
        self._lock = lock
        self._environ = environ
        self._time_limit_s = time_limit_s
        self._moto = engines.make_moto()
        """For queues. Started where the template has any."""
        self._resources = contextlib.AsyncExitStack()
        self._server: Server | None = None
        self._failure: LocalError | None = None

    async def main(self) -> None:
        """Serve until a signal comes. Raises LocalError when the service cannot start or go on."""
        self._handle_signals()
        async with self._resources:
            with contextlib.suppress(asyncio.CancelledError):
                await self._serve()
        if self._failure is not None:
            raise self._failure

    async def _serve(self) -> None:
        project = self._project
        template = self._read_template()
        engine = await engines.choose(project, self._environ)
        secret = read_demo_secret(project.data, self._environ)
        table = Connection(
            endpoint=engine.direct,
            table=project.table,
            region=project.region,
            deployment_secret_file=str(prepare_deployment_secret(project.data)),
            address=f"http://127.0.0.1:{self._port.getsockname()[1]}",
            webhook_queue_url=template.variables.get("WEBHOOK_QUEUE_URL", ""),
            outgoing_local_ca=str(prepare_authority(project.data)),
        )
        told = table.name_guards(engine, self._moto)
        data_folder.start_log(project.log)
        self._resources.push_async_callback(engine.stop)
        self._resources.push_async_callback(self._moto.stop)
        workers, (client, lines) = await _run_together(
            self._start_workers(template, table), self._prepare_table(engine, template, table, told, secret)
        )
        self._resources.callback(connection.forget, project.data)
        told.write(project.data)
        words = format_greeting(
            *(table.address, secret, project.log, engine.note),
            gemini=describe_gemini(self._environ),
            code="Edited code is live at once.",
        )
        self._server = _make_server(project, workers, [*lines, words])
        for work in (
            _reload_on_change(project, workers, self._read_template),
            _sweep(client, template),
            self._watch_engine(engine),
            _drive_events(template, workers, self._moto, self._lock),
        ):
            self._resources.callback(asyncio.create_task(work).cancel)
        await self._server.serve(sockets=[self._port])

    def _read_template(self) -> Template:
        """Read the template with the addresses that queues will have, since variables are made of them."""
        queues_at = f"{self._moto.direct}/{engines.ACCOUNT}"
        return read_template(self._project.template, self._environ, queues_at)

    async def _start_workers(self, template: Template, table: Connection) -> "WorkerPool":
        from local.serve.worker_pool import WorkerPool

        def build_environment(template: Template) -> dict[str, str]:
            return build_functions_environment(template, table, self._environ)

        workers = WorkerPool(
            self._project.root, self._project.log, build_environment, template, self._time_limit_s
        )
        self._resources.push_async_callback(workers.close)
        await workers.replace(template)
        return workers

    async def _prepare_table(
        self,
        engine: engines.Engine,
        template: Template,
        table: Connection,
        told: Connection,
        secret: str,
    ) -> "tuple[tables.Client, list[str]]":
        """Start the engine, create its tables and seed the demo apps. Returns the client and the lines that
        seeding told.
        """
        client, _ = await _run_together(
            asyncio.to_thread(tables.open_client, told),
            engine.start(self._project.log, table.to_environment(self._environ), self._lock),
        )
        created = await asyncio.to_thread(tables.prepare, client, template.tables)
        environment = build_functions_environment(template, table, self._environ)
        lines = await seeding.seed(
            secret, self._project.data, self._project.root, environment, new_table=created
        )
        return client, lines

    async def _watch_engine(self, engine: engines.Engine) -> None:
        """Stop the service when the engine's process ends."""
        if engine.process is not None and self._server is not None:
            code = await engine.process.wait()
            self._failure = LocalError(
                f"{engine.name} has ended with exit code {code}: see {self._project.log}."
            )
            self._server.should_exit = True

    def _handle_signals(self) -> None:
        """Stop in order at the first signal, at once at the second."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop() -> None:
            for each in _STOPS:  # whoever asks twice does not want to wait; the children go with us
                loop.add_signal_handler(each, os._exit, 1)
            if self._server is not None:
                self._server.should_exit = True
            elif task is not None:
                task.cancel()

        for each in _STOPS:
            if each is not signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN:  # nohup stays nohup
                loop.add_signal_handler(each, stop)


def build_functions_environment(
    template: Template, table: Connection, environ: Mapping[str, str]
) -> dict[str, str]:
    """Build the environment of the functions: the template's variables, over them the caller's, over them
    ours.
    """
    code = [*template.layers, Path(__file__).resolve().parents[2], environ.get("PYTHONPATH", "")]
    return table.to_environment({**template.variables, **environ}) | {
        "PYTHONPATH": os.pathsep.join(str(each) for each in code if str(each)),
        "PYTHONUNBUFFERED": "1",
    }


def _make_server(project: Project, workers: "WorkerPool", lines: list[str]) -> "Server":
    from local.serve.documentation import Documentation
    from local.serve.server import Gateway, Server

    gateway = Gateway(workers, Documentation(project.openapi))
    return Server(gateway, lambda: print(*lines, sep="\n", flush=True))


async def _reload_on_change(project: Project, workers: "WorkerPool", read: Callable[[], Template]) -> None:
    from local.serve.reload import reload_on_change

    await reload_on_change(project, workers, read)


async def _drive_events(template: Template, workers: "WorkerPool", moto: engines.Engine, lock: int) -> None:
    """Drive what calls functions beside requests: queues and schedules."""
    from local.serve import schedules
    from local.serve.queues import Queues

    queues = Queues(moto)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(queues.drive(template, workers, lock))
        tasks.create_task(schedules.drive(template.schedules, workers, queues.ready))


async def _sweep(client: tables.Client, template: Template) -> None:
    while True:
        await asyncio.sleep(tables.SWEEP_INTERVAL_S)
        await asyncio.to_thread(tables.delete_expired, client, template.tables)


async def _run_together(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run coroutines at once and return all results. At the first failure the others are cancelled, and have
    ended, before it is raised.
    """
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _claim_port(port: int) -> socket.socket:
    """Listen on the port, so that nobody else takes it. Raises LocalError when it cannot be used."""
    claimed = socket.socket(proto=socket.IPPROTO_TCP)  # asyncio asks for it before it sets TCP_NODELAY
    claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        claimed.bind(("127.0.0.1", port))
        claimed.listen(128)
    except OSError as reason:
        claimed.close()
        raise LocalError(
            f"Port {port} cannot be used ({reason.strerror}): set PORT to another one."
        ) from None
    return claimed


def main(environ: Mapping[str, str] = os.environ, time_limit_s: float = TIME_LIMIT_S) -> int:
    """Run the service. Returns the exit code."""
    try:
        project = Project.read(environ)
        with _claim_port(project.port) as port:
            asyncio.run(
                LocalService(project, port, data_folder.claim(project.data), environ, time_limit_s).main()
            )
    except LocalError as reason:
        print(reason, file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:  # before the first handler was set
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
