"""The local DynamoDB: the one of DYNAMODB_ENDPOINT, else dynoxide, which keeps its data, else moto, which
forgets.
"""

import asyncio
import os
import platform
import shutil
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from local.errors import LocalError
from local.project import Project
from local.serve.data_folder import OTHERS, open_log
from local.serve.processes import start_leashed, stop

_DYNOXIDE = "@dynoxide/linux-x64"
_DYNOXIDE_VERSION = "1.2.1"
_QUIETLY = ("--no-audit", "--no-fund", "--no-save", "--silent", "--fetch-retries=1")
_INSTALL_S = 60
_START_S = 20
ACCOUNT = "123456789012"
"""The AWS account that moto plays."""


@dataclass
class Engine:
    """A DynamoDB that is chosen, and may still be starting."""

    name: str
    endpoint: str
    note: str
    """Where the data is, for the start message."""
    command: list[str] = field(default_factory=list)
    process: Process | None = None
    reservation: socket.socket | None = None
    """Has the port until the engine listens there: see `later_moto`."""

    async def start(self, log: Path, environ: Mapping[str, str], inherit: int) -> None:
        """Start the engine and wait until it accepts connections. Raises LocalError when that does not
        happen.
        """
        if self.reservation is not None and not sys.platform.startswith("linux"):
            self.reservation.close()
        if self.command:
            with open_log(log) as output:
                self.process = await start_leashed(self.command, environ, output, [inherit], umask=OTHERS)
        parts = urlsplit(self.endpoint)
        try:
            async with asyncio.timeout(_START_S if self.command else 3):
                await self._await_answer(
                    parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
                )
        except TimeoutError:
            raise LocalError(f"{self.name} does not answer at {self.endpoint}.") from None

    async def _await_answer(self, host: str, port: int) -> None:
        """Wait until something listens at the address. Raises LocalError when the process ends before."""
        while True:
            if self.process is not None and self.process.returncode is not None:
                raise LocalError(
                    f"{self.name} has ended with exit code {self.process.returncode} before it answered."
                )
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return

    async def stop(self) -> None:
        """Stop the engine, and free its port."""
        if self.process is not None:
            await stop(self.process)
        if self.reservation is not None:
            self.reservation.close()


async def choose(project: Project, environ: Mapping[str, str], host: str = "127.0.0.1") -> Engine:
    """Choose and install the engine that this machine can run. It is not started yet, and will listen on
    `host` alone. Raises LocalError when there is none.
    """
    given = environ.get("DYNAMODB_ENDPOINT")
    if given:
        return _use_given(given)
    reason, program = await _find_dynoxide(project)
    port = find_free_port(host)
    address = f"http://{host}:{port}"
    if program is not None:
        file = project.data / "dynamodb.sqlite"
        command = [str(program), "serve", "--host", host, "--port", port, "--db-path", str(file)]
        return Engine("dynoxide", address, f"in {project.data}", command=command)
    if find_spec("moto") and find_spec("flask"):
        note = f"in memory, and ends with this run: the engine is moto, since {reason}"
        return make_moto(host, port, note)
    raise LocalError(
        f"There is no DynamoDB to run: {reason}, and moto is not installed. "
        "Set DYNAMODB_ENDPOINT to one that runs."
    )


def make_moto(host: str, port: str, note: str) -> Engine:
    """Make an engine that stands in for all of AWS, in memory."""
    command = [sys.executable, "-P", "-m", "moto.server", "-H", host, "-p", port]
    return Engine("moto", f"http://{host}:{port}", note, command=command)


def reserve_moto(host: str) -> Engine:
    """Make a moto that starts later than its address is known, with its port reserved until then.

    The kernel gives the bound port to nobody else. On Linux it lets moto, which sets SO_REUSEADDR too, listen
    beside a socket that does not listen.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((host, 0))
    engine = make_moto(host, str(held.getsockname()[1]), "")
    engine.reservation = held
    return engine


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
    return Engine("The DynamoDB of DYNAMODB_ENDPOINT", endpoint, f"at {endpoint}")


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


def find_free_port(host: str) -> str:
    """Find a port of this host that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return str(probe.getsockname()[1])
