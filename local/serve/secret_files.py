"""Secrets that are made once and kept in the data folder, readable by their owner alone."""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from local.errors import LocalError


def prepare_deployment_secret(data: Path) -> Path:
    """Make the secret from which pepper and signing keys are derived, where there is none yet. Returns its
    file. Losing it makes all stored secrets useless.
    """
    file = data / "deployment-secret"
    _read_or_make(file, lambda: json.dumps({"id": "k1", "key": secrets.token_urlsafe(48)}))
    return file


def read_demo_secret(data: Path, environ: Mapping[str, str]) -> str:
    """Read the secret of the demo apps: DEMO_SECRET, or else the one of this data folder, made at its first
    run.
    """
    return environ.get("DEMO_SECRET") or _read_or_make(
        data / "demo-secret", lambda: f"demo_{secrets.token_urlsafe(18)}"
    )


def write_private(file: Path, text: str) -> None:
    """Write a file that its owner alone can read. Replaces the file as a whole or not at all."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as written:
        written.write(text)
        written.flush()
        os.fsync(written.fileno())
    part.replace(file)


def _read_or_make(file: Path, make: Callable[[], str]) -> str:
    """Read the file, and make it where there is none. Raises LocalError when it cannot be read or written."""
    try:
        if file.exists():
            return file.read_text(encoding="utf-8").strip()
        made = make()
        write_private(file, made + "\n")
    except OSError as reason:
        raise LocalError(f"{file} cannot be read or written: {reason.strerror}.") from None
    return made
