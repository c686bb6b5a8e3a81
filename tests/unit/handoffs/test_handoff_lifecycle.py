"""Who may do what with a handoff, step by step."""

from typing import get_args

import pytest
from genai_voice.foundation.errors import Conflict
from genai_voice.handoffs.lifecycle import is_move
from genai_voice.handoffs.model import Status

# stored, held by, asked for, by whom -> whether it changes, or the sentence of the refusal
CASES = [
    ("pending", None, "claimed", "ada", True),
    ("pending", None, "claimed", None, True),
    ("claimed", "ada", "claimed", "ada", False),
    ("claimed", "ada", "claimed", "bob", "Handoff already claimed"),
    ("claimed", "ada", "claimed", None, "Handoff already claimed"),
    ("claimed", None, "claimed", None, "Handoff already claimed"),
    ("claimed", None, "claimed", "ada", "Handoff already claimed"),
    ("resolved", "ada", "claimed", "ada", "Handoff already resolved"),
    ("expired", None, "claimed", "ada", "Handoff has expired: set it back to pending first"),
    ("pending", None, "resolved", None, True),
    ("claimed", "ada", "resolved", None, True),
    ("expired", None, "resolved", None, True),
    ("resolved", "ada", "resolved", None, False),
    ("claimed", "ada", "pending", None, True),
    ("expired", None, "pending", None, True),
    ("pending", None, "pending", None, False),
    ("resolved", None, "pending", None, "Handoff already resolved"),
    ("pending", None, "expired", None, True),
    ("expired", None, "expired", None, False),
    ("claimed", "ada", "expired", None, "Handoff already claimed"),
    ("resolved", None, "expired", None, "Handoff already resolved"),
]


@pytest.mark.parametrize(("stored", "holder", "requested", "agent", "expected"), CASES)
def test_each_step(
    stored: str, holder: str | None, requested: str, agent: str | None, expected: bool | str
) -> None:
    if isinstance(expected, bool):
        assert is_move(stored, holder, requested, agent) is expected
        return
    with pytest.raises(Conflict) as refused:
        is_move(stored, holder, requested, agent)
    assert refused.value.message == expected


def test_every_pair_of_statuses_is_told_of() -> None:
    statuses = get_args(Status)
    assert {(case[0], case[2]) for case in CASES} == {(one, other) for one in statuses for other in statuses}
