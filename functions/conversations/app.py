"""Conversations: saved whole again and again while they go on, listed newest first."""

from genai_voice.conversations import listing, saving
from genai_voice.conversations.model import (
    ConversationPage,
    ConversationQuery,
    ConversationSave,
    ConversationSaved,
    tell_ignored,
)
from genai_voice.foundation.endpoints import MEGABYTE
from genai_voice.foundation.http import require_scope
from genai_voice.tenancy import Api, Caller

api = Api()


@api.get("/api/conversations")
def list_conversations(caller: Caller, query: ConversationQuery) -> ConversationPage:
    """List the conversations of the app, newest first."""
    return listing.list_conversations(caller.app.slug, query)


@api.post("/api/conversations", body_limit=5 * MEGABYTE)
def save(caller: Caller, body: ConversationSave) -> ConversationSaved:
    """Save the conversation so far.

    What is absent is left as it is stored; a status that may not follow the stored one is kept silently. No
    line that is stored is lost: what does not simply grow is merged. Items that say nothing, such as calls of
    tools, are left out and counted in `ignored`.
    """
    if body.replace_transcript:
        require_scope(caller, "manage")
    return tell_ignored(saving.save(caller.app, body), body.messages)


handler = api.handle
