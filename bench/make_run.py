"""`make run` in a fresh copy of this checkout: seconds until GET /api/health answers.

The first start makes the environment, installs the engine and seeds the demo apps. It is done in two copies,
since the first may still have to fill the package cache, and the faster one counts. Later starts find all of
that.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.report import Figure
from bench.workload import ROOT

TITLE = "make run: seconds to the first answer"
_COPIES = 2
_LATER_STARTS = 3
_PATIENCE_S = 300
_OURS = (
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "DYNAMODB_ENDPOINT",
    "GENAI_VOICE_ROOT",
)


def measure() -> list[Figure]:
    first: list[float] = []
    later: list[float] = []
    for _ in range(_COPIES):
        with _copy() as folder:
            first.append(_start(folder))
            later += [_start(folder) for _ in range(_LATER_STARTS)]
    return [
        Figure("first start, warm package cache", min(first), "s", at_most=25),
        Figure("first start in the first copy", first[0], "s"),
        Figure("later starts", min(later), "s", at_most=5),
        Figure("slowest of the later starts", max(later), "s"),
    ]


@contextmanager
def _copy() -> Iterator[Path]:
    """The files of this checkout that git knows or would add, and nothing that was made from them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    with tempfile.TemporaryDirectory(prefix="genai-voice-bench-") as name:
        for file in filter(None, listed.stdout.split("\0")):
            if (ROOT / file).is_file():
                target = Path(name, file)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, target)
        yield Path(name)


def _start(folder: Path) -> float:
    started = time.perf_counter()
    with serve(folder, folder / ".local"):
        return time.perf_counter() - started


@contextmanager
def serve(folder: Path, data: Path, **variables: str) -> Iterator[int]:
    """`make run` of the checkout in `folder` with its data in `data`, from its first answer on; its port."""
    port = _find_free_port()
    environment = {name: value for name, value in os.environ.items() if name not in _OURS}
    with subprocess.Popen(
        ["make", "run", f"PORT={port}", f"DATA_DIR={data}"],
        cwd=folder,
        env=environment | variables,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            _await_answer(f"http://127.0.0.1:{port}/api/health", process)
            yield port
        finally:
            _stop(process)


def _await_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own address
                return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"make run ended with exit code {process.returncode}") from None
            if time.monotonic() > give_up:
                raise RuntimeError(f"make run did not answer in {_PATIENCE_S} s") from None
            time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does; what is still there after 20 s is killed."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
