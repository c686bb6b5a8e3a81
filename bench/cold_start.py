"""A fresh process to its first reply, against one that only imports the same libraries and builds the client.

Both run on bytecode as it is deployed, without the site-packages of this environment, and take turns. Timed
from before the process is made to the moment of the reply, on the clock that all processes share.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.built import copy_built
from bench.report import Figure
from bench.workload import ENVIRONMENT, ROOT, make_messages, make_post

TITLE = "Cold start of `messages`: a fresh process to its first reply"
_ROUNDS = 5
_CONTESTANTS = ("first_reply", "bare_start")


def measure() -> list[Figure]:
    event = make_post("/api/messages", make_messages(10))
    with copy_built() as folder:
        starts = [
            {name: _start(name, folder, "conversations_messages", event) for name in _CONTESTANTS}
            for _ in range(_ROUNDS + 1)
        ][1:]  # the first one reads the files from the disk
        groups = sorted(path.name for path in (folder / "functions").iterdir() if (path / "app.py").exists())
        resident = {group: _start("resident", folder, group, {})["peak_mb"] for group in groups}
    ours, bare = (min(start[name]["s"] for start in starts) for name in _CONTESTANTS)
    ours_busy, bare_busy = (min(start[name]["busy_s"] for start in starts) for name in _CONTESTANTS)
    after_reply = max(start["first_reply"]["peak_mb"] for start in starts)
    largest = max(resident, key=lambda group: resident[group])
    return [
        Figure("first reply / libraries and client", ours / bare, "×", at_most=1.3),
        Figure("  in processor time", ours_busy / bare_busy, "×"),
        Figure("first reply", ours * 1000, "ms"),
        Figure("libraries and client", bare * 1000, "ms"),
        Figure("resident memory of messages after its first reply", after_reply, "MB", at_most=100),
        Figure(f"resident memory of the largest function ({largest})", resident[largest], "MB", at_most=100),
    ]


def _start(module: str, folder: Path, group: str, event: dict[str, Any]) -> dict[str, float]:
    """What it tells of itself: memory, processor time, and from us the seconds until it was ready."""
    path = [folder / "layer", folder / "functions" / group]
    environment = {
        **ENVIRONMENT,
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join(str(each) for each in path),
    }
    started = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-S", "-m", f"bench.{module}"],
        input=json.dumps(event),
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return {**said, "s": said.get("ready", started) - started}
