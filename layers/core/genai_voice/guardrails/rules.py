"""The rules of an app: they are listed, added, changed and removed.

With each change one small row is written that holds how many rules there are, so that the limit is exact, and
a version, by which processes see that something was changed.
"""

from collections.abc import Collection, Sequence
from typing import Any

from genai_voice.foundation.clock import back_off, now_ms
from genai_voice.foundation.errors import BadRequest, Busy, NotFound
from genai_voice.foundation.model import Created, Ok, Scoped
from genai_voice.foundation.table import Action, Change, Condition, write_together
from genai_voice.guardrails import rulesets
from genai_voice.guardrails.matching import problem
from genai_voice.guardrails.model import MAX_RULES, NewRule, RuleChange, RuleList, RuleNamed, RuleView
from genai_voice.guardrails.patterns import refusal
from genai_voice.guardrails.rows import Counts, RuleRow, RulesRow, counted_rules

_ATTEMPTS = 30
_ANNOTATIONS_NEEDED = 5
"""For a precision: with fewer it says more about chance."""
_FULL = f"At most {MAX_RULES} rules: delete some, or put what they match into fewer"
_NOT_FOUND = "Rule not found"


def find(app: str, query: Scoped) -> RuleList:
    """All rules, inactive ones too, oldest first, with what became of them."""
    if not query.is_for(app):
        return {"rules": []}
    rows, counts = counted_rules(app)
    return {"rules": [_view(app, row, counts) for row in rows]}


def create(app: str, rule: NewRule) -> Created:
    """Add an active rule. Raises BadRequest for a pattern that may not be one, and beyond MAX_RULES; Busy."""
    _check(rule.type, rule.pattern)
    row = RuleRow.new(app)
    row.type, row.pattern, row.action = rule.type, rule.pattern, rule.action
    row.user_message, row.shadow = rule.user_message or None, rule.shadow or None
    _add(app, row)
    return {"id": row.rule_id}


def update(app: str, change: RuleChange) -> Ok:
    """Change what is given. Its counts go on, whatever it matches from now on. Raises NotFound; BadRequest as
    `create`; Busy.
    """
    row, actions = RuleRow.of(app, change.rule_id), _actions(change)
    for attempt in range(_ATTEMPTS):
        changed = Change(row, actions, _as_checked(row, change))
        noted = Change(RulesRow.of(app), [RulesRow.version.add(1)])
        if actions and _write(app, [changed, noted]):
            return {"ok": True}
        if row.find_stored() is None:
            raise NotFound(_NOT_FOUND)
        if not actions:
            return {"ok": True}
        back_off(attempt)
    raise _busy()


def delete(app: str, named: RuleNamed) -> Ok:
    """Remove a rule with its counts; what it was violated by stays. Raises NotFound, for the second of two
    removals too; Busy.
    """
    if not _remove(app, RuleRow.of(app, named.rule_id)):
        raise NotFound(_NOT_FOUND)
    return {"ok": True}


def count(app: str) -> int:
    """The app's rules."""
    return RuleRow.count_of(app)


# -- seeding -----------------------------------------------------------------------------------------------


def add_if_new(app: str, type_: str, pattern: str, action: str, user_message: str | None) -> bool:
    """Add an active rule unless the app has one with this type and pattern. Answers whether it was added.
    Raises as `create`.
    """
    _check(type_, pattern)
    if any(rule.type == type_ and rule.pattern == pattern for rule in RuleRow.of_app(app)):
        return False
    row = RuleRow.of_content(app, type_, pattern)
    row.action, row.user_message = action, user_message
    return _add(app, row)


def remove_outdated(app: str, kept: Collection[tuple[str, str]]) -> list[str]:
    """Remove what `add_if_new` has added and what is not among these (type, pattern) any more; what an
    operator has added, or has given another pattern, stays. Answers the types of the rules removed.
    """
    rows = [row for row in RuleRow.of_app(app) if row.is_of_content(app)]
    return [row.type for row in rows if (row.type, row.pattern) not in kept and _remove(app, row)]


# -- a pattern may be stored -------------------------------------------------------------------------------


def _check(type_: str, pattern: str) -> None:
    reason = refusal(type_, pattern) or problem(type_, pattern)
    if reason:
        raise BadRequest(f"Invalid pattern: {reason}")


