"""Record what this checkout writes and reads, for the checkouts that come: `python -m tests.recording`.

It makes tests/data/<commit>/ anew, from a service on a data folder of its own.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.served import serving
from tests.recording.folder import DATA, SECRET, pack, write_deployment_secret
from tests.recording.reads import record_all
from tests.recording.rows import kinds, read_items
from tests.recording.writes import write_everything
from tests.support.gemini import serve_gemini
from tests.support.https import Authority
from tests.support.https import serve_https as serving_https
from tests.support.service import ROOT


def main() -> None:
    commit = _run_git("rev-parse", "--short=7", "HEAD")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        write_deployment_secret(data)
        replies = _record(data)
        pack(data, DATA / commit, replies)
    size = sum(each.stat().st_size for each in (DATA / commit).iterdir())
    sys.stdout.write(f"{DATA / commit}: {size} bytes\n")


def _record(data: Path) -> dict[str, object]:
    """Write and read on a service, which has stopped at the end."""
    with serve_gemini() as gemini:
        variables = {"DEMO_SECRET": SECRET, "GEMINI_API_KEY": "a-key", "GEMINI_BASE_URL": gemini.url}
        with serving(data, **variables) as service, serving_https(Authority(data)) as server:
            sessions = write_everything(service, gemini, server)
            replies = record_all(service, sessions, time.strftime("%Y-%m", time.gmtime()))
            _insist_on_all_endpoints(replies)
            _insist_on_all_kinds(data)
            service.end()
            return replies


def _insist_on_all_endpoints(replies: dict[str, object]) -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    declared = {path for path, methods in document["paths"].items() if "get" in methods}
    read = {str(each["path"]) for each in replies["requests"]}  # type: ignore[attr-defined]
    assert declared - {"/api/health"} <= read, declared - read


def _insist_on_all_kinds(data: Path) -> None:
    stored = {str(item["kind"]["S"]) for item in read_items(data)}
    assert set(kinds()) <= stored, set(kinds()) - stored


def _run_git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout.strip()


if __name__ == "__main__":
    main()
