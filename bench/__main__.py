"""`python -m bench [name ...]`: all measurements, or the named ones.

Prints their figures as tables and writes them as JSON to `bench/results/`. A missed target is shown, and is
no failure: the exit code is 0.
"""

import sys
from importlib import import_module

from bench import report

NAMES = ("edge", "storage", "cold_start", "make_run")


def main(names: list[str]) -> int:
    unknown = set(names) - set(NAMES)
    if unknown:
        print(f"There is no measurement {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}.")
        return 2
    found: dict[str, list[report.Figure]] = {}
    for name in names or NAMES:
        measurement = import_module(f"bench.{name}")
        found[name] = measurement.measure()
        report.show(measurement.TITLE, found[name])
    print(f"Written to {report.write(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
