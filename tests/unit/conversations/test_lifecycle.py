"""The status of a conversation: the matrix of the contract, word by word, and what follows from it."""

import pytest
from genai_voice.conversations.lifecycle import STATUSES, is_stale, lasted_ms, next_status, refusing
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


DAY = 86_400_000
CREATED = 1_795_000_000_000


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
    assert lasted_ms(started, CREATED + 60_000, CREATED) == lasted


def test_a_conversation_never_lasted_less_than_nothing() -> None:
    assert lasted_ms(CREATED, CREATED - 1, CREATED) == 0
