"""The active rules of each app, ready to be matched, as this process knows them.

A ruleset is cached for 10 s; then one small read asks whether any rule was changed. A process that changes a
rule invalidates its own: there the change takes effect at once, elsewhere within 10 s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from cachetools import LRUCache

from genai_voice.foundation.caches import cache_results, register_cache
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.log import report_unusable_rule
from genai_voice.guardrails import matching
from genai_voice.guardrails.matching import Matcher
from genai_voice.guardrails.model import Rule
from genai_voice.guardrails.rows import RuleRow, RulesetRow

_FRESH_MS = 10_000
_MAX_CACHED_STEPS, _LEAST_STEPS = 50_000, 250
"""Of the rules of all apps together, each app with 250 at least: 200 apps, or ten of the dearest. What RE2
keeps for a step may take 8 KB.
"""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """An app's active rules, oldest first."""

    rules: tuple[Rule, ...]
    matcher: Matcher
    """Of the same rules, in the same order."""

    @property
    def steps(self) -> int:
        return max(self.matcher.steps, _LEAST_STEPS)


@dataclass(frozen=True, slots=True)
class _CachedRuleset:
    ruleset: Ruleset
    version: float | None
    """Of the rules; None where no row tells it."""
    fresh_until_ms: int


_cache: LRUCache[str, _CachedRuleset] = register_cache(
    LRUCache(_MAX_CACHED_STEPS, lambda cached: cached.ruleset.steps)
)
_invalidations = 0
_lock = Lock()


def get_current(app: str) -> Ruleset:
    """Answer the app's rules as they are now, or were at most 10 s ago."""
    with _lock:
        cached, invalidations = _cache.get(app), _invalidations
    now = get_now_ms()
    if cached and now < cached.fresh_until_ms:
        return cached.ruleset
    row = RulesetRow.of(app).find_stored()
    version = row.version if row else None  # before the rules, so that a change in between is seen next time
    is_same = cached is not None and version is not None and cached.version == version
    ruleset = cached.ruleset if cached and is_same else _load(app, cached.ruleset.matcher if cached else None)
    with _lock:
        if _invalidations == invalidations:  # else it may be from before a change of this process
            _cache[app] = _CachedRuleset(ruleset, version, now + _FRESH_MS)
    return ruleset


def invalidate(app: str) -> None:
    """Have the app's rules read again, also where another thread is just reading them."""
    global _invalidations
    with _lock:
        _invalidations += 1
        _cache.pop(app, None)


def find_problems(rows: Sequence[RuleRow]) -> dict[str, str | None]:
    """Find why each of an app's rules can match nothing, by id; None of one that can match. The rows are all
    that the app has, active or not.
    """
    rows = sorted(rows, key=lambda row: row.place)
    problems = matching.find_problems((row.type, row.pattern) for row in rows)
    return {row.rule_id: problem for row, problem in zip(rows, problems, strict=True)}


def _load(app: str, known: Matcher | None) -> Ruleset:
    """Read the app's rules. A matcher that is known is kept where they still match the same: to compile them
    takes longer than to read them.
    """
    rows, stored = list[RuleRow](), RuleRow.list_rules(app)
    problems = find_problems(stored)
    for row in stored:
        if not row.is_active:
            continue
        if problems[row.rule_id]:
            _report_once(app, row.rule_id, row.pattern)
        else:
            rows.append(row)
    patterns = [(row.type, row.pattern) for row in rows]
    matcher = known if known and known.rules == patterns else Matcher(patterns)
    return Ruleset(tuple(map(_to_rule, rows)), matcher)


def _to_rule(row: RuleRow) -> Rule:
    return Rule(
        id=row.rule_id,
        type=row.type,
        pattern=row.pattern,
        action=row.action,
        user_message=row.user_message,
        shadow=bool(row.shadow),
    )


@cache_results(10_000)
def _report_once(app: str, rule_id: str, pattern: str) -> None:
    """Report a rule that matches nothing, once for each pattern."""
    report_unusable_rule(app, rule_id)
