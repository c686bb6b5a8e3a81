"""What people think of a conversation: one annotation each, revised by saving it again."""

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
from genai_voice.foundation.clock import now_ms
from genai_voice.foundation.keys import digest, time_key
from genai_voice.foundation.pages import fill, read_cursor, sign_cursor


def save(app: str, request: AnnotationSave) -> AnnotationSaved:
    """Create or replace the session's annotation, in one write. Only the first save decides the conversation
    it names and its place in lists.
    """
    row, now = AnnotationRow, now_ms()
    place = time_key(now, digest(request.session_id))
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
            row.gsi1pk.set(row.list_key(app)),
            row.gsi1sk.set(row.gsi1sk | place),
            row.gsi2pk.set(row.list_key(app, request.quality_rating)),
            row.gsi2sk.set(row.gsi2sk | place),
        ]
    )
    return {"ok": True, "id": _id(app, request.session_id)}


def find(app: str, query: AnnotationQuery) -> AnnotationFound | AnnotationPage:
    """The annotation of one session, or those of the app, newest created first, as many as were asked for and
    fit 5 MB; `cursor` where more are left.
    """
    if query.session_id:
        row = AnnotationRow.of(app, query.session_id).find_stored() if query.is_for(app) else None
        return {"annotation": _view(app, row) if row else None}
    if not query.is_for(app):
        return {"annotations": []}
    quality = query.quality or None
    scope = (app, "annotations", quality or "")
    before = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else None
    listed = AnnotationRow.newest(app, quality, before, query.limit + 1)
    # The index may still know a quality that has been revised.
    rows = (
        row for row in AnnotationRow.load_full(listed[: query.limit]) if quality in (None, row.quality_rating)
    )
    views, last = fill(rows, partial(_view, app))
    if last is None and len(listed) > query.limit:
        last = listed[query.limit - 1]
    page: AnnotationPage = {"annotations": views}
    if last is not None:
        page["cursor"] = sign_cursor([last.gsi2sk if quality else last.gsi1sk], *scope)
    return page


def _id(app: str, session: str) -> str:
    return digest(app, "annotation", session)


def _view(app: str, row: AnnotationRow) -> AnnotationView:
    view: AnnotationView = {
        "_id": _id(app, row.session_id),
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
    if row.conversation_id:
        view["conversationId"] = row.conversation_id
    return view
