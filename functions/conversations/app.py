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
from genai_voice.tenancy import Api, Caller

api = Api()


@api.get("/api/conversations")
def list_conversations(caller: Caller, query: ConversationQuery) -> ConversationPage:
    """List the conversations of the app, newest first."""
    return listing.list_conversations(caller.app.slug, query)


@api.post("/api/conversations", body_limit=5 * MEGABYTE)
def save(caller: Caller, body: ConversationSave) -> ConversationSaved:
    """Save the conversation so far.

    What is absent is left as it is stored; a status that may not follow the stored one is kept silently.
    Items that say nothing, such as calls of tools, are left out and counted in `ignored`.
    """
    return tell_ignored(ConversationSaved(ok=saving.save(caller.app, body)["ok"]), body.messages)


handler = api.handle
