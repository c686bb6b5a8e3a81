"""How guardrail rules are stored."""

from typing import Self

from genai_voice.foundation.keys import digest, key
from genai_voice.foundation.table import BooleanAttribute, Item, UnicodeAttribute


class RuleRow(Item, discriminator="rule"):
    type = UnicodeAttribute()
    pattern = UnicodeAttribute()
    action = UnicodeAttribute()
    user_message = UnicodeAttribute(null=True)
    is_active = BooleanAttribute()
    place = UnicodeAttribute()  # sorts by creation

    @classmethod
    def of_content(cls, app: str, type_: str, pattern: str) -> Self:
        """A row whose id follows from what the rule says, so that it exists once."""
        return cls(key("APP", app), key("RULE", digest(app, type_, pattern)), type=type_, pattern=pattern)

    @classmethod
    def count_of(cls, app: str) -> int:
        return cls.count(key("APP", app), cls.sk.startswith("RULE#"))

    @classmethod
    def of_app(cls, app: str) -> list[Self]:
        return list(cls.query(key("APP", app), cls.sk.startswith("RULE#"), consistent_read=True))
