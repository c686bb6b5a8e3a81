"""Messages: stored in batches that may be sent again, and listed by time."""

from collections.abc import Sequence
from functools import partial

from genai_voice.conversations.lifecycle import is_muted
from genai_voice.conversations.message_model import (
    MAX_CONTENT,
    Message,
    MessageBatch,
    MessagePage,
    MessageQuery,
    MessagesSaved,
    MessageView,
    Recordings,
)
from genai_voice.conversations.message_rows import MessageRow, StoredMessage
from genai_voice.conversations.rows import ConversationRow
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.foundation.trace_sessions import tie_sessions
from genai_voice.foundation.transactions import put_all
from genai_voice.tenancy.model import App


def save_messages(app: str, batch: MessageBatch, trace_id: str | None) -> MessagesSaved:
    """Save all messages. A row that is stored already is replaced by its equal, so a batch may be sent again,
    and another copy of a message takes nothing away from it.

    Raises Busy when the table takes only a part of them: sending the batch again completes it.
    """
    rows = [_build_row(app, message, trace_id) for message in batch.messages]
    tie_sessions(app, trace_id, {row.session_id for row in rows})
    put_all(list({(row.pk, row.sk): row for row in rows}.values()))
    saved: MessagesSaved = {"ok": True, "count": len(batch.messages)}
    return add_optional(saved, ignored=batch.messages.ignored or None)


def list_messages(app: App, query: MessageQuery) -> MessagePage:
    """List the session's messages by time of creation, as many as fit 5 MB; `cursor` where more are left.

    Where the app mutes its agent after a handoff, `muted` marks what the agent said while the conversation
    was with a person: it is stored all the same, since clients send a refused batch again for ever.
    """

    def read(after: str | None) -> PageRows[StoredMessage, MessageView]:
        spans = (
            ConversationRow.find_spans_with_person(app.slug, query.session_id)
            if app.mute_agent_after_handoff
            else []
        )
        messages = MessageRow.list_in_session(app.slug, query.session_id, after)
        return PageRows(messages, partial(_view_message, app.slug, spans))

    views, cursor = read_page(app.slug, query, ("messages", query.session_id), read)
    recordings: Recordings = {"user": None, "agent": None, "conversation": None}
    return add_optional(MessagePage(messages=views, recordings=recordings), cursor=cursor)


def _build_row(app: str, message: Message, trace_id: str | None) -> MessageRow:
    row = MessageRow()
    row.session_id, row.created_at = message["sessionId"], message["createdAt"]
    row.participant_identity, row.role = message["participantIdentity"], message["role"]
    row.content, row.is_final = message["content"][:MAX_CONTENT], message["isFinal"]
    row.truncated = len(message["content"]) > MAX_CONTENT or None
    row.room_name, row.language = message.get("roomName"), message.get("language")
    row.trace_id = trace_id
    row.set_key(app)
    return row


def _view_message(app: str, spans: Sequence[tuple[float, float]], message: StoredMessage) -> MessageView:
    view: MessageView = {
        "_id": message.message_id,
        "_creationTime": message.created_at,
        "appSlug": app,
        "sessionId": message.session_id,
        "participantIdentity": message.participant_identity,
        "role": message.role,
        "content": message.content,
        "isFinal": message.is_final,
        "createdAt": message.created_at,
    }
    return add_optional(
        view,
        roomName=message.room_name,
        language=message.language,
        traceId=next(iter(message.trace_ids), None),
        truncated=message.is_truncated or None,
        muted=is_muted(message.role, message.created_at, spans) or None,
    )
