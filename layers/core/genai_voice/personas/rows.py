"""How the personas of an app's library are stored."""

from typing import Self

from genai_voice.foundation.keys import key
from genai_voice.foundation.table import BooleanAttribute, Item, UnicodeAttribute


class PersonaRow(Item, discriminator="persona"):
    system_prompt = UnicodeAttribute()
    voice = UnicodeAttribute(null=True)
    persona_name = UnicodeAttribute(null=True)
    persona_greeting = UnicodeAttribute(null=True)
    persona_tone = UnicodeAttribute(null=True)
    preferred_terms = UnicodeAttribute(null=True)
    blocked_terms = UnicodeAttribute(null=True)
    ui_strings = UnicodeAttribute(null=True)  # JSON text
    is_active = BooleanAttribute()

    @classmethod
    def of(cls, app: str, persona_id: str) -> Self:
        return cls(key("APP", app), key("PERSONA", persona_id))

    @classmethod
    def count_of(cls, app: str) -> int:
        return cls.count(key("APP", app), cls.sk.startswith("PERSONA#"))
