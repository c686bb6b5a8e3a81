"""What was said, message by message: batches come in, again after a failure, and are read in order."""

from collections.abc import Sequence
from functools import partial

from genai_voice.conversations.lifecycle import is_muted
from genai_voice.conversations.model import (
    Message,
    MessageBatch,
    MessagePage,
    MessageQuery,
    MessagesSaved,
    MessageView,
    Recordings,
)
from genai_voice.conversations.rows import ConversationRow, MessageRow
from genai_voice.foundation.pages import fill, read_cursor, sign_cursor
from genai_voice.foundation.transactions import put_all
from genai_voice.tenancy.model import App


def insert(app: str, batch: MessageBatch, trace_id: str | None) -> MessagesSaved:
    """Store all messages. One that is stored already is replaced by itself, so a batch may be sent again.

    Raises Busy when the table takes only a part of them: sending the batch again completes it.
    """
    rows = [_row(app, message, trace_id) for message in batch.messages]
    put_all(list({(row.pk, row.sk): row for row in rows}.values()))
    return {"ok": True, "count": len(batch.messages)}


def find(app: App, query: MessageQuery) -> MessagePage:
    """The session's messages by time of creation, as many as fit 5 MB; `cursor` where more are left.

    Where the app mutes its agent after a handoff, `muted` marks what the agent said while the conversation
    was with a person: it is stored all the same, since clients send a batch that is refused for ever.
    """
    recordings: Recordings = {"user": None, "agent": None, "conversation": None}
    if not query.is_for(app.slug):
        return {"messages": [], "recordings": recordings}
    scope = (app.slug, "messages", query.session_id)
    after = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else None
    spans = (
        ConversationRow.spans_with_person(app.slug, query.session_id) if app.mute_agent_after_handoff else []
    )
    views, last = fill(
        MessageRow.of_session(app.slug, query.session_id, after), partial(_view, app.slug, spans)
    )
    page: MessagePage = {"messages": views, "recordings": recordings}
    if last is not None:
        page["cursor"] = sign_cursor([last.sk], *scope)
    return page


def _row(app: str, message: Message, trace_id: str | None) -> MessageRow:
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


def _view(app: str, spans: Sequence[tuple[float, float]], row: MessageRow) -> MessageView:
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
    if row.room_name is not None:
        view["roomName"] = row.room_name
    if row.language is not None:
        view["language"] = row.language
    if row.trace_id is not None:
        view["traceId"] = row.trace_id
    if is_muted(row.role, row.created_at or 0, spans):
        view["muted"] = True
    return view
