"""The saves of a conversation: again and again while it goes on, and once more when it ends."""

from collections.abc import Sequence

from genai_voice.conversations.exposures import derive_stored_outcome, outcome_changes
from genai_voice.conversations.lifecycle import ENDED, decide_status, is_ending
from genai_voice.conversations.merging import merge
from genai_voice.conversations.model import ConversationSave, ConversationSaved
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.segment_writes import (
    TranscriptWrite,
    finish_write,
    write_growth,
    write_transcript,
    write_unread,
)
from genai_voice.conversations.stored_transcripts import load_lines
from genai_voice.conversations.transcripts import Transcript
from genai_voice.conversations.writes import (
    has_outcome,
    is_growth,
    require_as_read,
    require_for_save,
    require_no_save_since,
    save_changes,
)
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.keys import digest
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import Action, Condition, Item
from genai_voice.foundation.transactions import Change, write
from genai_voice.tenancy.model import App
from genai_voice.webhooks.outbox import WEBHOOKS, make_deliveries

BUSY = "Too many saves of this conversation at once: try again"
_ATTEMPTS = 60
"""A merge loses to every other save that comes between, so of 40 at once one may lose 39 times. The waits
add up to 4.5 s on average.
"""


def save(app: App, request: ConversationSave) -> ConversationSaved:
    """Create or update the conversation with what was sent. The reply says where it was `truncated`: of a
    transcript over 5 MB the newest lines are left out.

    Mostly one conditional write, which also decides the status: what only grows replaces what is stored, and
    a status that may not follow the stored one is kept silently (contract 5.1). Where the table refuses it,
    what was sent is merged with the row that the refusal brings along, so that no line is ever lost. Where
    the conversation takes part in experiments, its outcome is counted in the same write. Raises Busy when
    other writers win every time.
    """
    saving = _Saving(app, request)
    is_read_first = request.replace_transcript or _may_announce_end(app, request)
    first = saving.try_as_read if is_read_first else saving.try_unread_then_as_read
    return retry_lost_races(first, after_loss=saving.try_as_read, busy=BUSY, attempts=_ATTEMPTS)


def save_config_hash(app: str, session_id: str, config_hash: str) -> None:
    """Save the hash of the configuration with which a conversation's model was last opened. There may be no
    conversation yet: a row without a status is in no list, and becomes a conversation with its first save.
    """
    ConversationRow.of(app, session_id).change([ConversationRow.config_hash.set(config_hash)])


def write_end(
    app: App, session_id: str, status: str, changes: Sequence[Change], puts: Sequence[Item] = ()
) -> bool:
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
    if not write(changes, puts=puts, inserts=deliveries):
        return False
    WEBHOOKS.notify_sender(deliveries)
    return True


def _may_announce_end(app: App, request: ConversationSave) -> bool:
    """Whether the app may have to be told that this save ends the conversation."""
    return request.status in ENDED and "conversation.ended" in app.webhook_events


class _Saving:
    """One save, which is tried until no other writer comes between."""

    def __init__(self, app: App, request: ConversationSave) -> None:
        self._app, self._request, self._sent = app, request, _read_sent(request)
        self._row = ConversationRow.of(app.slug, request.session_id)
        self._refused: tuple[ConversationRow | None] | None = None
        """The row that the last write was refused for; in it None where there is no row."""

    def try_unread_then_as_read(self) -> ConversationSaved | None:
        """Write without having read anything, and where something stands in the way, at once what becomes of
        it. Answers None where another writer was faster.
        """
        return self._try_unread() or self.try_as_read()

    def _try_unread(self) -> ConversationSaved | None:
        written = write_unread(self._row, self._sent) if self._sent else TranscriptWrite()
        changes = save_changes(self._app, self._request, written.changes, None, get_now_ms())
        is_sealed_ahead = written.chain is not None and not written.puts
        condition = require_for_save(self._request, self._sent, is_sealed_ahead=is_sealed_ahead)
        if not self._write_row(changes, condition):
            return None
        finish_write(self._row, written, None)
        return _build_reply(self._sent)

    def try_as_read(self) -> ConversationSaved | None:
        """Write what the save makes of the row as it was read. Answers None where another writer was
        faster.
        """
        (stored,) = self._refused or (self._row.find_stored(),)
        self._refused = None
        new, written = self._store_segments(stored)
        if not self._write_as_read(stored, new, written):
            return None
        finish_write(self._row, written, stored)
        return _build_reply(new)

    def _store_segments(self, stored: ConversationRow | None) -> tuple[Transcript | None, TranscriptWrite]:
        """Make the transcript that the save leads to, and store those of its segments that are missing."""
        sent = self._sent
        if sent is None:
            return None, TranscriptWrite()
        is_replaced = bool(self._request.replace_transcript)
        if stored and not is_replaced and is_growth(stored, sent):
            return sent, write_growth(self._row, sent, stored.sealed)
        lines, chain = load_lines(stored) if stored else ([], ())
        new = sent if is_replaced or not lines else Transcript(merge(lines, sent.lines))
        return new, write_transcript(self._row, new, lines, chain)

    def _write_as_read(
        self, stored: ConversationRow | None, new: Transcript | None, written: TranscriptWrite
    ) -> bool:
        """Write the row that was read. Together with it what the conversation counts for, the announcement of
        its end, and segments that come back.
        """
        app, request, now = self._app, self._request, get_now_ms()
        stored_status = stored.status if stored else None
        changes = save_changes(app, request, written.changes, stored, now)
        unchanged = require_as_read(stored)
        if stored and new:
            unchanged &= require_no_save_since(stored)
        is_announced = _may_announce_end(app, request) and is_ending(stored_status, request.status)
        is_counted = has_outcome(request) and bool(stored and stored.exposures)
        if not (is_announced or is_counted or written.puts):
            return self._write_row(changes, unchanged)
        if stored and new is None:
            unchanged &= stored.is_unchanged("message_count")
        outcome = derive_stored_outcome(
            stored,
            decide_status(stored_status, request.status),
            request.ended_at or now,
            started_at=request.started_at,
            messages=len(new.lines) if new else None,
        )
        change = Change(self._row, changes, unchanged)
        counted = outcome_changes(app.slug, change, stored, outcome) if has_outcome(request) else [change]
        together = [*counted, *written.checks]
        if is_announced:
            return write_end(app, request.session_id, request.status or "", together, written.puts)
        return write(together, puts=written.puts)

    def _write_row(self, changes: Sequence[Action], condition: Condition | None) -> bool:
        """Write the row alone. Where that is refused, the row comes along."""
        if condition is None:
            return self._row.change(changes)
        is_written, stored = self._row.change_or_find(changes, condition)
        if not is_written:
            self._refused = (stored,)
        return is_written


def _build_reply(stored: Transcript | None) -> ConversationSaved:
    is_truncated = stored is not None and stored.is_truncated
    return add_optional(ConversationSaved(ok=True), truncated=is_truncated or None)


def _read_sent(request: ConversationSave) -> Transcript | None:
    """Read the transcript of a save. None where it leaves the stored one alone: an empty list is how agents
    begin, and is none unless it is to replace what is stored.
    """
    lines = request.messages
    if lines is None or not (lines or (request.replace_transcript and not lines.ignored)):
        return None
    return Transcript(lines)
