"""The active rules of each app, ready to be matched, as this process knows them.

They are kept for 10 s; then one small read asks whether any was changed. A process that changes a rule
forgets them: there the change takes effect at once, elsewhere within 10 s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from cachetools import LRUCache

from genai_voice.foundation.clock import now_ms
from genai_voice.foundation.log import report_unusable_rule
from genai_voice.guardrails.matching import Matcher, matcher, problem
from genai_voice.guardrails.model import Rule
from genai_voice.guardrails.rows import RuleRow, RulesRow

_KEPT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Ruleset:
    """An app's active rules, oldest first."""

    rules: tuple[Rule, ...]
    matcher: Matcher

    def violated(self, text: str) -> list[Rule]:
        """Those that the text violates, oldest first."""
        return [self.rules[place] for place in self.matcher.violated(text)]

    def masked(self, text: str) -> str:
        """The text without what the pii_filter rules match, shadow ones too."""
        return self.matcher.masked(text)


@dataclass(frozen=True, slots=True)
class _Kept:
    ruleset: Ruleset
    version: float | None
    """Of the rules; None where no row tells it."""
    until_ms: int


_kept: LRUCache[str, _Kept] = LRUCache(200)
_forgotten = 0
_lock = Lock()


def current(app: str) -> Ruleset:
    """The app's rules as they are now, or were at most 10 s ago."""
    with _lock:
        kept, began = _kept.get(app), _forgotten
    now = now_ms()
    if kept and now < kept.until_ms:
        return kept.ruleset
    row = RulesRow.of(app).find_stored()
    version = row.version if row else None  # before the rules, so that a change in between is seen next time
    is_same = kept is not None and version is not None and kept.version == version
    ruleset = kept.ruleset if kept and is_same else _loaded(app)
    with _lock:
        if _forgotten == began:  # else what was read may be from before a change of this process
            _kept[app] = _Kept(ruleset, version, now + _KEPT_MS)
    return ruleset


def forget(app: str) -> None:
    """After its rules were changed: what was read of them before counts no more."""
    global _forgotten
    with _lock:
        _forgotten += 1
        _kept.pop(app, None)


def _loaded(app: str) -> Ruleset:
    rows = [row for row in RuleRow.of_app(app) if row.is_active]
    for row in rows:
        if problem(row.type, row.pattern):
            _report(app, row.rule_id, row.pattern)
    return Ruleset(tuple(map(_rule, rows)), _matcher(rows))


def _matcher(rows: Sequence[RuleRow]) -> Matcher:
    return matcher(tuple((row.type, row.pattern) for row in rows))


def _rule(row: RuleRow) -> Rule:
    return Rule(
        id=row.rule_id,
        type=row.type,
        pattern=row.pattern,
        action=row.action,
        user_message=row.user_message,
        shadow=bool(row.shadow),
    )


@lru_cache(10_000)
def _report(app: str, rule_id: str, pattern: str) -> None:
    """Once for each pattern."""
    report_unusable_rule(app, rule_id)
