"""The counts of an app's rules: how often each was violated, and what people said of that."""

from collections import Counter
from secrets import randbelow
from typing import Any, Self

from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import Action, Item, NumberAttribute
from genai_voice.guardrails.rows import RuleRow

SHARDS = 16
_PREFIXES = {"matches": "m_", "true_positive": "t_", "false_positive": "f_"}


class RuleCountsRow(Item, discriminator="rule_stats"):
    """One of the SHARDS rows that hold an app's counts, each count in an attribute of its own. They have to
    be added up: a single row would be changed by every check at once.
    """

    @classmethod
    def choose(cls, app: str, number: int = 1) -> list[Self]:
        """Choose so many different rows of the app, by chance."""
        first = randbelow(SHARDS)
        shards = (str((first + each) % SHARDS) for each in range(number))
        return [cls(make_key("APP", app), make_key("RULE_STATS", shard)) for shard in shards]

    @staticmethod
    def count_changes(what: str, rule_id: str, by: int = 1) -> list[Action]:
        """One count of a rule is raised, or lowered where `by` is negative."""
        return [_make_attribute(what, rule_id).add(by)]

    @staticmethod
    def removal_changes(rule_id: str) -> list[Action]:
        """All counts of a rule are gone."""
        return [_make_attribute(what, rule_id).remove() for what in _PREFIXES]


def _make_attribute(what: str, rule_id: str) -> NumberAttribute:
    return NumberAttribute(attr_name=f"{_PREFIXES[what]}{rule_id}")


class RuleCounts:
    """The counts of an app's rules, added up."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._shards: dict[str, set[str]] = {}

    def add(self, sk: str, name: str, count: int) -> None:
        """Add one attribute of the row with this sort key."""
        self._counts[name] += count
        self._shards.setdefault(name[2:], set()).add(sk)

    def get(self, what: str, rule_id: str) -> int:
        """Answer one count of a rule: matches, true_positive or false_positive."""
        return self._counts[f"{_PREFIXES[what]}{rule_id}"]

    def list_rows(self, app: str, rule_id: str) -> list[RuleCountsRow]:
        """List the rows that count anything of this rule."""
        return [RuleCountsRow(make_key("APP", app), sk) for sk in sorted(self._shards.get(rule_id, ()))]


def list_rules_with_counts(app: str, after: str | None, limit: int) -> tuple[list[RuleRow], bool, RuleCounts]:
    """List the app's rules by their keys, beginning after the position `after` (a sort key), as many as
    `limit` says, with their counts. Answers them, whether more are left, and the counts, in one query unless
    more are left.
    """
    rules, counts = list[RuleRow](), RuleCounts()
    for item in Item.read_raw(make_key("APP", app), "RULE", after):
        if not item["sk"]["S"].startswith("RULE#"):
            _add_counts(counts, item)
        elif len(rules) < limit:
            rules.append(RuleRow.from_raw_data(item))
        else:
            return rules, True, read_counts(app)
    return rules, False, counts


def read_counts(app: str) -> RuleCounts:
    """Read the counts of all rules of the app."""
    counts = RuleCounts()
    for item in Item.read_raw(make_key("APP", app), "RULE_STATS"):
        _add_counts(counts, item)
    return counts


def _add_counts(counts: RuleCounts, item: dict[str, Any]) -> None:
    for name, value in item.items():
        if name[:2] in _PREFIXES.values():
            counts.add(item["sk"]["S"], name, int(value["N"]))
