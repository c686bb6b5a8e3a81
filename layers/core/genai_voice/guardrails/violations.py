"""The violations of an app's rules: they are listed, and people say whether they are any."""

from functools import partial

from genai_voice.foundation.clock import back_off, now_ms
from genai_voice.foundation.errors import Busy, NotFound
from genai_voice.foundation.model import Ok
from genai_voice.foundation.pages import fill, read_cursor, sign_cursor
from genai_voice.foundation.table import Action, Change, write_together
from genai_voice.guardrails.model import ViolationAnnotation, ViolationPage, ViolationQuery, ViolationView
from genai_voice.guardrails.rows import StatsRow, ViolationRow

PAGE = 100
_ATTEMPTS = 30


def find(app: str, query: ViolationQuery) -> ViolationPage:
    """The newest 100 first, of a session, of a rule or of both where these are given; `cursor` where more may
    be left.
    """
    if not query.is_for(app):
        return {"violations": []}
    session, rule = query.session_id or "", query.rule_id or ""
    scope = (app, "violations", session, rule)
    before = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else None
    if session or rule:
        rows, position = ViolationRow.newest_with(app, session or None, rule or None, before, PAGE)
        views = [_view(app, row) for row in rows]
    else:
        views, last = fill(ViolationRow.newest(app, before, PAGE + 1), partial(_view, app), PAGE)
        position = last.sk if last else None
    page: ViolationPage = {"violations": views}
    if position is not None:
        page["cursor"] = sign_cursor([position], *scope)
    return page


def annotate(app: str, annotation: ViolationAnnotation) -> Ok:
    """Say whether it was one; said again, the last counts. Raises NotFound, Busy."""
    row = ViolationRow.of(app, annotation.violation_id)
    for attempt in range(_ATTEMPTS):
        stored = row.find_stored()
        if stored is None:
            raise NotFound("Violation not found")
        actions = [
            ViolationRow.annotated_correctness.set(annotation.annotated_correctness),
            ViolationRow.annotated_by.set(annotation.annotated_by),
            ViolationRow.annotated_at.set(now_ms()),
        ]
        before = stored.annotated_correctness
        annotated = Change(row, actions, row.is_annotated(before))
        moved = _moved(app, stored.rule_id, before, annotation.annotated_correctness)
        if write_together([annotated, *moved]):
            return {"ok": True}
        back_off(attempt)
    raise Busy("Too many annotations of this violation at once: try again")


def _moved(app: str, rule_id: str, before: str | None, after: str) -> list[Change]:
    """The counts of its rule, from what the violation was to what it is."""
    if before == after:
        return []
    counted = StatsRow.counting
    actions: list[Action] = [counted(after, rule_id)]
    if before is not None:
        actions.append(counted(before, rule_id, -1))
    return [Change(row, actions) for row in StatsRow.any_of(app)]


def _view(app: str, row: ViolationRow) -> ViolationView:
    created = row.created_at or 0
    view: ViolationView = {
        "_id": row.violation_id,
        "_creationTime": created,
        "appSlug": app,
        "sessionId": row.session_id,
        "ruleId": row.rule_id,
        "type": row.type,
        "direction": row.direction,
        "content": row.content,
        "action": row.action,
        "createdAt": created,
    }
    if row.shadow:
        view["shadow"] = True
    if row.annotated_correctness is not None:
        view["annotatedCorrectness"] = row.annotated_correctness
        view["annotatedBy"] = row.annotated_by or ""
        view["annotatedAt"] = row.annotated_at or 0
    return view
