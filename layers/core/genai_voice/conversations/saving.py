"""The saves of a conversation: again and again while it goes on, and once more when it ends."""

from collections.abc import Sequence
from functools import partial

from genai_voice.conversations.exposures import derive_stored_outcome, outcome_changes
from genai_voice.conversations.lifecycle import ENDED, decide_status, is_ending
from genai_voice.conversations.model import ConversationSave
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.stored_transcripts import (
    StoredTranscript,
    expire_parts,
    expire_replaced_parts,
    store_transcript,
)
from genai_voice.conversations.writes import (
    has_outcome,
    require_as_read,
    require_for_save,
    save_changes,
)
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.keys import digest
from genai_voice.foundation.model import Ok
from genai_voice.foundation.retries import LostEveryRace, retry_lost_races
from genai_voice.foundation.transactions import Change, write
from genai_voice.tenancy.model import App
from genai_voice.webhooks.outbox import WEBHOOKS, make_deliveries

BUSY = "Too many saves of this conversation at once: try again"


def save(app: App, request: ConversationSave) -> Ok:
    """Create or update the conversation with what was sent, in one conditional write that also decides the
    status.

    A status that may not follow the stored one is kept silently, and the rest is saved (contract 5.1). The
    row is read only after a refused write, to see what stands in its way, and before an end that the app is
    told of. Where the conversation takes part in experiments, its outcome is counted in the same write. The
    parts of a transcript over 300 KB (compressed) are stored before the write that points at them; parts that
    nothing points at any more expire. Raises Busy when other writers win every time.
    """
    row = ConversationRow.of(app.slug, request.session_id)
    transcript = StoredTranscript() if request.messages is None else store_transcript(row, request.messages)
    save_unread = partial(_save_alone, app, request, transcript, None)
    save_as_read = partial(_save_as_read, app, request, transcript)
    try:
        return retry_lost_races(
            save_as_read if _may_announce_end(app, request) else save_unread,
            after_loss=save_as_read,
            busy=BUSY,
        )
    except LostEveryRace:
        if transcript.revision:
            expire_parts(row.pk, transcript.revision)
        raise


def save_config_hash(app: str, session_id: str, config_hash: str) -> None:
    """Save the hash of the configuration with which a conversation's model was last opened. There may be no
    conversation yet: a row without a status is in no list, and becomes a conversation with its first save.
    """
    ConversationRow.of(app, session_id).change([ConversationRow.config_hash.set(config_hash)])


def write_end(app: App, session_id: str, status: str, changes: Sequence[Change]) -> bool:
    """Write what ends a conversation, together with the announcement where the app asks for it. Answers False
    where the write was refused.
    """
    deliveries = make_deliveries(
        app,
        "conversation.ended",
        sessionId=session_id,
        conversationId=digest(app.slug, session_id),
        status=status,
    )
    if not write(changes, inserts=deliveries):
        return False
    WEBHOOKS.notify_sender(deliveries)
    return True


def _may_announce_end(app: App, request: ConversationSave) -> bool:
    """Whether the app may have to be told that this save ends the conversation."""
    return request.status in ENDED and "conversation.ended" in app.webhook_events


def _save_as_read(app: App, request: ConversationSave, transcript: StoredTranscript) -> Ok | None:
    """Read the row, and write what the save makes of it. Answers None where another writer was faster."""
    stored = ConversationRow.of(app.slug, request.session_id).find_stored()
    stored_status = stored.status if stored else None
    is_announced = _may_announce_end(app, request) and is_ending(stored_status, request.status)
    if is_announced or (has_outcome(request) and stored and stored.exposures):
        return _save_together(app, request, transcript, stored, is_announced=is_announced)
    return _save_alone(app, request, transcript, stored)


def _save_alone(
    app: App, request: ConversationSave, transcript: StoredTranscript, stored: ConversationRow | None
) -> Ok | None:
    """Write the row in one call, at first without having read it. Answers None where that was refused."""
    row = ConversationRow.of(app.slug, request.session_id)
    replaced = row.change_and_return(
        save_changes(app, request, transcript, stored, get_now_ms()),
        require_for_save(request, transcript, stored),
        returning="UPDATED_OLD" if transcript.revision else "NONE",
    )
    if replaced is None:
        return None
    if transcript.changes:
        expire_replaced_parts(row, replaced if transcript.revision else stored, transcript.revision)
    return {"ok": True}


def _save_together(
    app: App,
    request: ConversationSave,
    transcript: StoredTranscript,
    stored: ConversationRow | None,
    *,
    is_announced: bool,
) -> Ok | None:
    """Write the row that was read, together with what the conversation counts for and with the announcement
    of its end. Answers None where that was refused.
    """
    row, now = ConversationRow.of(app.slug, request.session_id), get_now_ms()
    status = decide_status(stored.status if stored else None, request.status)
    messages = None if request.messages is None else len(request.messages)
    outcome = derive_stored_outcome(stored, status, now, started_at=request.started_at, messages=messages)
    unchanged = require_as_read(stored)
    if stored and messages is None:
        unchanged &= stored.is_unchanged("message_count")
    change = Change(row, save_changes(app, request, transcript, stored, now), unchanged)
    changes = outcome_changes(app.slug, change, stored, outcome)
    is_written = write_end(app, request.session_id, status, changes) if is_announced else write(changes)
    if not is_written:
        return None
    if transcript.changes:
        expire_replaced_parts(row, stored, transcript.revision)
    return {"ok": True}
