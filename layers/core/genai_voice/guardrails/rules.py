"""An app's rules are listed, added, changed and removed, by the app itself and by seeding."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from genai_voice.foundation.errors import BadRequest, NotFound
from genai_voice.foundation.model import Created, Listing, Ok, add_optional
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import Action
from genai_voice.guardrails import rulesets, writes
from genai_voice.guardrails.counts import RuleCounts, list_rules_with_counts
from genai_voice.guardrails.matching import count_rule_steps, find_problem
from genai_voice.guardrails.model import MAX_RULES, NewRule, RuleChange, RuleList, RuleReference, RuleView
from genai_voice.guardrails.patterns import find_refusal
from genai_voice.guardrails.rows import RuleRow

_ANNOTATIONS_NEEDED = 5
"""Before a precision is shown: that of fewer annotations says more about chance."""
_NOT_FOUND = "Rule not found"


def list_all(app: str, query: Listing) -> RuleList:
    """List all rules, inactive ones too, oldest first, each with its counts. Those that an app may have fit
    one page. An app of before the bound may have more: `cursor` goes on, page by page in the order of keys.
    """

    def read(after: str | None) -> PageRows[RuleRow, RuleView]:
        rows, more, counts = list_rules_with_counts(app, after, MAX_RULES)
        are_all = after is None and not more  # what a rule may take depends on all that are older
        problems = rulesets.find_problems(rows if are_all else RuleRow.list_rules(app))
        view, last = partial(_view, app, counts, problems), rows[-1] if more else None
        return PageRows(rows, view, last, order=lambda rule: rule.place)

    views, cursor = read_page(app, query, ("rules",), read)
    return add_optional(RuleList(rules=views), cursor=cursor)


def create(app: str, rule: NewRule) -> Created:
    """Add an active rule. Raises BadRequest for a pattern that may not be stored, and beyond MAX_RULES
    and MAX_STEPS_TOGETHER; Busy where other changes come between again and again.
    """
    _check_pattern(rule.type, rule.pattern)
    row = RuleRow.of_new_id(app)
    row.type, row.pattern, row.action = rule.type, rule.pattern, rule.action
    row.user_message, row.shadow = rule.user_message or None, rule.shadow or None
    writes.add_rule(app, row)
    return {"id": row.rule_id}


def update(app: str, change: RuleChange) -> Ok:
    """Change those fields of a rule that are given. Its counts go on, whatever it matches from now on. Raises
    NotFound, BadRequest for a pattern that may not be stored, Busy.
    """
    row, actions = RuleRow.of(app, change.rule_id), _field_changes(change)

    def try_once() -> Ok | None:
        stored = row.find_stored() if not actions or change.is_of_match else row
        if stored is None:
            raise NotFound(_NOT_FOUND)
        if not actions or _try_change(app, stored, change, actions):
            return {"ok": True}
        if row.find_stored() is None:
            raise NotFound(_NOT_FOUND)
        return None

    return retry_lost_races(try_once, busy=writes.BUSY)


def _try_change(app: str, stored: RuleRow, change: RuleChange, actions: Sequence[Action]) -> bool:
    """Change a rule. Where that changes what it matches, under the condition that it is as it was read."""
    if not change.is_of_match:
        return writes.try_fields(app, stored, actions)
    type_, pattern = change.type or stored.type, change.pattern or stored.pattern
    _check_pattern(type_, pattern)
    return writes.try_match(app, stored, actions, count_rule_steps(type_, pattern))


def delete(app: str, named: RuleReference) -> Ok:
    """Remove a rule and its counts. Its violations stay. Raises NotFound, also for the second of two removals
    at the same time; Busy.
    """
    if not writes.remove_rule(app, RuleRow.of(app, named.rule_id)):
        raise NotFound(_NOT_FOUND)
    return {"ok": True}


def count(app: str) -> int:
    """Count the app's rules, inactive ones too."""
    return RuleRow.count_rules(app)


# -- seeding -----------------------------------------------------------------------------------------------


def add_if_new(app: str, type_: str, pattern: str, action: str, user_message: str | None) -> bool:
    """Add an active rule unless the app has one with this type and pattern. Answers whether it was added.
    Raises as `create`.
    """
    _check_pattern(type_, pattern)
    if any(rule.type == type_ and rule.pattern == pattern for rule in RuleRow.list_rules(app)):
        return False
    row = RuleRow.of_content(app, type_, pattern)
    row.action, row.user_message = action, user_message
    return writes.add_rule(app, row)


def remove_outdated(app: str, kept: Collection[tuple[str, str]]) -> list[str]:
    """Remove the rules that `add_if_new` has added and that are not among these (type, pattern). A rule that
    an operator has added, or has given another pattern, stays. Answers the types of the rules removed.
    """
    rows = [row for row in RuleRow.list_rules(app) if row.is_of_content(app)]
    return [row.type for row in rows if (row.type, row.pattern) not in kept and writes.remove_rule(app, row)]


# -- checking a pattern before it is stored ----------------------------------------------------------------


def _check_pattern(type_: str, pattern: str) -> None:
    """Raises BadRequest with the reason why a rule of this type may not have this pattern."""
    reason = find_refusal(type_, pattern) or find_problem(type_, pattern)
    if reason:
        raise BadRequest(f"Invalid pattern: {reason}")


def _field_changes(change: RuleChange) -> list[Action]:
    """The fields that are given have these values; an empty user message is removed."""
    given: dict[str, Any] = change.model_dump(exclude={"rule_id", "user_message"}, exclude_none=True)
    actions = [getattr(RuleRow, name).set(value) for name, value in given.items()]
    if change.user_message == "":
        actions.append(RuleRow.user_message.remove())
    elif change.user_message is not None:
        actions.append(RuleRow.user_message.set(change.user_message))
    return actions


# -- views -------------------------------------------------------------------------------------------------


def _view(app: str, counts: RuleCounts, problems: Mapping[str, str | None], row: RuleRow) -> RuleView:
    created = row.created_at or 0
    true, false = counts.get("true_positive", row.rule_id), counts.get("false_positive", row.rule_id)
    view: RuleView = {
        "_id": row.rule_id,
        "_creationTime": created,
        "appSlug": app,
        "type": row.type,
        "pattern": row.pattern,
        "action": row.action,
        "isActive": row.is_active,
        "shadow": bool(row.shadow),
        "createdAt": created,
        "matches": counts.get("matches", row.rule_id),
        "annotatedTrue": true,
        "annotatedFalse": false,
        "precision": true / (true + false) if true + false >= _ANNOTATIONS_NEEDED else None,
    }
    return add_optional(view, userMessage=row.user_message or None, problem=problems[row.rule_id])
