"""The data folder (DATA_DIR), which belongs to one run at a time, since two engines on one file would both
accept writes, and to one user of this machine: secrets lie there, and what callers have said.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

from local.errors import LocalError

_PATIENCE_S = 2.0
_LOG_LIMIT = 10 * 1024 * 1024  # bytes
_OWNERS = 0o700
"""The bits of a mode that are the owner's."""
OTHERS = 0o077
"""Those of everybody else: the umask of who writes here."""


def claim(data: Path) -> int:
    """Make the folder, close it to all other users of this machine, with the files that are there, and lock
    it. Returns the descriptor that holds the lock.

    The engine inherits the descriptor: a run that was killed has ended only when its engine has. Waits 2 s
    for that, then raises LocalError.
    """
    try:
        data.mkdir(mode=_OWNERS, parents=True, exist_ok=True)
        _close_to_others(data)
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


def _close_to_others(data: Path) -> None:
    """Take every right on the folder and on its files from those who do not own them. Earlier versions have
    left some, and so may whoever made the folder. Raises LocalError, OSError.
    """
    if data.stat().st_uid != os.geteuid():
        raise LocalError(
            f"DATA_DIR {data} is somebody else's folder, who could read your data: set it to one of your own."
        )
    data.chmod(_OWNERS)
    for entry in os.scandir(data):
        mode = entry.stat(follow_symlinks=False).st_mode
        if entry.is_file(follow_symlinks=False) and mode & OTHERS:
            os.chmod(entry.path, mode & _OWNERS)  # noqa: PTH101 - of an entry


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


def open_log(log: Path) -> IO[bytes]:
    """Open the log to append to it. It is its owner's alone."""
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def _lock(descriptor: int) -> bool:
    """Try to lock the file. Returns False when another process has the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
