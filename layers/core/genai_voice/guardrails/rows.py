"""How guardrail rules, their counts, and the violations of them are stored."""

from collections import Counter
from collections.abc import Iterator
from secrets import randbelow
from typing import Self

from genai_voice.foundation.clock import time_ordered_id
from genai_voice.foundation.keys import digest, key
from genai_voice.foundation.table import (
    Action,
    BooleanAttribute,
    Condition,
    Item,
    NumberAttribute,
    UnicodeAttribute,
)

STATS_SHARDS = 16
MAX_LOOKED_AT = 10_000
"""Violations of a session that are looked through for those of one rule, for one page."""


class RuleRow(Item, discriminator="rule"):
    type = UnicodeAttribute()
    pattern = UnicodeAttribute()
    action = UnicodeAttribute()
    user_message = UnicodeAttribute(null=True)
    is_active = BooleanAttribute()
    shadow = BooleanAttribute(null=True)
    place = UnicodeAttribute()  # sorts by creation

    @classmethod
    def of(cls, app: str, rule_id: str) -> Self:
        return cls(key("APP", app), key("RULE", rule_id))

    @classmethod
    def new(cls, app: str) -> Self:
        place = time_ordered_id()
        return cls(key("APP", app), key("RULE", place), place=place)

    @classmethod
    def of_content(cls, app: str, type_: str, pattern: str) -> Self:
        """A row whose id follows from what the rule says, so that it exists once: of a seed."""
        row = cls.of(app, digest(app, type_, pattern))
        row.type, row.pattern, row.place = type_, pattern, time_ordered_id()
        return row

    @property
    def rule_id(self) -> str:
        return self.sk.removeprefix("RULE#").removesuffix("#")

    def is_of_content(self, app: str) -> bool:
        """Whether it is as seeding made it."""
        return self.rule_id == digest(app, self.type, self.pattern)

    def says_the_same(self) -> Condition:
        """That nobody has changed what it matches since it was read."""
        same: Condition = (RuleRow.type == self.type) & (RuleRow.pattern == self.pattern)
        return same

    @classmethod
    def count_of(cls, app: str) -> int:
        return cls.count(key("APP", app), cls.sk.startswith("RULE#"), consistent_read=True)

    @classmethod
    def of_app(cls, app: str) -> list[Self]:
        """All of them, oldest first."""
        rules = cls.query(key("APP", app), cls.sk.startswith("RULE#"), consistent_read=True)
        return sorted(rules, key=lambda rule: rule.place)


class RulesRow(Item, discriminator="rules"):
    """Of all rules of an app: how many there are, and a `version` that tells that one was changed. It is
    written with each change of a rule.
    """

    rules = NumberAttribute(null=True)  # absent until one is added by a service that counts them

    @classmethod
    def of(cls, app: str) -> Self:
        return cls(key("APP", app), key("RULES"))


class StatsRow(Item, discriminator="rule_stats"):
    """Counts of an app's rules, an attribute each. There are STATS_SHARDS of these rows, which have to be
    added up: a single one would be changed by every check at once.
    """

    @classmethod
    def any_of(cls, app: str, count: int = 1) -> list[Self]:
        """So many different ones, chosen by chance."""
        first = randbelow(STATS_SHARDS)
        shards = (str((first + each) % STATS_SHARDS) for each in range(count))
        return [cls(key("APP", app), key("RULE_STATS", shard)) for shard in shards]

    @staticmethod
    def counting(what: str, rule_id: str, by: int = 1) -> Action:
        return _count(what, rule_id).add(by)

    @staticmethod
    def forgetting(rule_id: str) -> list[Action]:
        return [_count(what, rule_id).remove() for what in _PREFIXES]


_PREFIXES = {"matches": "m_", "true_positive": "t_", "false_positive": "f_"}


def _count(what: str, rule_id: str) -> NumberAttribute:
    return NumberAttribute(attr_name=f"{_PREFIXES[what]}{rule_id}")


