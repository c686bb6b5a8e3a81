"""`make fuzz`: the served API is sent what its OpenAPI document allows and what it forbids, for two minutes.

    SEED=12345 python -m tests.fuzz     once more with this seed

Fails, with a curl for each, on a fault, on a reply that is not as it is declared, on a row of another tenant,
and when an operation was never answered with success: then its example is no example.
"""

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from local.project import Project
from local.serve.connection import connect
from tests.e2e.served import serving
from tests.fuzz.tenants import MINE, OTHER, SECRET, fill, open_session
from tests.support.gemini import serve_gemini
from tests.support.samples import store_samples

SECONDS = int(os.environ.get("FUZZ_SECONDS") or 110)
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "NoRowOfAnotherTenant",
    "EverythingSucceedsOnce",
)


def main() -> int:
    seed = os.environ.get("SEED") or str(secrets.randbelow(2**32))
    document = Project.read({}).openapi
    print(f"Fuzzing for {SECONDS} s. Again with the same seed: make fuzz SEED={seed}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="genai-voice-fuzz-") as folder,
        serve_gemini() as gemini,
        serving(
            Path(folder) / "data", DEMO_SECRET=SECRET, GEMINI_API_KEY="a-key", GEMINI_BASE_URL=gemini.url
        ) as service,
    ):
        _store_samples(Path(folder) / "data")
        fill(service.address, document)
        return _fuzz(document, service.address, seed, Path(folder))


def _store_samples(data: Path) -> None:
    """In this process's table from now on: the one of the service."""
    os.environ["DATA_DIR"] = str(data)
    connect()
    for app in (MINE, OTHER):
        store_samples(app)


def _fuzz(document: Path, address: str, seed: str, folder: Path) -> int:
    """In a folder of its own, since schemathesis looks for settings where it is and leaves files there."""
    environ = {
        **os.environ,
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(Path.cwd()),
        "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
        "SESSION_TOKEN": open_session(address),
    }
    command = [
        *(str(Path(sys.executable).with_name("st")), "run", str(document), "--url", address),
        *("--seed", seed, "--max-time", str(SECONDS), "--checks", ",".join(CHECKS)),
        *("--generation-with-security-parameters", "false", "--generation-database", "none"),
        *("--output-sanitize", "false", "--warnings", "off"),
    ]
    run = subprocess.run(command, env=environ, cwd=folder, timeout=SECONDS + 40)  # noqa: S603 - all of it ours
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
