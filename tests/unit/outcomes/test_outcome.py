"""What a conversation counts for, and what a change of it changes in the sums."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from genai_voice.outcomes.outcome import Outcome, derive_outcome, measure_duration_ms, subtract_outcomes
from hypothesis import given
from hypothesis import strategies as st

DAY = 86_400_000
CREATED = 1_795_000_000_000

FACTS: dict[str, Any] = {"started_at": 1_000, "ended_at": 61_000.4, "created_at": 2_000, "messages": 7}


@pytest.mark.parametrize(
    ("status", "was_handed_off", "counted"),
    [
        ("active", False, None),
        ("active", True, (0, 1, 0)),
        ("handed_off", True, (0, 1, 0)),
        ("handed_off", False, (0, 1, 0)),
        ("resolved", False, (1, 0, 0)),
        ("resolved", True, (1, 1, 0)),
        ("abandoned", False, (0, 0, 1)),
        ("abandoned", True, (0, 1, 1)),
    ],
)
def test_what_it_counts_for(status: str, was_handed_off: bool, counted: tuple[int, int, int] | None) -> None:
    found = derive_outcome(status, was_handed_off=was_handed_off, **FACTS)
    assert found == (None if counted is None else (*counted, 60_000, 7))


def test_a_start_that_cannot_be_is_the_first_save() -> None:
    found = derive_outcome("resolved", was_handed_off=False, **FACTS | {"started_at": 1})
    assert found.duration_ms == 61_000 - 1 + 0
    seconds = FACTS | {
        "started_at": 1_767_225_600,
        "created_at": 1_767_225_600_000,
        "ended_at": 1_767_225_660_000,
    }
    assert derive_outcome("resolved", was_handed_off=False, **seconds).duration_ms == 60_000


outcomes = st.none() | st.builds(
    Outcome, *[st.integers(0, 1)] * 3, st.integers(0, 10**9), st.integers(0, 10_000)
)


@given(st.lists(outcomes, min_size=1))
def test_whatever_became_of_it_the_sums_hold_what_it_is_now(steps: list[Outcome | None]) -> None:
    sums: Counter[str] = Counter()
    for before, after in pairwise([None, *steps]):
        for name, change in subtract_outcomes(after, before).items():
            assert change
            sums[name] += change
    expected = steps[-1].to_sums() if steps[-1] else {}
    assert {name: n for name, n in sums.items() if n} == {name: n for name, n in expected.items() if n}


@pytest.mark.parametrize(
    ("started", "lasted"),
    [
        pytest.param(CREATED, 60_000, id="it began with its first save"),
        pytest.param(CREATED - 5_000, 65_000, id="it began before"),
        pytest.param(CREATED - DAY, DAY + 60_000, id="a day before"),
        pytest.param(CREATED - DAY - 1, 60_000, id="longer ago than a day"),
        pytest.param(1_795_000_000, 60_000, id="seconds for milliseconds"),
        pytest.param(CREATED + 1, 60_000, id="after its first save"),
    ],
)
def test_a_conversation_lasted_from_its_start_if_that_can_be_to_its_last_save(
    started: float, lasted: float
) -> None:
    assert measure_duration_ms(started, CREATED + 60_000, CREATED) == lasted


def test_a_conversation_never_lasted_less_than_nothing() -> None:
    assert measure_duration_ms(CREATED, CREATED - 1, CREATED) == 0
