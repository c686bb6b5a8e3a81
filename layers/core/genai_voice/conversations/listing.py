"""The list of conversations with their transcripts, and the last answer that an agent gave in one."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

from pydantic_core import from_json

from genai_voice.conversations.lifecycle import is_agent
from genai_voice.conversations.message_rows import MessageRow
from genai_voice.conversations.model import (
    ConversationFacts,
    ConversationPage,
    ConversationQuery,
    ConversationView,
)
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.stored_transcripts import (
    LISTED_ROW_BYTES,
    MAX_SHOWN_BYTES,
    locate_transcript,
    read_transcript,
    read_transcripts,
)
from genai_voice.conversations.transcripts import round_down_from_lists
from genai_voice.foundation.errors import NotFound
from genai_voice.foundation.keys import digest
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import PageRows, read_page, take_fitting

PAGE = 100
LAST_MESSAGES = 100
"""Messages in which the agent's last answer is looked for, where there is no transcript."""


def list_conversations(app: str, query: ConversationQuery) -> ConversationPage:
    """List the conversations of the app, newest created first, at most 100 and 5 MB; `cursor` where more are
    left. Of a session that the query names there is one at most.
    """
    if query.session_id:
        return _list_session(app, query, query.session_id)
    status = query.status or None

    def read(before: str | None) -> PageRows[ConversationRow, ConversationView]:
        listed = ConversationRow.list_newest(app, status, before, PAGE + 1)
        first = take_fitting(listed, _estimate_bytes, PAGE)
        found = list(ConversationRow.load_full(first))
        shown = take_fitting(found, _count_bytes, PAGE)
        looked_at = shown if len(shown) < len(found) else first
        return PageRows(
            shown,
            partial(_view_conversation, app, _read_shown(shown)),
            last=looked_at[-1] if len(looked_at) < len(listed) else None,
            position=lambda row: row.gsi2sk if status else row.gsi1sk,
        )

    views, cursor = read_page(app, query, ("conversations", status or ""), read)
    return add_optional(ConversationPage(conversations=views), cursor=cursor)


def _list_session(app: str, query: ConversationQuery, session_id: str) -> ConversationPage:
    """List the conversation of a session, where there is one with the status that is asked for."""
    row = ConversationRow.of(app, session_id).find_stored() if query.is_for(app) else None
    shown = [row] if row and row.status and query.status in (None, "", row.status) else []
    return {"conversations": [_view_conversation(app, _read_shown(shown), each) for each in shown]}


def find_last_answer(app: str, session_id: str) -> str:
    """Find what the agent said last: by the transcript, or by the newest final messages where the transcript
    has nothing of the agent. Answers "" where it said nothing. Raises NotFound where nothing was saved of the
    conversation.
    """
    row = ConversationRow.of(app, session_id).find_stored()
    if row is None or not row.status:
        raise NotFound("Conversation not found")
    items = from_json(read_transcript(row) or "[]")
    answers = [str(item["content"]) for item in items if is_agent(item["role"])]
    if answers:
        return answers[-1]
    newest = MessageRow.list_newest_in_session(app, session_id, LAST_MESSAGES)
    return next((each.content for each in newest if each.is_final and is_agent(each.role)), "")


def view_facts(app: str, row: ConversationRow) -> ConversationFacts:
    """View all of a conversation but its transcript."""
    view: ConversationFacts = {
        "_id": digest(app, row.session_id),
        "_creationTime": row.created_at or 0,
        "appSlug": app,
        "sessionId": row.session_id,
        "status": row.status,
        "startedAt": row.started_at,
        "endedAt": row.ended_at,
        "messageCount": int(row.message_count),
    }
    return add_optional(
        view,
        channel=row.channel,
        resolution=row.resolution,
        agentModes=row.agent_modes,
        personaVersion=row.persona_version,
        configHash=row.config_hash,
        experimentVariant=row.experiment_variant,
    )


def _may_be_shown(row: ConversationRow) -> bool:
    """Whether a reply can hold the transcript."""
    return _get_transcript_bytes(row) <= MAX_SHOWN_BYTES


def _get_transcript_bytes(row: ConversationRow) -> int:
    """Get the size of the transcript in a reply, which the whole row knows exactly."""
    return int((row.transcript_bytes if row.reply_bytes is None else row.reply_bytes) or 0)


def _count_bytes(row: ConversationRow) -> int:
    """Count the bytes of a conversation in a reply before the parts of its transcript are read."""
    return LISTED_ROW_BYTES + (_get_transcript_bytes(row) if _may_be_shown(row) else 0)


def _estimate_bytes(row: ConversationRow) -> int:
    """Estimate the bytes of a conversation in a reply from what the index knows: the least that the size
    there stands for, so that a page is as full as it can be.
    """
    size = int(row.transcript_bytes or 0)
    return LISTED_ROW_BYTES + (round_down_from_lists(size) if size <= MAX_SHOWN_BYTES else 0)


def _read_shown(rows: Sequence[ConversationRow]) -> dict[str, str | None]:
    """Read the transcripts that a reply can hold, by the partition of their conversations."""
    located = ((row.pk, locate_transcript(row)) for row in rows if _may_be_shown(row))
    kept = {pk: each for pk, each in located if each}
    return dict(zip(kept, read_transcripts([*kept.values()]), strict=True))


def _view_conversation(
    app: str, transcripts: Mapping[str, str | None], row: ConversationRow
) -> ConversationView:
    view = cast(ConversationView, view_facts(app, row))
    if row.has_transcript:
        transcript = transcripts.get(row.pk)
        if transcript is None:
            view["transcriptOmitted"] = True
        else:
            view["transcript"] = transcript
    return view
