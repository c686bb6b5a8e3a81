"""Annotations: what people think of a conversation. A session has one, revised by saving it again."""

from collections.abc import Iterator, Sequence
from functools import partial

from genai_voice.conversations.model import (
    AnnotationFound,
    AnnotationPage,
    AnnotationQuery,
    AnnotationSave,
    AnnotationSaved,
    AnnotationView,
)
from genai_voice.conversations.rows import AnnotationRow
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.keys import digest, make_time_key
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import PageRows, read_page


def save(app: str, request: AnnotationSave) -> AnnotationSaved:
    """Create or replace the session's annotation, in one write. Only the first save decides the conversation
    it names and its place in lists.
    """
    row, now = AnnotationRow, get_now_ms()
    place = make_time_key(now, digest(request.session_id))
    row.of(app, request.session_id).change(
        [
            row.session_id.set(request.session_id),
            row.conversation_id.set(row.conversation_id | (request.conversation_id or "")),
            row.quality_rating.set(request.quality_rating),
            row.failure_modes.set(request.failure_modes),
            row.notes.set(request.notes),
            row.annotated_by.set(request.annotated_by),
            row.created_at.set(row.created_at | now),
            row.updated_at.set(now),
            row.gsi1pk.set(row.make_list_key(app)),
            row.gsi1sk.set(row.gsi1sk | place),
            row.gsi2pk.set(row.make_list_key(app, request.quality_rating)),
            row.gsi2sk.set(row.gsi2sk | place),
        ]
    )
    return {"ok": True, "id": _make_annotation_id(app, request.session_id)}


def find(app: str, query: AnnotationQuery) -> AnnotationFound | AnnotationPage:
    """Find the annotation of one session, or list those of the app, newest created first, as many as were
    asked for and fit 5 MB; `cursor` where more are left.
    """
    return _find_one(app, query, query.session_id) if query.session_id else _list_all(app, query)


def _find_one(app: str, query: AnnotationQuery, session_id: str) -> AnnotationFound:
    row = AnnotationRow.of(app, session_id).find_stored() if query.is_for(app) else None
    return {"annotation": _view_annotation(app, row) if row else None}


def _list_all(app: str, query: AnnotationQuery) -> AnnotationPage:
    quality = query.quality or None

    def load_matching(listed: Sequence[AnnotationRow]) -> Iterator[AnnotationRow]:
        """Load these rows, without those whose quality has been revised: the index may still know the old
        one.
        """
        return (row for row in AnnotationRow.load_full(listed) if quality in (None, row.quality_rating))

    def read(before: str | None) -> PageRows[AnnotationRow, AnnotationView]:
        return PageRows.of(
            AnnotationRow.list_newest(app, quality, before, query.limit + 1),
            query.limit,
            partial(_view_annotation, app),
            narrow=load_matching,
            position=lambda row: row.gsi2sk if quality else row.gsi1sk,
        )

    views, cursor = read_page(app, query, ("annotations", quality or ""), read)
    return add_optional(AnnotationPage(annotations=views), cursor=cursor)


def _make_annotation_id(app: str, session: str) -> str:
    return digest(app, "annotation", session)


def _view_annotation(app: str, row: AnnotationRow) -> AnnotationView:
    view: AnnotationView = {
        "_id": _make_annotation_id(app, row.session_id),
        "_creationTime": row.created_at or 0,
        "appSlug": app,
        "sessionId": row.session_id,
        "qualityRating": row.quality_rating,
        "failureModes": row.failure_modes,
        "notes": row.notes,
        "annotatedBy": row.annotated_by,
        "createdAt": row.created_at or 0,
        "updatedAt": row.updated_at,
    }
    return add_optional(view, conversationId=row.conversation_id or None)
