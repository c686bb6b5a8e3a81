"""What a measurement found: figures with their targets, sheets of facts; as tables and as JSON."""

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
_DECIMALS = {"×": 2, "$": 4}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. Without a bound it is only reported."""

    name: str
    value: float
    unit: str
    """`×` of a ratio, `$`, otherwise what is counted: `µs`, `ms`, `s`, `MB`, `units`, …"""
    at_most: float | None = None
    at_least: float | None = None
    binding: bool = False
    """Whether a missed target fails the run: one that does not depend on the machine."""

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


@dataclass(frozen=True, slots=True)
class Sheet:
    """The same facts of many things: a row each."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]


Findings = Sequence[Figure | Sheet]


def show(title: str, found: Findings) -> None:
    """The figures as a table on standard output, then the sheets."""
    _show_figures(title, [each for each in found if isinstance(each, Figure)])
    for sheet in found:
        if isinstance(sheet, Sheet):
            _show_sheet(sheet)


def _show_figures(title: str, figures: Sequence[Figure]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("target")
    table.add_column("")
    verdicts = {True: "[green]met[/]", False: "[bold red]MISSED[/]", None: ""}
    for figure in figures:
        decimals = 0 if isinstance(figure.value, int) else _DECIMALS.get(figure.unit, 1)
        value = f"{figure.value:,.{decimals}f} {figure.unit}"
        table.add_row(figure.name, value, figure.target, verdicts[figure.met])
    _print(table)


def _show_sheet(sheet: Sheet) -> None:
    table = Table(title=sheet.title, title_justify="left", title_style="bold")
    for place, name in enumerate(sheet.columns):
        table.add_column(name, justify="right" if place else "left")
    for row in sheet.rows:
        table.add_row(*(each if isinstance(each, str) else f"{each:,.5g}" for each in row))
    _print(table)


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else 130).print(table)


def write(found: Mapping[str, Findings]) -> Path:
    """The figures and the machine they were taken on, as JSON in `bench/results/`.

    Answers the file's path in the checkout.
    """
    now = datetime.now(UTC)
    document = {
        "measured_at": now.isoformat(timespec="seconds"),
        "machine": _describe_machine(),
        "figures": {
            name: [{**asdict(each), "met": each.met} for each in findings if isinstance(each, Figure)]
            for name, findings in found.items()
        },
        "sheets": {
            each.title: [dict(zip(each.columns, row, strict=True)) for row in each.rows]
            for findings in found.values()
            for each in findings
            if isinstance(each, Sheet)
        },
    }
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file.relative_to(ROOT)


def _describe_machine() -> dict[str, Any]:
    return {
        "cpu": _find_cpu(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "system": platform.system(),
        "python": platform.python_version(),
        "commit": _ask_git("rev-parse", "HEAD"),
        "changed": bool(_ask_git("status", "--porcelain", "--", ".", ":!bench/results")),
    }


def _find_cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _ask_git(*arguments: str) -> str | None:
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return ran.stdout.strip() if ran.returncode == 0 else None
