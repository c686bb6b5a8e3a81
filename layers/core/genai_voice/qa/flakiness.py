"""Tell from the last results of a scenario how often it passes, and whether chance decides."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from genai_voice.qa.model.runs import RunStatus

KEPT = 20
"""Results of a scenario that are looked at, the newest."""


class RecentResult(NamedTuple):
    run_id: str
    status: RunStatus
    fingerprint: str
    """Stands for the answer and for all of the scenario that decides about it: the same for the same."""


def add_newest(results: Iterable[RecentResult], newest: RecentResult) -> list[RecentResult]:
    """Put the newest result before the others, and drop the oldest over KEPT."""
    return [newest, *results][:KEPT]


def compute_pass_rate(results: Sequence[RecentResult]) -> float | None:
    """Compute the share that has passed, from 0 to 1. Answers None where there are no results."""
    return sum(each.status == "passed" for each in results) / len(results) if results else None


def is_flaky(results: Iterable[RecentResult]) -> bool:
    """Whether the same answer to the same scenario has passed and has failed."""
    seen: dict[str, RunStatus] = {}
    return any(seen.setdefault(each.fingerprint, each.status) != each.status for each in results)
