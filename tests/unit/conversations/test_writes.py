"""What a save writes of a conversation's row, and what it requires of it: planned without a table."""

from typing import Any

import pytest
from genai_voice.conversations.handover import handover_changes
from genai_voice.conversations.model import ConversationSave
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.transcripts import Transcript
from genai_voice.conversations.writes import require_as_read, require_for_save, status_changes
from genai_voice.tenancy.model import App

NO_EXPERIMENT = "attribute_not_exists (exposures)"
NOT_WITH_A_PERSON = "(attribute_not_exists (status) OR status <> {'S': 'handed_off'})"
NOTHING_OF_BEFORE = "(attribute_not_exists (transcript) AND attribute_not_exists (transcript_revision))"

REQUIRED: dict[str, tuple[dict[str, Any], str | None]] = {
    "nothing, for a save every few seconds": ({}, None),
    "nothing, for one that says active": ({"status": "active"}, None),
    "no person and no experiment, to resolve": (
        {"status": "resolved"},
        f"({NOT_WITH_A_PERSON} AND {NO_EXPERIMENT})",
    ),
    "no experiment, to abandon": ({"status": "abandoned"}, NO_EXPERIMENT),
    "no experiment, to hand over": ({"status": "handed_off"}, NO_EXPERIMENT),
}


@pytest.mark.parametrize(("said", "required"), REQUIRED.values(), ids=REQUIRED.keys())
def test_a_save_that_has_read_nothing_requires(said: dict[str, Any], required: str | None) -> None:
    save = ConversationSave.model_validate({"sessionId": "s", **said})
    found = require_for_save(save, None)
    assert (None if found is None else str(found)) == required


@pytest.mark.parametrize(("lines", "values"), [(1, 2), (9, 10), (10, 3), (500, 5)])
def test_a_transcript_requires_that_it_begins_with_what_is_stored(lines: int, values: int) -> None:
    """The empty list and each beginning of what is sent that is no shorter than its sealed part."""
    sent = Transcript([{"role": "user", "content": "hi", "ts": at} for at in range(lines)])
    required = str(require_for_save(ConversationSave.model_validate({"sessionId": "s"}), sent))
    assert required.startswith(f"({NOTHING_OF_BEFORE} AND ")
    assert required.count("{'B': ") == values + (lines > 9)
    assert ("attribute_not_exists (line_keys)" in required) == (lines <= 9)
    assert f"said <= {{'N': '{2 * lines}'}}" in required


def test_what_was_not_read_is_required_not_to_be_there() -> None:
    required = str(require_as_read(stored_row("active", exposures=[["e", "v"]])))
    assert "status = {'S': 'active'}" in required
    assert "exposures = {'L'" in required
    for absent in ("handed_off_since", "counted"):
        assert f"attribute_not_exists ({absent})" in required


def test_active_is_written_only_where_there_is_no_status() -> None:
    for requested in (None, "active"):
        assert written(status_changes("app", requested, None)) == [
            "status = if_not_exists (status, {'S': 'active'})",
            "gsi2pk = if_not_exists (gsi2pk, {'S': 'APP#app#CONVERSATIONS#active#'})",
        ]


def test_a_status_and_its_list_are_written_together() -> None:
    assert written(status_changes("app", "resolved", stored_row("active"))) == [
        "status = {'S': 'resolved'}",
        "gsi2pk = {'S': 'APP#app#CONVERSATIONS#resolved#'}",
    ]


def test_a_status_that_may_not_follow_leaves_the_stored_one_and_the_time_of_the_handover() -> None:
    status, place, since = written(status_changes("app", "resolved", stored_row("handed_off")))
    assert status == "status = {'S': 'handed_off'}"
    assert place == "gsi2pk = {'S': 'APP#app#CONVERSATIONS#handed_off#'}"
    assert since.startswith("handed_off_since = if_not_exists (handed_off_since, ")


def test_a_handover_reads_nothing_at_first_and_requires_a_conversation_without_experiments() -> None:
    handover = handover_changes(App("app", 0, "own@1"), "s", "web", [], is_read=False)
    (change,) = handover.changes
    assert str(change.condition) == f"(attribute_exists (status) AND {NO_EXPERIMENT})"
    assert not handover.puts


def stored_row(status: str, **more: Any) -> ConversationRow:
    row = ConversationRow.of("app", "s")
    for name, value in {"status": status, **more}.items():
        setattr(row, name, value)
    return row


def written(actions: Any) -> list[str]:
    return [str(action) for action in actions]
