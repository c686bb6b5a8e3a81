"""How the changes that operators make are recorded."""

from collections.abc import Iterator
from typing import Self

from genai_voice.foundation.clock import get_now_ms, make_time_ordered_id
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import CompressedText, Item, NumberAttribute, UnicodeAttribute


class AuditRow(Item, discriminator="audit"):
    command = UnicodeAttribute()
    arguments = CompressedText()  # JSON
    actor = UnicodeAttribute()
    outcome = UnicodeAttribute()
    result = CompressedText(null=True)  # JSON
    finished_at = NumberAttribute(null=True)  # epoch ms

    @classmethod
    def of_new(cls, app: str) -> Self:
        return cls(
            make_key("APP", app, "AUDIT"), make_key("ID", make_time_ordered_id()), created_at=get_now_ms()
        )

    @classmethod
    def list_newest(cls, app: str, limit: int) -> Iterator[Self]:
        return cls.query(
            make_key("APP", app, "AUDIT"),
            cls.sk.startswith("ID#"),
            consistent_read=True,
            scan_index_forward=False,
            limit=limit,
        )
