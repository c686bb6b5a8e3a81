"""Handoffs: a conversation is passed to a person, who claims and resolves it."""

from genai_voice.conversations.model import tell_ignored
from genai_voice.foundation.endpoints import MEGABYTE
from genai_voice.foundation.errors import Conflict, NotFound
from genai_voice.foundation.model import Ok
from genai_voice.handoffs import desk, listing
from genai_voice.handoffs.model import (
    HandoffPage,
    HandoffQuery,
    HandoffRequest,
    HandoffRequested,
    HandoffUpdate,
)
from genai_voice.tenancy import Api, Caller

api = Api()


@api.get("/api/handoffs")
def list_handoffs(caller: Caller, query: HandoffQuery) -> HandoffPage:
    """List handoffs, newest first; `status`, `sessionId` and `assignedAgent` filter."""
    return listing.list_handoffs(caller.app.slug, query)


@api.post("/api/handoffs", body_limit=5 * MEGABYTE)
def request_handoff(caller: Caller, body: HandoffRequest) -> HandoffRequested:
    """Pass a conversation to a person: it is `handed_off` from then on."""
    return tell_ignored(HandoffRequested(id=desk.request_handoff(caller.app, body)["id"]), body.transcript)


@api.patch("/api/handoffs", raises=(NotFound, Conflict))
def update_handoff(caller: Caller, body: HandoffUpdate) -> Ok:
    """Claim a handoff, resolve it or put it back.

    Raises NotFound for another app's handoff too, Conflict when somebody else was first.
    """
    return desk.update_handoff(caller.app, body)


handler = api.handle
