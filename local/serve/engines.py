"""The local DynamoDB: the one of DYNAMODB_ENDPOINT, else dynoxide, which keeps its data, else moto, which
forgets.
"""

import asyncio
import os
import platform
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from local.errors import LocalError
from local.project import Project
from local.serve.data_folder import OTHERS, open_log
from local.serve.guard import Guard, hide_address
from local.serve.processes import start_leashed, stop

_DYNOXIDE = "@dynoxide/linux-x64"
_DYNOXIDE_VERSION = "1.2.1"
_QUIETLY = ("--no-audit", "--no-fund", "--no-save", "--silent", "--fetch-retries=1")
_INSTALL_S = 60
START_S = 20
THIS_MACHINE = ("127.0.0.1", "localhost")
"""Where an engine is told to be, and what else that place is called."""
ACCOUNT = "123456789012"
"""The AWS account that moto plays."""


@dataclass
class Engine:
    """A DynamoDB that is chosen, and may still be starting."""

    name: str
    endpoint: str
    """The address that others are told: where the engine is ours, that of its guard."""
    direct: str
    """Where it listens itself: for the functions alone."""
    note: str
    """Where the data is, for the start message."""
    command: list[str] = field(default_factory=list)
    guard: Guard | None = None
    process: Process | None = None
    _copying: asyncio.Task[None] | None = None

    async def start(self, log: Path, environ: Mapping[str, str], inherit: int) -> None:
        """Start the engine and wait until it accepts connections. Raises LocalError when that does not
        happen.
        """
        await self.begin(log, environ, inherit)
        try:
            async with asyncio.timeout(START_S if self.command else 3):
                await self.await_answer()
        except TimeoutError:
            raise LocalError(f"{self.name} does not answer at {self.endpoint}.") from None

    async def begin(self, log: Path, environ: Mapping[str, str], inherit: int) -> None:
        """Start the process of the engine, where it is ours."""
        if self.command:
            self.process = await start_leashed(self.command, environ, PIPE, [inherit], umask=OTHERS)
            self._copying = asyncio.create_task(self._copy_output(log))

    async def await_answer(self) -> None:
        """Wait until something listens at the address, and open the guard. Raises LocalError when the process
        ends before.
        """
        while not await self._is_listening():
            if self.process is not None and self.process.returncode is not None:
                raise LocalError(
                    f"{self.name} has ended with exit code {self.process.returncode} before it answered."
                )
            await asyncio.sleep(0.02)
        if self.guard is not None:
            await self.guard.open(*self._locate())

    async def _is_listening(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(*self._locate())
        except OSError:
            return False
        writer.close()
        return True

    async def stop(self) -> None:
        """Stop the engine, and free its port."""
        if self.process is not None:
            await stop(self.process)
        if self._copying is not None:
            await self._copying
        if self.guard is not None:
            self.guard.close()

    def _locate(self) -> tuple[str, int]:
        parts = urlsplit(self.direct)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    async def _copy_output(self, log: Path) -> None:
        """Copy what the engine prints into the log, but for where it listens."""
        printed = self.process and self.process.stdout
        with open_log(log) as written:
            while printed and not printed.at_eof():
                with suppress(ValueError):  # a line over 64 KB, which nobody needs
                    line = await printed.readline()  # dynoxide writes one in pieces
                    written.write(line.replace(self.direct.encode(), self.endpoint.encode()))
                    written.flush()


async def choose(project: Project, environ: Mapping[str, str], hosts: Sequence[str] = THIS_MACHINE) -> Engine:
    """Choose and install the engine that this machine can run. It is not started yet, and will be told to be
    at the first of `hosts`, by whose names it may be called. Raises LocalError when there is none.
    """
    given = environ.get("DYNAMODB_ENDPOINT")
    if given:
        return _use_given(given)
    reason, program = await _find_dynoxide(project)
    if program is not None:
        host, port = hide_address()
        file = project.data / "dynamodb.sqlite"
        command = [str(program), "serve", "--host", host, "--port", port, "--db-path", str(file)]
        guard = Guard(hosts)
        direct = f"http://{host}:{port}"
        return Engine("dynoxide", guard.endpoint, direct, f"in {project.data}", command, guard)
    if find_spec("moto") and find_spec("flask"):
        note = f"in memory, and ends with this run: the engine is moto, since {reason}"
        return make_moto(hosts, note)
    raise LocalError(
        f"There is no DynamoDB to run: {reason}, and moto is not installed. "
        "Set DYNAMODB_ENDPOINT to one that runs."
    )


def make_moto(hosts: Sequence[str] = THIS_MACHINE, note: str = "") -> Engine:
    """Make an engine that stands in for all of AWS, in memory. Its addresses are known before it starts."""
    host, port = hide_address()
    command = [sys.executable, "-P", "-m", "moto.server", "-H", host, "-p", port]
    guard = Guard(hosts)
    return Engine("moto", guard.endpoint, f"http://{host}:{port}", note, command, guard)


def _use_given(endpoint: str) -> Engine:
    """Make the engine that stands for a DynamoDB which already runs. Raises LocalError when the address is
    none.
    """
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise LocalError(
            f"DYNAMODB_ENDPOINT must be an address such as http://127.0.0.1:8000, not {endpoint!r}."
        )
    return Engine("The DynamoDB of DYNAMODB_ENDPOINT", endpoint, endpoint, f"at {endpoint}")


async def _find_dynoxide(project: Project) -> tuple[str, Path | None]:
    """Find dynoxide's program, and install it where it is missing. Returns the program, or the reason why
    there is none.
    """
    package = f"{_DYNOXIDE}@{_DYNOXIDE_VERSION}"
    folder = project.locate_cached("dynoxide", package)
    program = folder / "node_modules" / _DYNOXIDE / "dynoxide"
    if not sys.platform.startswith("linux") or platform.machine() not in ("x86_64", "AMD64"):
        return "dynoxide exists for Linux on x86-64 only", None
    if program.is_file():
        return "", program
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not there to install dynoxide", None
    if not await _install(npm, package, folder):
        return "npm could not install dynoxide", None
    return "", program


async def _install(npm: str, package: str, folder: Path) -> bool:
    """Install a package of npm into a folder beside its place, then rename that: an installation that was
    interrupted must not look like a complete one. Returns whether the folder is there.
    """
    print("Installing the local DynamoDB (dynoxide), once ...", flush=True)
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    part.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(npm, "install", "--prefix", str(part), *_QUIETLY, package),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=DEVNULL,
        cwd=part,
        process_group=0,
    )
    try:
        async with asyncio.timeout(_INSTALL_S):
            await process.wait()
        if process.returncode == 0:
            part.rename(folder)
    except (TimeoutError, OSError):  # too slow, or another run was first
        pass
    finally:
        await stop(process)
        shutil.rmtree(part, ignore_errors=True)
    return folder.is_dir()
