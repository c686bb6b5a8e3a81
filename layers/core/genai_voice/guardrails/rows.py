"""How guardrail rules, and the violations of them, are stored."""

from collections.abc import Iterator
from typing import Self

from genai_voice.foundation.bounds import CountRow
from genai_voice.foundation.clock import make_time_ordered_id
from genai_voice.foundation.keys import digest, make_key
from genai_voice.foundation.table import (
    BooleanAttribute,
    Condition,
    Item,
    NumberAttribute,
    UnicodeAttribute,
)

MAX_LOOKED_AT = 10_000
"""Violations of a session that are looked through for those of one rule, for one page."""


class RuleRow(Item, discriminator="rule"):
    """One rule of an app, active or not."""

    type = UnicodeAttribute()
    pattern = UnicodeAttribute()
    action = UnicodeAttribute()
    user_message = UnicodeAttribute(null=True)
    is_active = BooleanAttribute()
    shadow = BooleanAttribute(null=True)
    place = UnicodeAttribute()  # sorts by creation
    steps = NumberAttribute(null=True)  # that it is counted with; absent where it was stored before they were

    @classmethod
    def of(cls, app: str, rule_id: str) -> Self:
        return cls(make_key("APP", app), make_key("RULE", rule_id))

    @classmethod
    def of_new_id(cls, app: str) -> Self:
        """A row with an id of its own, which sorts by now."""
        place = make_time_ordered_id()
        return cls(make_key("APP", app), make_key("RULE", place), place=place)

    @classmethod
    def of_content(cls, app: str, type_: str, pattern: str) -> Self:
        """A row whose id follows from what the rule matches, so that seeding it again makes no second one."""
        row = cls.of(app, digest(app, type_, pattern))
        row.type, row.pattern, row.place = type_, pattern, make_time_ordered_id()
        return row

    @property
    def rule_id(self) -> str:
        return self.sk.removeprefix("RULE#").removesuffix("#")

    def is_of_content(self, app: str) -> bool:
        """Whether it was seeded, and matches what it did then."""
        return self.rule_id == digest(app, self.type, self.pattern)

    @property
    def unchanged_condition(self) -> Condition:
        """That nobody has changed what it matches, or removed it, since it was read."""
        is_counted = RuleRow.steps.does_not_exist() if self.steps is None else RuleRow.steps == self.steps
        condition: Condition = (RuleRow.type == self.type) & (RuleRow.pattern == self.pattern) & is_counted
        return condition

    @classmethod
    def count_rules(cls, app: str) -> int:
        """Count the app's rules, as they are now."""
        return cls.count(make_key("APP", app), cls.sk.startswith("RULE#"), consistent_read=True)

    @classmethod
    def list_rules(cls, app: str) -> list[Self]:
        """List the app's rules, oldest first."""
        rules = cls.query(make_key("APP", app), cls.sk.startswith("RULE#"), consistent_read=True)
        return sorted(rules, key=lambda rule: rule.place)


class RulesetRow(CountRow, discriminator="rules"):
    """What is true of an app's rules together: how many there are, the steps that they take, and a `version`
    that is raised with each change of a rule.
    """

    items = NumberAttribute(null=True, attr_name="rules")
    bytes = NumberAttribute(null=True, attr_name="steps")

    @classmethod
    def of(cls, app: str) -> Self:
        return cls(make_key("APP", app), make_key("RULES"))


# -- violations --------------------------------------------------------------------------------------------


class ViolationRow(Item, discriminator="violation"):
    """One rule that was violated by one check."""

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
        return cls(make_key("APP", app, "VIOLATION"), make_key("ID", violation_id), violation_id=violation_id)

    @classmethod
    def from_ids(cls, app: str, session: str, rule_id: str, violation_id: str) -> Self:
        """A row that is in the lists of its app, its session and its rule."""
        row = cls.of(app, violation_id)
        row.session_id, row.rule_id = session, rule_id
        row.gsi1pk, row.gsi2pk = cls.make_session_key(app, session), _make_rule_key(app, rule_id)
        row.gsi1sk = row.gsi2sk = make_key("ID", violation_id, "RULE", rule_id)
        return row

    @staticmethod
    def make_session_key(app: str, session: str) -> str:
        """Partition of the list of a session's violations."""
        return make_key("APP", app, "SESSION", session, "VIOLATIONS")

    @property
    def list_position(self) -> str:
        """Where it is in the lists of its session and of its rule."""
        return str(self.gsi1sk or self.gsi2sk)

    def require_annotation(self, correctness: str | None) -> Condition:
        """That the violation is there, and what it was annotated as is this; None: it was not annotated."""
        stored = ViolationRow.annotated_correctness
        is_same = stored.does_not_exist() if correctness is None else stored == correctness
        condition: Condition = is_same & ViolationRow.pk.exists()
        return condition

    @classmethod
    def list_newest(cls, app: str, before: str | None, limit: int) -> Iterator[Self]:
        """List those of the app, newest first, beginning after position `before` (a sort key)."""
        wanted = cls.sk < before if before else cls.sk.startswith("ID#")
        return cls.query(
            make_key("APP", app, "VIOLATION"),
            wanted,
            consistent_read=True,
            scan_index_forward=False,
            limit=limit,
        )

    @classmethod
    def list_newest_of(
        cls,
        app: str,
        session: str | None,
        rule_id: str | None,
        before: str | None,
        limit: int,
        *,
        look_at: int = MAX_LOOKED_AT,
    ) -> tuple[list[Self], Self | None]:
        """List those of a session, of a rule, or of both, newest first, beginning after position `before`.
        Answers the row after which more may be, too, if any. Looks at `look_at` at most.
        """
        index, place = ("gsi1", cls.gsi1sk) if session else ("gsi2", cls.gsi2sk)
        listed = cls.query(
            cls.make_session_key(app, session) if session else _make_rule_key(app, str(rule_id)),
            (place < before) if before else None,
            index_name=index,
            scan_index_forward=False,
            page_size=1000 if session and rule_id else limit + 1,
        )
        last_part = make_key("RULE", rule_id) if rule_id else ""
        found, last = list[Self](), None
        for looked_at, row in enumerate(listed):
            is_wanted = row.list_position.endswith(last_part)
            if looked_at == look_at or (is_wanted and len(found) == limit):
                return list(cls.load_full(found)), last
            if is_wanted:
                found.append(row)
            last = row
        return list(cls.load_full(found)), None


def _make_rule_key(app: str, rule_id: str) -> str:
    return make_key("APP", app, "RULE", rule_id, "VIOLATIONS")
