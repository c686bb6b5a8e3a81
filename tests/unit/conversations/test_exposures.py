"""What a conversation counts for: changes of its row together with the sums, planned without a table."""

from typing import Any

from genai_voice.conversations.exposures import (
    MAX_EXPERIMENTS,
    derive_stored_outcome,
    exposure_changes,
    outcome_changes,
)
from genai_voice.conversations.rows import ConversationRow
from genai_voice.foundation.transactions import Change
from genai_voice.outcomes.outcome import Outcome
from genai_voice.outcomes.rows import TallyRow

RESOLVED = Outcome(1, 0, 0, 60_000, 4)
ABANDONED = Outcome(0, 0, 1, 60_000, 4)


def stored_row(**more: Any) -> ConversationRow:
    row = ConversationRow.of("app", "s")
    facts = {"status": "active", "started_at": 1_000, "ended_at": 61_000, "created_at": 1_000}
    for name, value in {**facts, "message_count": 4, **more}.items():
        setattr(row, name, value)
    return row


def additions(change: Change) -> dict[str, int]:
    """What is added to the sums of a variant."""
    assert isinstance(change.row, TallyRow)
    _, *added = [str(action).split(" ", 1) for action in change.actions]
    return {name: int(value.split("'")[3]) for name, value in added}


def test_a_conversation_without_experiments_counts_for_nothing() -> None:
    change = Change(ConversationRow.of("app", "s"), [])
    for stored in (None, stored_row(), stored_row(exposures=[])):
        assert outcome_changes("app", change, stored, RESOLVED) == [change]


def test_a_conversation_without_an_outcome_counts_for_nothing_yet() -> None:
    change, stored = Change(ConversationRow.of("app", "s"), []), stored_row(exposures=[["e", "v"]])
    assert derive_stored_outcome(stored, "active", 61_000) is None
    assert outcome_changes("app", change, stored, None) == [change]


def test_an_outcome_is_counted_for_each_variant_and_noted_in_the_row() -> None:
    change, stored = (
        Change(ConversationRow.of("app", "s"), []),
        stored_row(exposures=[["e", "v"], ["f", "w"]]),
    )
    outcome = derive_stored_outcome(stored, "resolved", 61_000)
    assert outcome == RESOLVED
    conversation, *sums = outcome_changes("app", change, stored, outcome)
    assert [str(action).partition(" = ")[0] for action in conversation.actions] == ["counted"]
    experiments = [each.row.pk.partition("SHARD#")[0] for each in sums]
    assert experiments == ["APP#app#EXPERIMENT#e#", "APP#app#EXPERIMENT#f#"]
    assert [each.row.variant_id for each in sums] == ["v", "w"]  # type: ignore[attr-defined]
    counted = {name: n for name, n in RESOLVED.to_sums().items() if n}
    assert [additions(each) for each in sums] == [counted, counted]


def test_an_outcome_that_was_counted_before_is_not_counted_again() -> None:
    change = Change(ConversationRow.of("app", "s"), [])
    stored = stored_row(exposures=[["e", "v"]], counted=list(RESOLVED))
    assert outcome_changes("app", change, stored, RESOLVED) == [change]


def test_an_outcome_that_changes_is_taken_back_and_counted_anew() -> None:
    change = Change(ConversationRow.of("app", "s"), [])
    stored = stored_row(exposures=[["e", "v"]], counted=list(RESOLVED))
    _, sums = outcome_changes("app", change, stored, ABANDONED)
    assert additions(sums) == {"resolved": -1, "abandoned": 1}


def test_an_exposure_without_reading_requires_no_outcome_and_room_for_one_more() -> None:
    conversation, sums = exposure_changes("app", "s", "e", "v")
    required = str(conversation.condition)
    assert "(attribute_not_exists (status) OR status = {'S': 'active'})" in required
    assert "attribute_not_exists (counted)" in required
    assert "attribute_not_exists (with_person)" in required
    assert f"attribute_not_exists (exposures[{MAX_EXPERIMENTS - 1}])" in required
    assert additions(sums) == {"exposures": 1}


def test_an_exposure_of_a_conversation_with_an_outcome_counts_that_too() -> None:
    conversation, sums = exposure_changes("app", "s", "e", "v", stored_row(status="resolved"))
    assert any(str(action).startswith("counted = ") for action in conversation.actions)
    counted = {"exposures": 1, **RESOLVED.to_sums()}
    assert additions(sums) == {name: n for name, n in counted.items() if n}
    assert "ended_at = {'N': '61000'}" in str(conversation.condition)
