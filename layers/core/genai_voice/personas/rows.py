"""How the personas of an app's library are stored."""

from collections.abc import Iterator
from typing import ClassVar, Self

from genai_voice.foundation.clock import make_time_ordered_id
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import BooleanAttribute, Condition, UnicodeAttribute
from genai_voice.tenancy.rows import PersonaFields


class PersonaRow(PersonaFields, discriminator="persona"):
    versioned: ClassVar[tuple[str, ...]] = ("name", *PersonaFields.versioned)

    persona_id = UnicodeAttribute()  # sorts by creation
    name = UnicodeAttribute()
    is_active = BooleanAttribute()

    @classmethod
    def of(cls, app: str, persona_id: str) -> Self:
        return cls(make_key("APP", app), make_key("PERSONA", persona_id), persona_id=persona_id)

    @classmethod
    def of_new(cls, app: str) -> Self:
        return cls.of(app, make_time_ordered_id())

    @classmethod
    def list_active(cls, app: str, after: str | None) -> Iterator[Self]:
        """List the active ones, oldest first, beginning after position `after` (a sort key)."""
        wanted = cls.sk.startswith("PERSONA#") if after is None else cls.sk.between(after + "!", "PERSONA#~")
        is_active = cls.is_active == True  # noqa: E712 - a condition of the table
        return cls.query(make_key("APP", app), wanted, is_active, consistent_read=True)

    @classmethod
    def count_in_app(cls, app: str) -> int:
        return cls.count(make_key("APP", app), cls.sk.startswith("PERSONA#"))

    @property
    def known_as(self) -> str:
        return self.persona_id

    def is_unchanged(self) -> Condition:
        """Hold where the persona is as it was read, and active."""
        as_read: Condition = super().is_unchanged() & (PersonaRow.is_active == True)  # noqa: E712 - as above
        return as_read
