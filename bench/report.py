"""What a measurement found: figures with their targets, as a table and as JSON."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.workload import ROOT

RESULTS = ROOT / "bench" / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. Without a bound it is only reported."""

    name: str
    value: float
    unit: str
    """`×` of a ratio, otherwise `µs`, `ms`, `s` or `MB`."""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def target(self) -> str:
        bounds = (("at most", self.at_most), ("at least", self.at_least))
        return ", ".join(f"{words} {bound:g} {self.unit}" for words, bound in bounds if bound is not None)


def show(title: str, figures: Sequence[Figure]) -> None:
    """The figures as a table on standard output."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("target")
    table.add_column("")
    verdicts = {True: "[green]met[/]", False: "[bold red]MISSED[/]", None: ""}
    for figure in figures:
        value = f"{figure.value:,.{2 if figure.unit == '×' else 1}f} {figure.unit}"
        table.add_row(figure.name, value, figure.target, verdicts[figure.met])
    Console(width=None if sys.stdout.isatty() else 130).print(table)


def write(found: Mapping[str, Sequence[Figure]]) -> Path:
    """The figures and the machine they were taken on, as JSON in `bench/results/`.

    Answers the file's path in the checkout.
    """
    now = datetime.now(UTC)
    document = {
        "measured_at": now.isoformat(timespec="seconds"),
        "machine": _machine(),
        "figures": {
            name: [{**asdict(each), "met": each.met} for each in figures] for name, figures in found.items()
        },
    }
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file.relative_to(ROOT)


def _machine() -> dict[str, Any]:
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "system": platform.system(),
        "python": platform.python_version(),
        "commit": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain")),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _git(*arguments: str) -> str | None:
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return ran.stdout.strip() if ran.returncode == 0 else None
