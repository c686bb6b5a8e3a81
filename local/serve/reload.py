"""Reload of edited code: a change starts a new worker, which takes over once it has imported everything."""

import asyncio
from collections.abc import Callable
from importlib.util import cache_from_source
from pathlib import Path

from watchfiles import Change, DefaultFilter, awatch

from local.errors import LocalError
from local.project import Project
from local.serve.template import Template
from local.serve.worker_pool import WorkerPool

Changes = asyncio.Queue[set[Path]]


async def reload_on_change(project: Project, workers: WorkerPool, read: Callable[[], Template]) -> None:
    """Reload on every change until this is cancelled. `read` reads the template anew.

    Code that cannot be served is told on the terminal, and the last working code stays.
    """
    changes: Changes = asyncio.Queue()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_watch_code(project, workers.template, changes))
            tasks.create_task(_watch_template(project, changes))
            tasks.create_task(_reload(project, workers, read, changes))
    except* OSError as reasons:
        print(
            f"Edited code needs a restart: files cannot be watched here ({reasons.exceptions[0]}).",
            flush=True,
        )


async def _reload(
    project: Project, workers: WorkerPool, read: Callable[[], Template], changes: Changes
) -> None:
    while True:
        changed = await changes.get()
        while not changes.empty():
            changed |= changes.get_nowait()
        for path in changed:
            _forget_bytecode(path)
        try:
            template = read()
            _warn_of_restart(template, workers.template)
            await workers.replace(template)
        except LocalError as reason:
            print(f"Not reloaded, the last working code stays: {reason}", flush=True)
        else:
            print(f"Reloaded: {_format_paths(changed, project.root)}", flush=True)


async def _watch_code(project: Project, template: Template, changes: Changes) -> None:
    wanted = {
        project.root / "functions",
        *template.layers,
        *(each.folder for each in template.functions.values()),
    }
    outermost = [each for each in wanted if each.is_dir() and wanted.isdisjoint(each.parents)]
    async for found in awatch(*outermost, watch_filter=DefaultFilter()):
        changes.put_nowait({Path(path) for _, path in found})


async def _watch_template(project: Project, changes: Changes) -> None:
    """Watch the template's folder and not the file, since an editor that replaces the file would end the
    watch.
    """

    def is_template(_: Change, path: str) -> bool:
        return Path(path) == project.template

    async for _ in awatch(project.root, watch_filter=is_template, recursive=False):
        changes.put_nowait({project.template})


def _forget_bytecode(path: Path) -> None:
    """Remove a module's bytecode. Python knows a change by second and size, so two quick edits can look the
    same to it.
    """
    if path.suffix == ".py":
        Path(cache_from_source(str(path))).unlink(missing_ok=True)


def _warn_of_restart(template: Template, before: Template) -> None:
    """Tell which changes of the template need a restart."""
    if [table.definition for table in template.tables] != [table.definition for table in before.tables]:
        print("The tables of template.yaml have changed: restart to use them.", flush=True)
    if _select_driven(template) != _select_driven(before):
        print("The queues or schedules of template.yaml have changed: restart to use them.", flush=True)


def _select_driven(template: Template) -> tuple[object, ...]:
    return template.queues, template.sources, template.schedules


def _format_paths(changed: set[Path], root: Path) -> str:
    first, *more = sorted(
        str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in changed
    )
    return f"{first} and {len(more)} more" if more else first
