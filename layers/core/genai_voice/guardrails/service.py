"""What is said is checked against the rules of its app, and what violates one is stored."""

from collections.abc import Sequence

from genai_voice.foundation.clock import Deadline, get_now_ms, make_time_ordered_id
from genai_voice.foundation.errors import Busy
from genai_voice.foundation.log import report_lost_violations
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.transactions import Change, write_together
from genai_voice.guardrails import rulesets
from genai_voice.guardrails.counts import RuleCountsRow
from genai_voice.guardrails.model import CheckReply, CheckRequest, Rule, ViolatedRule
from genai_voice.guardrails.rows import ViolationRow
from genai_voice.tenancy.model import App
from genai_voice.webhooks import outbox
from genai_voice.webhooks.rows import WebhookRow

MAX_STORED = 90
"""Violations of one check that are stored: a transaction takes 100 items."""
_STORED_CHARACTERS = 500
MATCHED_WITHIN_MS, MASKED_WITHIN_MS = 2_000, 1_000
"""Since the check began. Voice clients wait 3 s, and let through what they are told nothing of. What is not
masked in the shorter time is masked whole, which takes none.
"""
_COUNTS_PER_ROW = 100  # that one update raises: an expression takes 300 operators


def check(app: App, request: CheckRequest) -> CheckReply:
    """Check which rules the text violates, oldest first, and whether it may be said. Where it violates none
    nothing is written, and where the app's guardrails are off nothing is read.

    What was found is answered also when the table does not take it: that is logged, by ids alone. Raises
    BadRequest for a text that these rules cannot be matched with in time, and Busy where they were not; then
    nothing is written, because what is known may be half of it.
    """
    if not app.guardrails_enabled:
        return {"allowed": True, "violations": []}
    matched, masked = Deadline(MATCHED_WITHIN_MS), Deadline(MASKED_WITHIN_MS)
    ruleset = rulesets.get_current(app.slug)
    found = ruleset.matcher.find(request.content, matched.has_passed)
    violated = [ruleset.rules[place] for place in found.violated]
    if violated:
        content = found.mask(masked.has_passed)[:_STORED_CHARACTERS]
        try:
            _record(app, request, violated, content)
        except Busy:  # a client that is not told in time lets the text through
            report_lost_violations(app.slug, request.session_id, [rule.id for rule in violated])
    return {
        "allowed": not any(rule.is_blocking for rule in violated),
        "violations": [_view(rule) for rule in violated],
    }


def _record(app: App, request: CheckRequest, violated: Sequence[Rule], content: str) -> None:
    """Store the violations, the counts of their rules and the announcement of a block, in one transaction."""
    violations = _make_violations(app, request, _choose_stored(violated), content)
    announced = _make_deliveries(app, request, violated, violations)

    def try_once() -> bool | None:
        is_written = write_together(_count_changes(app, violated), inserts=[*violations, *announced])
        # The second: it was written, and the answer lost.
        return True if is_written or violations[0].find_stored() is not None else None

    retry_lost_races(try_once, busy="Too many checks at once: try again")
    outbox.WEBHOOKS.notify_sender(announced)


def _make_deliveries(
    app: App, request: CheckRequest, violated: Sequence[Rule], stored: Sequence[ViolationRow]
) -> list[WebhookRow]:
    """Make the announcement of a check that blocks: which rules did, and where what was found is stored."""
    blocking = [rule.id for rule in violated if rule.is_blocking]
    if not blocking:
        return []
    kept = [row.violation_id for row in stored if row.rule_id in blocking]
    ids = {"ruleIds": blocking, "violationIds": kept}
    return outbox.make_deliveries(
        app, "guardrail.blocked", sessionId=request.session_id, direction=request.direction, **ids
    )


def _make_violations(
    app: App, request: CheckRequest, rules: Sequence[Rule], content: str
) -> list[ViolationRow]:
    now = get_now_ms()
    check_id = make_time_ordered_id(now)
    rows = list[ViolationRow]()
    for place, rule in enumerate(rules):
        row = ViolationRow.from_ids(app.slug, request.session_id, rule.id, f"{check_id}-{place:02d}")
        row.type, row.action, row.shadow = rule.type, rule.action, rule.shadow or None
        row.direction, row.content, row.created_at = request.direction, content, now
        rows.append(row)
    return rows


def _choose_stored(violated: Sequence[Rule]) -> list[Rule]:
    """Choose those whose violations are stored, oldest first. Where there are too many, those that block come
    before others.
    """
    chosen = {rule.id for rule in sorted(violated, key=lambda rule: not rule.is_blocking)[:MAX_STORED]}
    return [rule for rule in violated if rule.id in chosen]


def _count_changes(app: App, violated: Sequence[Rule]) -> list[Change]:
    """Each rule has one match more, in any of several rows: checks at the same time do not wait for each
    other.
    """
    actions = [each for rule in violated for each in RuleCountsRow.count_changes("matches", rule.id)]
    parts = [actions[start : start + _COUNTS_PER_ROW] for start in range(0, len(actions), _COUNTS_PER_ROW)]
    rows = RuleCountsRow.choose(app.slug, len(parts))
    return [Change(row, part) for row, part in zip(rows, parts, strict=True)]


def _view(rule: Rule) -> ViolatedRule:
    view: ViolatedRule = {"ruleId": rule.id, "type": rule.type, "action": rule.action}
    if rule.shadow:
        return {**view, "action": "log", "shadow": True}
    return add_optional(view, userMessage=rule.user_message or None)
