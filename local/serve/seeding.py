"""Seeding of the demo apps into a table that does not have them yet, in a process that runs the project's
code.

    DEMO_SECRET=... python -m local.serve.seeding
"""

import hashlib
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from pathlib import Path

from local.errors import LocalError
from local.serve.processes import kill, start_python
from local.serve.secret_files import write_private

_MARKER = "seeded"


async def seed(
    secret: str, data: Path, root: Path, environ: Mapping[str, str], *, new_table: bool
) -> list[str]:
    """Seed the demo apps, and return the lines that seeding told. There are none when this table has been
    seeded with this secret by this code. Raises LocalError when seeding fails.
    """
    marker, wanted = data / _MARKER, hash_inputs(secret, root, environ)
    if not new_table and marker.exists() and marker.read_text(encoding="utf-8").strip() == wanted:
        return []
    process = await start_python(
        ["-m", "local.serve.seeding"], {**environ, "DEMO_SECRET": secret}, root, PIPE
    )
    try:
        output, _ = await process.communicate()
    finally:
        kill(process)
    lines = output.decode(errors="replace").splitlines()
    if process.returncode != 0:
        raise LocalError(
            f"The demo apps could not be put into the table: {lines[-1] if lines else 'no reason was given'}"
        )
    write_private(marker, wanted + "\n")
    return lines


def hash_inputs(secret: str, root: Path, environ: Mapping[str, str]) -> str:
    """Hash the table's name, the secret and the demo data, so that new demo data arrives in old tables."""
    digest = hashlib.sha256(f"{environ.get('TABLE_NAME')}\n{secret}\n".encode())
    for file in sorted(root.glob("layers/*/genai_voice/demos/scenarios/**/*")):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def main() -> int:
    from genai_voice.seeding.service import seed_demos

    for line in seed_demos(os.environ["DEMO_SECRET"]):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
