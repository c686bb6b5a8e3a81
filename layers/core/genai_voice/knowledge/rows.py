"""Rows of documents."""

from typing import Self

from genai_voice.foundation.keys import digest, make_key
from genai_voice.foundation.table import CompressedText, Item, NumberAttribute, UnicodeAttribute


class DocumentRow(Item, discriminator="document"):
    title = UnicodeAttribute()
    content = CompressedText()
    category = UnicodeAttribute()
    source_type = UnicodeAttribute()
    updated_by = UnicodeAttribute(null=True)
    updated_at = NumberAttribute()

    @classmethod
    def of(cls, app: str, title: str) -> Self:
        """Build the row of a title. The title is the key, so an upsert needs no look-up."""
        return cls(make_key("APP", app, "KNOWLEDGE"), make_key("DOC", digest(app, title)))

    @classmethod
    def count_documents(cls, app: str) -> int:
        """Count the documents of an app."""
        return cls.count(make_key("APP", app, "KNOWLEDGE"), cls.sk.startswith("DOC#"))