def _as_checked(row: RuleRow, change: RuleChange) -> Condition:
    """That what the rule will match has been found good: what is not given must be as it was read. Raises
    NotFound, BadRequest.
    """
    if change.type is None and change.pattern is None:
        return RuleRow.pk.exists()
    if change.type is not None and change.pattern is not None:
        _check(change.type, change.pattern)
        return RuleRow.pk.exists()
    stored = row.find_stored()
    if stored is None:
        raise NotFound(_NOT_FOUND)
    _check(change.type or stored.type, change.pattern or stored.pattern)
    return stored.says_the_same()


def _actions(change: RuleChange) -> list[Action]:
    given: dict[str, Any] = change.model_dump(exclude={"rule_id", "user_message"}, exclude_none=True)
    actions = [getattr(RuleRow, name).set(value) for name, value in given.items()]
    if change.user_message == "":
        actions.append(RuleRow.user_message.remove())
    elif change.user_message is not None:
        actions.append(RuleRow.user_message.set(change.user_message))
    return actions


# -- writing -----------------------------------------------------------------------------------------------


def _add(app: str, row: RuleRow) -> bool:
    """Answers False where it is there already. Raises BadRequest beyond MAX_RULES, Busy."""
    row.is_active, row.created_at = True, now_ms()
    counted = _counted(app, 1, RulesRow.rules < MAX_RULES)
    for attempt in range(_ATTEMPTS):
        if _write(app, [counted], inserts=[row]):
            return True
        stored = RulesRow.of(app).find_stored()
        if row.find_stored() is not None:
            return False
        if stored is None or stored.rules is None:
            _begin_counting(app)
        elif stored.rules >= MAX_RULES:
            raise BadRequest(_FULL)
        else:
            back_off(attempt)
    raise _busy()


def _remove(app: str, row: RuleRow) -> bool:
    """Answers whether it was there. Raises Busy."""
    counted = _counted(app, -1, RulesRow.rules.exists())
    for attempt in range(_ATTEMPTS):
        if _write(app, [counted], removals=[row]):
            _forget_counts(app, row.rule_id)
            return True
        if row.find_stored() is None:
            return False
        stored = RulesRow.of(app).find_stored()
        if stored is None or stored.rules is None:
            _begin_counting(app)
        else:
            back_off(attempt)
    raise _busy()


def _counted(app: str, by: int, condition: Condition) -> Change:
    """What is written with a rule that comes or goes."""
    return Change(RulesRow.of(app), [RulesRow.rules.add(by), RulesRow.version.add(1)], condition)


def _begin_counting(app: str) -> None:
    """Of an app whose rules nobody has counted yet. Whoever adds or removes one meanwhile has to count first,
    too: the second finds it done.
    """
    row = RulesRow.of(app)
    row.change(
        [RulesRow.rules.set(RuleRow.count_of(app)), RulesRow.version.add(1)], RulesRow.rules.does_not_exist()
    )


def _forget_counts(app: str, rule_id: str) -> None:
    """So that the rows of counts do not grow with rules that are gone. What a crash leaves does no harm."""
    _, counts = counted_rules(app)
    for row in counts.rows_with(app, rule_id):
        row.change(row.forgetting(rule_id), type(row).pk.exists())


def _write(
    app: str,
    changes: Sequence[Change],
    *,
    inserts: Sequence[RuleRow] = (),
    removals: Sequence[RuleRow] = (),
) -> bool:
    try:
        return write_together(changes, inserts=inserts, removals=removals)
    finally:  # also where nobody knows whether it was written
        rulesets.forget(app)


def _busy() -> Busy:
    return Busy("Too many changes of these rules at once: try again")


# -- views -------------------------------------------------------------------------------------------------


def _view(app: str, row: RuleRow, counts: Counts) -> RuleView:
    created = row.created_at or 0
    true, false = counts.of("true_positive", row.rule_id), counts.of("false_positive", row.rule_id)
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
        "matches": counts.of("matches", row.rule_id),
        "annotatedTrue": true,
        "annotatedFalse": false,
        "precision": true / (true + false) if true + false >= _ANNOTATIONS_NEEDED else None,
    }
    if row.user_message:
        view["userMessage"] = row.user_message
    if reason := problem(row.type, row.pattern):
        view["problem"] = reason
    return view
