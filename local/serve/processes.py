"""Child processes, each in a process group of its own, so that Ctrl-C reaches the parent alone."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from local.serve import leash

_PATIENCE_S = 3.0


async def start_leashed(
    command: Sequence[str],
    environ: Mapping[str, str],
    output: IO[bytes] | int,
    inherit: Sequence[int] = (),
    umask: int = -1,
) -> Process:
    """Start a foreign program that dies with this process, even when this one is killed with -9. `umask` is
    that of the files it makes; -1 leaves it as it is.
    """
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(Path(leash.__file__)), str(os.getpid()), *command),
        stdin=PIPE,  # held open while we live
        stdout=output,
        stderr=STDOUT,
        env=dict(environ),
        pass_fds=inherit,
        process_group=0,
        umask=umask,
    )


async def start_python(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    root: Path,
    output: IO[bytes] | int,
    inherit: Sequence[int] = (),
) -> Process:
    """Start a module of ours with Python, without the current folder on its path."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", *arguments),
        stdin=DEVNULL,
        stdout=output,
        stderr=STDOUT,
        env=dict(environ),
        cwd=root,
        pass_fds=inherit,
        process_group=0,
    )


async def stop(process: Process, patience_s: float = _PATIENCE_S) -> None:
    """Ask the process to end, then kill it when its time is up."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(patience_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def kill(process: Process) -> None:
    """Kill the process where it still runs."""
    if process.returncode is None:
        process.kill()
