"""The data folder (DATA_DIR), which belongs to one run at a time: two engines on one file would both accept
writes.
"""

import fcntl
import os
import time
from pathlib import Path

from local.errors import LocalError

_PATIENCE_S = 2.0
_LOG_LIMIT = 10 * 1024 * 1024  # bytes


def claim(data: Path) -> int:
    """Make the folder and lock it. Returns the descriptor that holds the lock.

    The engine inherits the descriptor: a run that was killed has ended only when its engine has. Waits 2 s
    for that, then raises LocalError.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as reason:
        raise LocalError(f"DATA_DIR {data} cannot be used: {reason.strerror}.") from None
    deadline = time.monotonic() + _PATIENCE_S
    while not _lock(descriptor):
        if time.monotonic() > deadline:
            os.close(descriptor)
            raise LocalError(
                f"DATA_DIR {data} is in use by another run: stop that one, or give this one its own DATA_DIR."
            )
        time.sleep(0.05)
    return descriptor


def is_claimed(data: Path) -> bool:
    """Tell whether a run has the folder."""
    try:
        descriptor = os.open(data / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def start_log(log: Path) -> None:
    """Begin the log anew when earlier runs have left more than 10 MB."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.write_bytes(b"")


def _lock(descriptor: int) -> bool:
    """Try to lock the file. Returns False when another process has the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
