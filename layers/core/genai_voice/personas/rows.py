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
    def of_deleted(cls, app: str, persona_id: str) -> Self:
        """Where a persona lies once it is deleted: lists do not read it. Those that were deleted before there
        was this place are inactive among the others.
        """
        return cls(make_key("APP", app), make_key("DELETED_PERSONA", persona_id), persona_id=persona_id)

    @classmethod
    def find_even_deleted(cls, app: str, persona_id: str) -> Self | None:
        """Find a persona as it is now, or as it was when it was deleted, or None."""
        return cls.of(app, persona_id).find_stored() or cls.of_deleted(app, persona_id).find_stored()

    def as_deleted(self, app: str) -> Self:
        """Make the row that is left of it once it is deleted, with all that it says."""
        row = self.of_deleted(app, self.persona_id)
        row.attribute_values |= {name: each for name, each in self.attribute_values.items() if name != "sk"}
        row.is_active = False
        return row

    @classmethod
    def list_in_app(cls, app: str, after: str | None) -> Iterator[Self]:
        """List them oldest first, beginning after position `after` (a sort key)."""
        wanted = cls.sk.startswith("PERSONA#") if after is None else cls.sk.between(after + "!", "PERSONA#~")
        return cls.query(make_key("APP", app), wanted, consistent_read=True)

    @classmethod
    def count_active(cls, app: str) -> int:
        """Count the active ones, as they are now."""
        is_active = cls.is_active == True  # noqa: E712 - a condition of the table
        return cls.count(make_key("APP", app), cls.sk.startswith("PERSONA#"), is_active, consistent_read=True)

    @classmethod
    def count_in_app(cls, app: str) -> int:
        """Count all, those deleted included."""
        prefixes = ("PERSONA#", "DELETED_PERSONA#")
        return sum(cls.count(make_key("APP", app), cls.sk.startswith(each)) for each in prefixes)

    @property
    def known_as(self) -> str:
        return self.persona_id

    def is_unchanged(self) -> Condition:
        """Hold where the persona is as it was read, and active."""
        as_read: Condition = super().is_unchanged() & (PersonaRow.is_active == True)  # noqa: E712 - as above
        return as_read
