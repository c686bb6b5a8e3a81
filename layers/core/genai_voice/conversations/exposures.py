"""The experiments that a conversation takes part in: changes of its row together with the sums of its
variants.

The transcripts that operators fill in later (`backfill`) change no sums.
"""

from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.writes import require_as_read, require_no_save_since
from genai_voice.foundation.transactions import Change
from genai_voice.outcomes.outcome import Outcome, derive_outcome, subtract_outcomes
from genai_voice.outcomes.tallies import tally_changes

MAX_EXPERIMENTS = 20
"""How many experiments a session may take part in. Each adds an item to the transaction that ends its
conversation.
"""


def exposure_changes(
    app: str, session_id: str, experiment_id: str, variant_id: str, stored: ConversationRow | None = None
) -> list[Change]:
    """Let a session take part in an experiment. Its conversation carries the variant, even if it begins
    later, and its outcome is counted for the variant, even if it has one already.

    Without `stored` the write is refused where the conversation has an outcome or takes part in
    MAX_EXPERIMENTS. With it the write of a conversation that has an outcome is refused unless the row is
    still as it was read.
    """
    row = ConversationRow
    actions = [
        row.experiment_variant.set(variant_id),
        row.exposures.set((row.exposures | []).append([[experiment_id, variant_id]])),
    ]
    had = _read_counted_outcome(stored) or _derive_present_outcome(stored)
    additions = {"exposures": 1, **subtract_outcomes(had, None)}
    sums = tally_changes(app, [(experiment_id, variant_id)], additions)
    if stored is None or had is None:
        is_going_on = row.status.does_not_exist() | (row.status == "active")
        has_no_outcome = is_going_on & row.counted.does_not_exist() & row.with_person.does_not_exist()
        has_room = row.exposures[MAX_EXPERIMENTS - 1].does_not_exist()
        return [Change(row.of(app, session_id), actions, has_no_outcome & has_room), *sums]
    actions.append(row.counted.set(list(had)))
    unchanged = require_as_read(stored) & require_no_save_since(stored)
    return [Change(row.of(app, session_id), actions, unchanged), *sums]


def outcome_changes(
    app: str, change: Change, stored: ConversationRow | None, outcome: Outcome | None
) -> list[Change]:
    """Add to a change of a conversation's row what the conversation counts for after it. The change must be
    written only if the row is still as it was read.

    Answers the change alone where the conversation takes part in no experiment, or counts as before.
    """
    exposures = (stored.exposures if stored else None) or ()
    additions = subtract_outcomes(outcome, _read_counted_outcome(stored))
    if outcome is None or not exposures or not additions:
        return [change]
    counted = ConversationRow.counted.set(list(outcome))
    sums = tally_changes(app, exposures, additions)
    return [Change(change.row, [*change.actions, counted], change.condition), *sums]


def derive_stored_outcome(
    stored: ConversationRow | None,
    status: str,
    ended_at: float,
    *,
    started_at: float | None = None,
    messages: int | None = None,
) -> Outcome | None:
    """Derive what a conversation counts for with this status and this last save, from what is stored and what
    a save says besides. Times in epoch ms.
    """
    had = stored or ConversationRow()
    return derive_outcome(
        status,
        was_handed_off=had.handed_off_since is not None or bool(had.with_person),
        started_at=had.started_at if had.started_at is not None else started_at or ended_at,
        ended_at=ended_at,
        created_at=had.created_at if had.created_at is not None else ended_at,
        messages=messages if messages is not None else had.message_count or 0,
    )


def _read_counted_outcome(stored: ConversationRow | None) -> Outcome | None:
    """Read the outcome with which the sums count this conversation."""
    counted = stored.counted if stored else None
    return Outcome(*counted) if counted else None


def _derive_present_outcome(stored: ConversationRow | None) -> Outcome | None:
    """Derive the outcome of a conversation as it was read."""
    return derive_stored_outcome(stored, stored.status, stored.ended_at) if stored and stored.status else None
