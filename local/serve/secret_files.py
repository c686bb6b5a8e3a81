"""Secrets that are made once and kept in the data folder, readable by their owner alone."""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from local.errors import LocalError


def prepare_deployment_secret(data: Path) -> Path:
    """The file from which pepper and signing keys are derived. Losing it makes all stored secrets useless."""
    file = data / "deployment-secret"
    _read_or_make(file, lambda: json.dumps({"id": "k1", "key": secrets.token_urlsafe(48)}))
    return file


def read_demo_secret(data: Path, environ: Mapping[str, str]) -> str:
    """The secret of the demo apps: DEMO_SECRET, or else the one that was made for this data folder."""
    return environ.get("DEMO_SECRET") or _read_or_make(
        data / "demo-secret", lambda: f"demo_{secrets.token_urlsafe(18)}"
    )


def write_private(file: Path, text: str) -> None:
    """Replaces the file as a whole or not at all."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as written:
        written.write(text)
        written.flush()
        os.fsync(written.fileno())
    part.replace(file)


def _read_or_make(file: Path, make: Callable[[], str]) -> str:
    try:
        if file.exists():
            return file.read_text(encoding="utf-8").strip()
        made = make()
        write_private(file, made + "\n")
    except OSError as reason:
        raise LocalError(f"{file} cannot be read or written: {reason.strerror}.") from None
    return made
