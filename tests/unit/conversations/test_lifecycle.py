"""The status of a conversation: the matrix of the contract, word by word, and what follows from it."""

import pytest
from genai_voice.conversations.lifecycle import STATUSES, decide_status, find_refusing_statuses, is_stale
from hypothesis import given
from hypothesis import strategies as st

MATRIX = """
              active      resolved    abandoned   handed_off
-             active      resolved    abandoned   handed_off
active        active      resolved    abandoned   handed_off
resolved      resolved    resolved    abandoned   handed_off
abandoned     abandoned   resolved    abandoned   handed_off
handed_off    handed_off  handed_off  abandoned   handed_off
"""

_HEAD, *_ROWS = [line.split() for line in MATRIX.strip().splitlines()]
CASES = [
    (row[0], requested, result) for row in _ROWS for requested, result in zip(_HEAD, row[1:], strict=True)
]

statuses = st.sampled_from(STATUSES)


@pytest.mark.parametrize(("stored", "requested", "result"), CASES)
def test_the_matrix(stored: str, requested: str, result: str) -> None:
    assert decide_status(None if stored == "-" else stored, requested) == result


@pytest.mark.parametrize("stored", STATUSES)
def test_without_a_status_the_stored_one_stays(stored: str) -> None:
    assert decide_status(stored, None) == stored
    assert decide_status(None, None) == "active"


@given(st.none() | statuses, st.lists(st.none() | statuses))
def test_whatever_is_saved_nothing_but_a_person_or_a_caller_that_leaves_ends_a_handoff(
    stored: str | None, requests: list[str | None]
) -> None:
    """From handed_off only `abandoned` leads away, and a conversation that has ended never becomes active
    again.
    """
    for requested in requests:
        before, stored = stored, decide_status(stored, requested)
        if before == "handed_off":
            assert stored in ("handed_off", "abandoned")
        if before not in (None, "active"):
            assert stored != "active"


@given(statuses, statuses)
def test_what_a_conditional_write_excludes_is_what_would_be_kept(stored: str, requested: str) -> None:
    assert (stored in find_refusing_statuses(requested)) == (decide_status(stored, requested) != requested)


@pytest.mark.parametrize(
    ("started", "ended", "stale"),
    [
        pytest.param(0, 100, True, id="as long ago as that"),
        pytest.param(0, 101, False, id="a millisecond less"),
        pytest.param(100, None, True, id="the start counts where there is no end"),
        pytest.param(101, None, False, id="a start that is too late"),
        pytest.param(0, 0, True, id="an end at 0 is an end"),
        pytest.param(0, 5_000, False, id="an end to come"),
    ],
)
def test_a_conversation_is_stale_by_its_end_or_else_its_start(
    started: float, ended: float | None, stale: bool
) -> None:
    assert is_stale(started, ended, 1_000, 900) is stale
