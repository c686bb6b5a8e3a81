"""What is said is checked against the rules of its app, and what violates one is kept."""

from collections.abc import Sequence

from genai_voice.foundation.clock import back_off, now_ms, time_ordered_id
from genai_voice.foundation.errors import Busy
from genai_voice.foundation.log import report_lost_violations
from genai_voice.foundation.table import Change, write_together
from genai_voice.guardrails import rulesets
from genai_voice.guardrails.model import CheckReply, CheckRequest, Rule, Violated
from genai_voice.guardrails.rows import StatsRow, ViolationRow
from genai_voice.tenancy.model import App
from genai_voice.webhooks import outbox
from genai_voice.webhooks.rows import WebhookRow

MAX_STORED = 90
"""Violations of one check that are stored: a transaction takes 100 items."""
_CONTENT = 500  # characters that are stored
_COUNTED = 100  # counts that one update raises; an expression takes 300 operators
_ATTEMPTS = 10


def check(app: App, request: CheckRequest) -> CheckReply:
    """Which rules the text violates, oldest first, and whether it may be said. Where it violates none nothing
    is written, and where the app's guardrails are off nothing is read.

    What was found is answered also when the table does not take it: that is logged, by ids alone.
    """
    if not app.guardrails_enabled:
        return {"allowed": True, "violations": []}
    ruleset = rulesets.current(app.slug)
    violated = ruleset.violated(request.content)
    if violated:
        content = ruleset.masked(request.content)[:_CONTENT]
        try:
            _record(app, request, violated, content)
        except Busy:  # a client that is not told in time lets the text through
            report_lost_violations(app.slug, request.session_id, [rule.id for rule in violated])
    return {
        "allowed": not any(rule.blocks for rule in violated),
        "violations": [_shown(rule) for rule in violated],
    }


def _record(app: App, request: CheckRequest, violated: Sequence[Rule], content: str) -> None:
    """The violations, the counts of their rules and the announcement of a block, in one transaction."""
    violations = _violations(app, request, _stored(violated), content)
    announced = _announced(app, request, violated, violations)
    for attempt in range(_ATTEMPTS):
        written = write_together(_counted(app, violated), inserts=[*violations, *announced])
        if written or violations[0].find_stored() is not None:  # it was written, and its answer lost
            outbox.WEBHOOKS.notify_sender(announced)
            return
        back_off(attempt)
    raise Busy("Too many checks at once: try again")


def _announced(
    app: App, request: CheckRequest, violated: Sequence[Rule], stored: Sequence[ViolationRow]
) -> list[WebhookRow]:
    """Once for a check that blocks: which rules did, and where what was found is kept."""
    blocking = [rule.id for rule in violated if rule.blocks]
    if not blocking:
        return []
    kept = [row.violation_id for row in stored if row.rule_id in blocking]
    ids = {"ruleIds": blocking, "violationIds": kept}
    return outbox.make_deliveries(
        app, "guardrail.blocked", sessionId=request.session_id, direction=request.direction, **ids
    )


def _violations(app: App, request: CheckRequest, rules: Sequence[Rule], content: str) -> list[ViolationRow]:
    now = now_ms()
    check_id = time_ordered_id(now)
    rows = list[ViolationRow]()
    for place, rule in enumerate(rules):
        row = ViolationRow.new(app.slug, request.session_id, rule.id, f"{check_id}-{place:02d}")
        row.type, row.action, row.shadow = rule.type, rule.action, rule.shadow or None
        row.direction, row.content, row.created_at = request.direction, content, now
        rows.append(row)
    return rows


def _stored(violated: Sequence[Rule]) -> list[Rule]:
    """Where there are too many, those that block before others; in any case oldest first."""
    first = {rule.id for rule in sorted(violated, key=lambda rule: not rule.blocks)[:MAX_STORED]}
    return [rule for rule in violated if rule.id in first]


def _counted(app: App, violated: Sequence[Rule]) -> list[Change]:
    """In any of several rows, so that checks at the same time do not wait for each other."""
    actions = [StatsRow.counting("matches", rule.id) for rule in violated]
    parts = [actions[start : start + _COUNTED] for start in range(0, len(actions), _COUNTED)]
    rows = StatsRow.any_of(app.slug, len(parts))
    return [Change(row, part) for row, part in zip(rows, parts, strict=True)]


def _shown(rule: Rule) -> Violated:
    shown: Violated = {"ruleId": rule.id, "type": rule.type, "action": rule.action}
    if rule.shadow:
        return {**shown, "action": "log", "shadow": True}
    if rule.user_message:
        shown["userMessage"] = rule.user_message
    return shown
