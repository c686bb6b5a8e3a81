"""The progress of a long command, shown on standard error where that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_reached: list[str] = []
"""What is being done, and how much of it is; kept when it is cut off."""


@contextmanager
def show_progress(what: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """Show `what` and a count, a bar where the total is known. Each call of what it yields counts one."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    done = 0
    _reached[:] = [f"{what}, none done"]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)

        def advance() -> None:
            nonlocal done
            done += 1
            _reached[:] = [f"{what}, {done:,} done"]
            bar.advance(task)

        yield advance
    _reached.clear()


def describe_stop() -> str | None:
    """Say where the work was interrupted. Returns None where nothing was."""
    return _reached[0] if _reached else None
