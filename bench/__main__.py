"""`python -m bench [name ...]`: all measurements, or the named ones.

Prints what they found as tables and writes it as JSON to `bench/results/`. A missed target is shown; it fails
the run (exit code 1) where it is binding, which is where it does not depend on the machine.
"""

import sys

from bench import report
from bench.measuring import measure_apart

NAMES = (
    *("edge", "storage", "cold_start", "make_run", "capacity"),
    *("growth", "bounds", "batches", "saves", "cost", "heat", "guardrails", "load", "starvation"),
)


def main(names: list[str]) -> int:
    unknown = set(names) - set(NAMES)
    if unknown:
        print(f"There is no measurement {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}.")
        return 2
    found: dict[str, report.Findings] = {}
    for name in names or NAMES:
        title, found[name] = measure_apart(name)
        report.show(title, found[name])
    print(f"Written to {report.write(found)}")
    return int(any(_has_failed(each) for findings in found.values() for each in findings))


def _has_failed(found: report.Figure | report.Sheet) -> bool:
    return isinstance(found, report.Figure) and found.binding and found.met is False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
