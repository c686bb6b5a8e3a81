"""The violations of an app's rules are listed, and people say whether they were rightly found."""

from functools import partial

from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import NotFound
from genai_voice.foundation.model import Ok, add_optional
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.transactions import Change, write_together
from genai_voice.guardrails.counts import RuleCountsRow
from genai_voice.guardrails.model import ViolationAnnotation, ViolationPage, ViolationQuery, ViolationView
from genai_voice.guardrails.rows import ViolationRow

PAGE = 100


def list_newest(app: str, query: ViolationQuery) -> ViolationPage:
    """List the newest 100 first, of a session, of a rule or of both where these are given; `cursor` where
    more may be left.
    """
    session, rule = query.session_id or "", query.rule_id or ""
    view = partial(_view, app)

    def read(before: str | None) -> PageRows[ViolationRow, ViolationView]:
        if not session and not rule:
            return PageRows.of(ViolationRow.list_newest(app, before, PAGE + 1), PAGE, view)
        rows, last = ViolationRow.list_newest_of(app, session or None, rule or None, before, PAGE)
        return PageRows(rows, view, last, lambda row: row.list_position)

    views, cursor = read_page(app, query, ("violations", session, rule), read)
    return add_optional(ViolationPage(violations=views), cursor=cursor)


def annotate(app: str, annotation: ViolationAnnotation) -> Ok:
    """Say whether a violation was rightly found; said again, the last counts. Raises NotFound, Busy."""
    row, correctness = ViolationRow.of(app, annotation.violation_id), annotation.annotated_correctness

    def try_once() -> Ok | None:
        stored = row.find_stored()
        if stored is None:
            raise NotFound("Violation not found")
        actions = [
            ViolationRow.annotated_correctness.set(correctness),
            ViolationRow.annotated_by.set(annotation.annotated_by),
            ViolationRow.annotated_at.set(get_now_ms()),
        ]
        before = stored.annotated_correctness
        annotated = Change(row, actions, row.require_annotation(before))
        is_written = write_together([annotated, *_count_changes(app, stored.rule_id, before, correctness)])
        return {"ok": True} if is_written else None

    return retry_lost_races(try_once, busy="Too many annotations of this violation at once: try again")


def _count_changes(app: str, rule_id: str, before: str | None, after: str) -> list[Change]:
    """The counts of the rule follow the violation from what it was annotated as to what it is."""
    if before == after:
        return []
    actions = RuleCountsRow.count_changes(after, rule_id)
    if before is not None:
        actions += RuleCountsRow.count_changes(before, rule_id, -1)
    return [Change(row, actions) for row in RuleCountsRow.choose(app)]


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
    if row.annotated_correctness is not None:
        view["annotatedCorrectness"] = row.annotated_correctness
        view["annotatedBy"] = row.annotated_by or ""
        view["annotatedAt"] = row.annotated_at or 0
    return add_optional(view, shadow=row.shadow or None)
