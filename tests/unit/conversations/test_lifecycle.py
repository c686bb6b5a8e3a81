"""The status of a conversation: the matrix of the contract, word by word, and what follows from it."""

import pytest
from genai_voice.conversations.lifecycle import STATUSES, next_status, refusing
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
    assert next_status(None if stored == "-" else stored, requested) == result


@pytest.mark.parametrize("stored", STATUSES)
def test_without_a_status_the_stored_one_stays(stored: str) -> None:
    assert next_status(stored, None) == stored
    assert next_status(None, None) == "active"


@given(st.none() | statuses, st.lists(st.none() | statuses))
def test_whatever_is_saved_nothing_but_a_person_or_a_caller_that_leaves_ends_a_handoff(
    stored: str | None, requests: list[str | None]
) -> None:
    """From handed_off only `abandoned` leads away, and a conversation that has ended never becomes active
    again.
    """
    for requested in requests:
        before, stored = stored, next_status(stored, requested)
        if before == "handed_off":
            assert stored in ("handed_off", "abandoned")
        if before not in (None, "active"):
            assert stored != "active"


@given(statuses, statuses)
def test_what_a_conditional_write_excludes_is_what_would_be_kept(stored: str, requested: str) -> None:
    assert (stored in refusing(requested)) == (next_status(stored, requested) != requested)
