"""A rule is written in one transaction with the row of all rules of its app. That row counts them and their
steps, so that both bounds are exact, and its version tells other processes that a rule was changed.
"""

from collections.abc import Sequence

from genai_voice.foundation.bounds import Bound
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import Action
from genai_voice.foundation.transactions import Change, Removal, write_together
from genai_voice.guardrails import rulesets
from genai_voice.guardrails.counts import read_counts
from genai_voice.guardrails.matching import MAX_STEPS_TOGETHER, count_rule_steps
from genai_voice.guardrails.model import MAX_RULES
from genai_voice.guardrails.rows import RuleRow, RulesetRow

BUSY = "Too many changes of these rules at once: try again"
_BOUND = Bound(
    row=RulesetRow.of,
    measure=lambda app: map(_get_steps, RuleRow.list_rules(app)),
    max_items=MAX_RULES,
    too_many=f"At most {MAX_RULES} rules: delete some, or put what they match into fewer",
    max_bytes=MAX_STEPS_TOGETHER,
    too_large=f"At most {MAX_STEPS_TOGETHER:,} steps of RE2 in all rules together: delete some, or use "
    "smaller repetitions and fewer words",
)


def add_rule(app: str, row: RuleRow) -> bool:
    """Store an active rule and count it. Answers False where there is one with its id. Raises BadRequest
    beyond MAX_RULES and MAX_STEPS_TOGETHER, Busy.
    """
    row.is_active, row.created_at = True, get_now_ms()
    row.steps = steps = count_rule_steps(row.type, row.pattern)

    def try_once() -> bool | None:
        if _write(app, _count_changes(app, 1, steps), inserts=[row]):
            return True
        if row.find_stored() is not None:
            return False
        _BOUND.check_room(app, 1, steps)
        return None

    return retry_lost_races(try_once, busy=BUSY)


def try_fields(app: str, row: RuleRow, actions: Sequence[Action]) -> bool:
    """Change fields that say nothing of what the rule matches. Answers whether it is there."""
    ruleset = Change(RulesetRow.of(app), [RulesetRow.version.add(1)])
    return _write(app, [Change(row, actions, RuleRow.pk.exists()), ruleset])


def try_match(app: str, stored: RuleRow, actions: Sequence[Action], steps: int) -> bool:
    """Change what a rule matches, which takes so many steps from now on. Answers False where it is no longer
    as it was read. Raises BadRequest beyond MAX_STEPS_TOGETHER.
    """
    growth = steps - _get_steps(stored)
    change = Change(stored, [*actions, RuleRow.steps.set(steps)], stored.unchanged_condition)
    if _write(app, [change, *_count_changes(app, 0, growth)]):
        return True
    now = stored.find_stored()
    if now and (now.type, now.pattern, now.steps) == (stored.type, stored.pattern, stored.steps):
        _BOUND.check_room(app, 0, growth)
    return False


def remove_rule(app: str, row: RuleRow) -> bool:
    """Remove a rule with its counts. Answers whether it was there. Raises Busy."""

    def try_once() -> bool | None:
        stored = row.find_stored()
        if stored is None:
            return False
        counts = _count_changes(app, -1, -_get_steps(stored))
        if _write(app, counts, removals=[Removal(row, stored.unchanged_condition)]):
            _remove_counts(app, row.rule_id)
            return True
        _BOUND.check_room(app, -1)
        return None

    return retry_lost_races(try_once, busy=BUSY)


def _get_steps(stored: RuleRow) -> int:
    """Answer the steps that a rule is counted with."""
    return count_rule_steps(stored.type, stored.pattern) if stored.steps is None else int(stored.steps)


def _count_changes(app: str, rules: int, steps: int) -> list[Change]:
    """The number of the app's rules and their steps grow by this, and the version tells of it."""
    return _BOUND.count_changes(app, rules, steps, also=[RulesetRow.version.add(1)])


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
    removals: Sequence[Removal] = (),
) -> bool:
    """Write a change of the app's rules, and have this process read them again."""
    try:
        return write_together(changes, inserts=inserts, removals=removals)
    finally:  # also where nobody knows whether it was written
        rulesets.invalidate(app)
