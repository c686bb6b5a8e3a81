"""Messages: what was said, in batches that may be sent again, read in order."""

from genai_voice.conversations import messages
from genai_voice.conversations.message_model import MessageBatch, MessagePage, MessageQuery, MessagesSaved
from genai_voice.foundation.endpoints import MEGABYTE
from genai_voice.tenancy import Api, Caller

api = Api()


@api.get("/api/messages", caller_first=False)
def list_messages(caller: Caller, query: MessageQuery) -> MessagePage:
    """List all messages of a session, oldest first."""
    return messages.list_messages(caller.app, query)


@api.post("/api/messages", body_limit=5 * MEGABYTE)
def save_messages(caller: Caller, body: MessageBatch, trace_id: str | None) -> MessagesSaved:
    """Store a batch of messages; what is sent again is stored once, and takes nothing away."""
    return messages.save_messages(caller.app.slug, body, trace_id)


handler = api.handle
