"""Messages: stored in batches that may be sent again, and listed by time."""

from collections.abc import Sequence
from functools import partial

from genai_voice.conversations.lifecycle import is_muted
from genai_voice.conversations.message_model import (
    Message,
    MessageBatch,
    MessagePage,
    MessageQuery,
    MessagesSaved,
    MessageView,
    Recordings,
)
from genai_voice.conversations.message_rows import MessageRow
from genai_voice.conversations.rows import ConversationRow
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.foundation.transactions import put_all
from genai_voice.tenancy.model import App


def save_messages(app: str, batch: MessageBatch, trace_id: str | None) -> MessagesSaved:
    """Save all messages. A message that is stored already is replaced by itself, so a batch may be sent
    again.

    Raises Busy when the table takes only a part of them: sending the batch again completes it.
    """
    rows = [_build_row(app, message, trace_id) for message in batch.messages]
    put_all(list({(row.pk, row.sk): row for row in rows}.values()))
    return {"ok": True, "count": len(batch.messages)}


def list_messages(app: App, query: MessageQuery) -> MessagePage:
    """List the session's messages by time of creation, as many as fit 5 MB; `cursor` where more are left.

    Where the app mutes its agent after a handoff, `muted` marks what the agent said while the conversation
    was with a person: it is stored all the same, since clients send a refused batch again for ever.
    """

    def read(after: str | None) -> PageRows[MessageRow, MessageView]:
        spans = (
            ConversationRow.find_spans_with_person(app.slug, query.session_id)
            if app.mute_agent_after_handoff
            else []
        )
        rows = MessageRow.list_in_session(app.slug, query.session_id, after)
        return PageRows(rows, partial(_view_message, app.slug, spans))

    views, cursor = read_page(app.slug, query, ("messages", query.session_id), read)
    recordings: Recordings = {"user": None, "agent": None, "conversation": None}
    return add_optional(MessagePage(messages=views, recordings=recordings), cursor=cursor)


def _build_row(app: str, message: Message, trace_id: str | None) -> MessageRow:
    session, created_at = message["sessionId"], message["createdAt"]
    row = MessageRow.of(app, session, message["participantIdentity"], created_at, message["content"])
    row.session_id, row.created_at = session, created_at
    row.participant_identity, row.role = message["participantIdentity"], message["role"]
    row.content, row.is_final = message["content"], message["isFinal"]
    row.room_name, row.language = message.get("roomName"), message.get("language")
    if trace_id:
        row.trace_id = trace_id
        row.put_in_trace(app, trace_id)
    return row


def _view_message(app: str, spans: Sequence[tuple[float, float]], row: MessageRow) -> MessageView:
    view: MessageView = {
        "_id": row.message_id,
        "_creationTime": row.created_at or 0,
        "appSlug": app,
        "sessionId": row.session_id,
        "participantIdentity": row.participant_identity,
        "role": row.role,
        "content": row.content,
        "isFinal": row.is_final,
        "createdAt": row.created_at or 0,
    }
    return add_optional(
        view,
        roomName=row.room_name,
        language=row.language,
        traceId=row.trace_id,
        muted=is_muted(row.role, row.created_at or 0, spans) or None,
    )
