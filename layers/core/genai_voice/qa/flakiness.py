"""What the last results of a scenario say of it: how often it passes, and whether chance decides."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from genai_voice.qa.model.runs import RunStatus

KEPT = 20
"""Results of a scenario that are looked at, the newest."""


class RecentResult(NamedTuple):
    run_id: str
    status: RunStatus
    graded: str
    """Stands for the answer and for all of the scenario that decides about it: the same for the same."""


def with_newest(results: Iterable[RecentResult], newest: RecentResult) -> list[RecentResult]:
    """Newest first."""
    return [newest, *results][:KEPT]


def pass_rate(results: Sequence[RecentResult]) -> float | None:
    """The share that has passed, from 0 to 1; None of none."""
    return sum(each.status == "passed" for each in results) / len(results) if results else None


def is_flaky(results: Iterable[RecentResult]) -> bool:
    """Whether the same answer to the same scenario has passed and has failed."""
    seen: dict[str, RunStatus] = {}
    return any(seen.setdefault(each.graded, each.status) != each.status for each in results)
