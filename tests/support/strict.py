"""The strict engine for tests: it refuses what DynamoDB refuses, and its transactions hold under threads."""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from local.project import Project
from local.serve.engines import choose


@contextmanager
def run_engine(data: Path) -> Iterator[str]:
    """Its address, while it runs with its file in `data`."""
    environ = {name: value for name, value in os.environ.items() if name != "DYNAMODB_ENDPOINT"}
    chosen = asyncio.run(choose(Project.read(environ | {"DATA_DIR": str(data)}), environ))
    assert chosen.name == "dynoxide", f"the strict engine is not to be had here: {chosen.note}"
    if chosen.guard is not None:
        chosen.guard.close()  # tests ask the engine itself
    with (data / "engine.log").open("wb") as log:
        process = subprocess.Popen(chosen.command, stdout=log, stderr=log)  # noqa: S603 - our own command
    try:
        _wait_for(chosen.direct)
        yield chosen.direct
    finally:
        process.kill()
        process.wait()


def _wait_for(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
