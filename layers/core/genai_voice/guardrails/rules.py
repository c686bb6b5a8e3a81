"""An app's rules are listed, added, changed and removed, by the app itself and by seeding.

Each change also writes one small row, `RulesetRow`, in the same transaction. It counts the rules, so that the
bound of MAX_RULES is exact, and it holds a version, by which other processes see that a rule was changed.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any

from genai_voice.foundation.bounds import Bound
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import BadRequest, NotFound
from genai_voice.foundation.model import Created, Listing, Ok, add_optional
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import Action, Condition
from genai_voice.foundation.transactions import Change, write_together
from genai_voice.guardrails import rulesets
from genai_voice.guardrails.counts import RuleCounts, list_rules_with_counts, read_counts
from genai_voice.guardrails.matching import find_problem
from genai_voice.guardrails.model import MAX_RULES, NewRule, RuleChange, RuleList, RuleReference, RuleView
from genai_voice.guardrails.patterns import find_refusal
from genai_voice.guardrails.rows import RuleRow, RulesetRow

_ANNOTATIONS_NEEDED = 5
"""Before a precision is shown: that of fewer annotations says more about chance."""
_BOUND = Bound(
    row=RulesetRow.of,
    measure=lambda app: repeat(0, RuleRow.count_rules(app)),
    max_items=MAX_RULES,
    too_many=f"At most {MAX_RULES} rules: delete some, or put what they match into fewer",
)
_NOT_FOUND = "Rule not found"
_BUSY = "Too many changes of these rules at once: try again"


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
    """Add an active rule. Raises BadRequest for a pattern that may not be stored, and beyond MAX_RULES; Busy
    where other changes come between again and again.
    """
    _check_pattern(rule.type, rule.pattern)
    row = RuleRow.of_new_id(app)
    row.type, row.pattern, row.action = rule.type, rule.pattern, rule.action
    row.user_message, row.shadow = rule.user_message or None, rule.shadow or None
    _add_rule(app, row)
    return {"id": row.rule_id}


def update(app: str, change: RuleChange) -> Ok:
    """Change those fields of a rule that are given. Its counts go on, whatever it matches from now on. Raises
    NotFound, BadRequest for a pattern that may not be stored, Busy.
    """
    row, actions = RuleRow.of(app, change.rule_id), _field_changes(change)

    def try_once() -> Ok | None:
        rule = Change(row, actions, _check_change(row, change))
        ruleset = Change(RulesetRow.of(app), [RulesetRow.version.add(1)])
        if actions and _write(app, [rule, ruleset]):
            return {"ok": True}
        if row.find_stored() is None:
            raise NotFound(_NOT_FOUND)
        return None if actions else {"ok": True}

    return retry_lost_races(try_once, busy=_BUSY)


def delete(app: str, named: RuleReference) -> Ok:
    """Remove a rule and its counts. Its violations stay. Raises NotFound, also for the second of two removals
    at the same time; Busy.
    """
    if not _remove_rule(app, RuleRow.of(app, named.rule_id)):
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
    return _add_rule(app, row)


def remove_outdated(app: str, kept: Collection[tuple[str, str]]) -> list[str]:
    """Remove the rules that `add_if_new` has added and that are not among these (type, pattern). A rule that
    an operator has added, or has given another pattern, stays. Answers the types of the rules removed.
    """
    rows = [row for row in RuleRow.list_rules(app) if row.is_of_content(app)]
    return [row.type for row in rows if (row.type, row.pattern) not in kept and _remove_rule(app, row)]


# -- checking a pattern before it is stored ----------------------------------------------------------------


def _check_pattern(type_: str, pattern: str) -> None:
    """Raises BadRequest with the reason why a rule of this type may not have this pattern."""
    reason = find_refusal(type_, pattern) or find_problem(type_, pattern)
    if reason:
        raise BadRequest(f"Invalid pattern: {reason}")


def _check_change(row: RuleRow, change: RuleChange) -> Condition:
    """Check type and pattern as they will be after the change. Answers the condition under which the check
    holds: where only one of the two is given, the rule must not have been changed since it was read. Raises
    NotFound, BadRequest.
    """
    if change.type is None and change.pattern is None:
        return RuleRow.pk.exists()
    if change.type is not None and change.pattern is not None:
        _check_pattern(change.type, change.pattern)
        return RuleRow.pk.exists()
    stored = row.find_stored()
    if stored is None:
        raise NotFound(_NOT_FOUND)
    _check_pattern(change.type or stored.type, change.pattern or stored.pattern)
    return stored.unchanged_condition


def _field_changes(change: RuleChange) -> list[Action]:
    """The fields that are given have these values; an empty user message is removed."""
    given: dict[str, Any] = change.model_dump(exclude={"rule_id", "user_message"}, exclude_none=True)
    actions = [getattr(RuleRow, name).set(value) for name, value in given.items()]
    if change.user_message == "":
        actions.append(RuleRow.user_message.remove())
    elif change.user_message is not None:
        actions.append(RuleRow.user_message.set(change.user_message))
    return actions


# -- adding and removing -----------------------------------------------------------------------------------


def _add_rule(app: str, row: RuleRow) -> bool:
    """Store a rule and count it. Answers False where there is one with its id. Raises BadRequest beyond
    MAX_RULES, Busy.
    """
    row.is_active, row.created_at = True, get_now_ms()

    def try_once() -> bool | None:
        if _write(app, _count_changes(app, 1), inserts=[row]):
            return True
        if row.find_stored() is not None:
            return False
        _BOUND.check_room(app, 1)
        return None

    return retry_lost_races(try_once, busy=_BUSY)


def _remove_rule(app: str, row: RuleRow) -> bool:
    """Remove a rule with its counts. Answers whether it was there. Raises Busy."""

    def try_once() -> bool | None:
        if _write(app, _count_changes(app, -1), removals=[row]):
            _remove_counts(app, row.rule_id)
            return True
        if row.find_stored() is None:
            return False
        _BOUND.check_room(app, -1)
        return None

    return retry_lost_races(try_once, busy=_BUSY)


def _count_changes(app: str, by: int) -> list[Change]:
    """The number of the app's rules grows by this, and the version tells of it."""
    return _BOUND.count_changes(app, by, also=[RulesetRow.version.add(1)])


def _remove_counts(app: str, rule_id: str) -> None:
    """Remove the counts of a rule that is gone, so that their rows do not grow for ever. A crash that leaves
    some does no harm.
    """
    for row in read_counts(app).list_rows(app, rule_id):
        row.change(row.removal_changes(rule_id), type(row).pk.exists())


def _write(
    app: str,
    changes: Sequence[Change],
    *,
    inserts: Sequence[RuleRow] = (),
    removals: Sequence[RuleRow] = (),
) -> bool:
    """Write a change of the app's rules, and have this process read them again."""
    try:
        return write_together(changes, inserts=inserts, removals=removals)
    finally:  # also where nobody knows whether it was written
        rulesets.invalidate(app)


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
