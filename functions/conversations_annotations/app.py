"""Annotations: what people think of a conversation, saved by session, listed newest first."""

from genai_voice.conversations import annotations
from genai_voice.conversations.model import (
    AnnotationFound,
    AnnotationPage,
    AnnotationQuery,
    AnnotationSave,
    AnnotationSaved,
)
from genai_voice.tenancy import Api, Caller

api = Api()


@api.get("/api/annotations")
def find(caller: Caller, query: AnnotationQuery) -> AnnotationFound | AnnotationPage:
    """Find the annotation of `sessionId`, or list all of them, newest first."""
    return annotations.find(caller.app.slug, query)


@api.post("/api/annotations")
def save(caller: Caller, body: AnnotationSave) -> AnnotationSaved:
    """Say what a person thinks of a session. Saved again, it is revised."""
    return annotations.save(caller.app.slug, body)


handler = api.handle
