"""Run ministack, which plays AWS on this machine: in memory, without Docker, functions as processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.build.artifacts import ROOT
from local.errors import LocalError
from local.serve import leash
from local.serve.guard import find_free_port

MINISTACK = ROOT / ".venv-ministack" / "bin" / "ministack"
REGION = "us-east-1"
_HOST = "127.0.0.1"
_START_S = 60
_STOP_S = 10


@dataclass(frozen=True)
class Emulator:
    """A running ministack."""

    endpoint: str
    environment: dict[str, str]
    """Of the commands that work with it: they know neither credentials nor settings of whoever runs them."""

    def open_client(self, service: str) -> Any:
        """Open a client of boto3 for this service, as whoever owns the account."""
        import boto3

        made: Any = boto3
        return made.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )


@contextmanager
def run_ministack(folder: Path) -> Iterator[Emulator]:
    """Run ministack until the block ends, with everything that it writes in this folder. It holds functions
    to their roles. Raises LocalError when it does not start.
    """
    port = find_free_port(_HOST)
    (folder / "tmp").mkdir()
    base = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    own = {
        "AUTH": "true",
        "BIND_HOST": _HOST,
        "GATEWAY_PORT": port,
        "MINISTACK_HOST": _HOST,
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "AWS_LAMBDA_FUNCTION_NAME": "",  # functions are told that they are not deployed
    }
    emulator = Emulator(
        f"http://{_HOST}:{port}",
        {**base, "AWS_ENDPOINT_URL": f"http://{_HOST}:{port}", "SAM_CLI_TELEMETRY": "0"},
    )
    log = folder / "ministack.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), str(MINISTACK)],
            stdin=subprocess.PIPE,  # held open while we live
            stdout=output,
            stderr=output,
            env=base | own,
            cwd=folder,
            process_group=0,
        )
        try:
            _await_start(process, int(port), log)
            yield emulator
        finally:
            _stop(process)


def _await_start(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until ministack listens. Raises LocalError with its last lines when that does not happen."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection((_HOST, port), timeout=1):
            return
        time.sleep(0.1)
    raise LocalError(f"ministack does not start:\n{log.read_text(errors='replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask ministack to end, then end it and the functions that it has started, which are in its group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
