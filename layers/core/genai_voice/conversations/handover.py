"""The changes by which a conversation passes to a person and back to its agent. Handoffs write them."""

from collections.abc import Sequence
from typing import NamedTuple

from genai_voice.conversations.exposures import derive_stored_outcome, outcome_changes
from genai_voice.conversations.model import TranscriptItem
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.segment_writes import TranscriptWrite, write_transcript
from genai_voice.conversations.transcripts import Transcript
from genai_voice.conversations.writes import (
    creation_changes,
    require_as_read,
    require_no_save_since,
    status_changes,
)
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.table import Condition, Item
from genai_voice.foundation.transactions import Change
from genai_voice.tenancy.model import App


class Handover(NamedTuple):
    """The changes by which a conversation passes to a person, to be written together with its handoff."""

    changes: Sequence[Change]
    puts: Sequence[Item] = ()
    """To be written with them."""


def handover_changes(
    app: App, session_id: str, channel: str, messages: Sequence[TranscriptItem], *, is_read: bool
) -> Handover:
    """Pass a conversation to a person, whatever its status is.

    Without `is_read` nothing is read, and the write is refused where nothing was saved of the conversation
    yet, or it takes part in experiments. With it the row is read, and the write is refused where it has
    changed since. A conversation of which nothing was saved is created with these messages.
    """
    row = ConversationRow.of(app.slug, session_id)
    if not is_read:
        present: Condition = ConversationRow.status.exists() & ConversationRow.exposures.does_not_exist()
        return Handover([Change(row, status_changes(app.slug, "handed_off", None), present)])
    stored = row.find_stored()
    if stored is None or stored.status is None:
        return _plan_creation(app, row, session_id, channel, messages, stored)
    unchanged = require_as_read(stored) & require_no_save_since(stored)
    change = Change(row, status_changes(app.slug, "handed_off", None), unchanged)
    outcome = derive_stored_outcome(stored, "handed_off", stored.ended_at)
    return Handover(outcome_changes(app.slug, change, stored, outcome))


def return_changes(app: str, session_id: str) -> list[Change]:
    """Give a conversation back to its agent. Refused unless it is still with a person as it was read. Answers
    no changes where it is not with a person.
    """
    row = ConversationRow.of(app, session_id).find_stored()
    if row is None or row.status != "handed_off":
        return []
    since = row.handed_off_since
    span = [] if since is None else [*(row.with_person or ()), since, max(since, get_now_ms())]
    actions = [
        ConversationRow.status.set("active"),
        ConversationRow.gsi2pk.set(row.make_list_key(app, "active")),
        ConversationRow.handed_off_since.remove(),
        *([ConversationRow.with_person.set(span)] if span else []),
    ]
    return [Change(row, actions, require_as_read(row))]


def _plan_creation(
    app: App,
    row: ConversationRow,
    session_id: str,
    channel: str,
    messages: Sequence[TranscriptItem],
    stored: ConversationRow | None,
) -> Handover:
    """Create a conversation that is with a person from the start. Refused where there is one by then."""
    now = get_now_ms()
    transcript = write_transcript(row, Transcript(messages)) if messages else TranscriptWrite()
    actions = [
        *creation_changes(app, session_id, now),
        ConversationRow.ended_at.set(now),
        ConversationRow.channel.set(channel),
        *status_changes(app.slug, "handed_off", None),
        *(transcript.changes or [ConversationRow.message_count.set(0)]),
    ]
    change = Change(row, actions, require_as_read(stored))
    outcome = derive_stored_outcome(stored, "handed_off", now, messages=len(messages))
    changes = [*outcome_changes(app.slug, change, stored, outcome), *transcript.checks]
    return Handover(changes, transcript.puts)