class Counts:
    """How often each rule was violated, and what people said of that."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._shards: dict[str, set[str]] = {}

    def note(self, sk: str, name: str, count: int) -> None:
        self._counts[name] += count
        self._shards.setdefault(name[2:], set()).add(sk)

    def of(self, what: str, rule_id: str) -> int:
        return self._counts[f"{_PREFIXES[what]}{rule_id}"]

    def rows_with(self, app: str, rule_id: str) -> list[StatsRow]:
        """Those that count anything of this rule."""
        return [StatsRow(key("APP", app), sk) for sk in sorted(self._shards.get(rule_id, ()))]


def counted_rules(app: str) -> tuple[list[RuleRow], Counts]:
    """The app's rules, oldest first, and their counts, in one query."""
    rules, counts = list[RuleRow](), Counts()
    for item in Item.read_raw(key("APP", app), "RULE"):
        sk = item["sk"]["S"]
        if sk.startswith("RULE#"):
            rules.append(RuleRow.from_raw_data(item))
        for name, value in item.items():
            if name[:2] in _PREFIXES.values():
                counts.note(sk, name, int(value["N"]))
    return sorted(rules, key=lambda rule: rule.place), counts


# -- violations --------------------------------------------------------------------------------------------


class ViolationRow(Item, discriminator="violation"):
    violation_id = UnicodeAttribute()
    session_id = UnicodeAttribute()
    rule_id = UnicodeAttribute()
    type = UnicodeAttribute()
    direction = UnicodeAttribute()
    content = UnicodeAttribute()
    action = UnicodeAttribute()
    shadow = BooleanAttribute(null=True)
    annotated_correctness = UnicodeAttribute(null=True)
    annotated_by = UnicodeAttribute(null=True)
    annotated_at = NumberAttribute(null=True)  # epoch ms

    @classmethod
    def of(cls, app: str, violation_id: str) -> Self:
        return cls(key("APP", app, "VIOLATION"), key("ID", violation_id), violation_id=violation_id)

    @classmethod
    def new(cls, app: str, session: str, rule_id: str, violation_id: str) -> Self:
        row = cls.of(app, violation_id)
        row.session_id, row.rule_id = session, rule_id
        row.gsi1pk, row.gsi2pk = _session_key(app, session), _rule_key(app, rule_id)
        row.gsi1sk = row.gsi2sk = key("ID", violation_id, "RULE", rule_id)
        return row

    def is_annotated(self, correctness: str | None) -> Condition:
        """That this, or None: nothing, is what it was annotated as."""
        stored = ViolationRow.annotated_correctness
        same = stored.does_not_exist() if correctness is None else stored == correctness
        as_read: Condition = same & ViolationRow.pk.exists()
        return as_read

    @classmethod
    def newest(cls, app: str, before: str | None, limit: int) -> Iterator[Self]:
        """Of the app, newest first, beginning after position `before` (a sort key)."""
        wanted = cls.sk < before if before else cls.sk.startswith("ID#")
        return cls.query(
            key("APP", app, "VIOLATION"), wanted, consistent_read=True, scan_index_forward=False, limit=limit
        )

    @classmethod
    def of_session(cls, app: str, session: str) -> Iterator[Self]:
        """Oldest first."""
        return cls.load_full(cls.query(_session_key(app, session), index_name="gsi1"))

    @classmethod
    def newest_with(
        cls,
        app: str,
        session: str | None,
        rule_id: str | None,
        before: str | None,
        limit: int,
        *,
        look_at: int = MAX_LOOKED_AT,
    ) -> tuple[list[Self], str | None]:
        """Those of a session, of a rule, or of both, newest first, beginning after position `before`; and the
        position after which more may be, if any. Looks at so many at most.
        """
        index, place = ("gsi1", cls.gsi1sk) if session else ("gsi2", cls.gsi2sk)
        listed = cls.query(
            _session_key(app, session) if session else _rule_key(app, str(rule_id)),
            (place < before) if before else None,
            index_name=index,
            scan_index_forward=False,
            page_size=1000 if session and rule_id else limit + 1,
        )
        last_part = key("RULE", rule_id) if rule_id else ""
        found, position = list[Self](), None
        for looked_at, row in enumerate(listed):
            here = str(row.gsi1sk or row.gsi2sk)
            is_wanted = here.endswith(last_part)
            if looked_at == look_at or (is_wanted and len(found) == limit):
                return list(cls.load_full(found)), position
            if is_wanted:
                found.append(row)
            position = here
        return list(cls.load_full(found)), None


def _session_key(app: str, session: str) -> str:
    return key("APP", app, "SESSION", session, "VIOLATIONS")


def _rule_key(app: str, rule_id: str) -> str:
    return key("APP", app, "RULE", rule_id, "VIOLATIONS")
