"""How tools, their executions and the rate windows of sessions are stored."""

from collections.abc import Iterator
from typing import Any, Self

from genai_voice.foundation.clock import time_ordered_id
from genai_voice.foundation.keys import digest, key
from genai_voice.foundation.table import (
    BooleanAttribute,
    CompressedText,
    Condition,
    Item,
    ListAttribute,
    NumberAttribute,
    UnicodeAttribute,
)

MAX_MS = 10**13 - 1
"""The latest moment that a time-ordered id can hold."""


class ToolRow(Item, discriminator="tool"):
    name = UnicodeAttribute()
    description = UnicodeAttribute()
    parameters_schema = UnicodeAttribute()  # JSON text
    requires_confirmation = BooleanAttribute()
    requires_auth = BooleanAttribute()
    is_active = BooleanAttribute()
    place = UnicodeAttribute()  # sorts by creation
    updated_at = NumberAttribute()

    @classmethod
    def of(cls, app: str, name: str) -> Self:
        return cls(key("APP", app), key("TOOL", name))

    @classmethod
    def count_of(cls, app: str) -> int:
        return cls.count(key("APP", app), cls.sk.startswith("TOOL#"))

    @classmethod
    def of_app(cls, app: str) -> list[Self]:
        """All of them, oldest first."""
        tools = cls.query(key("APP", app), cls.sk.startswith("TOOL#"), consistent_read=True)
        return sorted(tools, key=lambda tool: tool.place)


class ExecutionRow(Item, discriminator="execution"):
    execution_id = UnicodeAttribute()
    session_id = UnicodeAttribute()
    tool_name = UnicodeAttribute()
    parameters = CompressedText()  # JSON
    result = CompressedText()  # JSON
    status = UnicodeAttribute()
    duration_ms = NumberAttribute()
    source = UnicodeAttribute()
    trace_id = UnicodeAttribute(null=True)
    span_id = UnicodeAttribute(null=True)

    @classmethod
    def new(cls, app: str, session: str) -> Self:
        execution_id = time_ordered_id()
        row = cls(key("APP", app, "EXECUTION"), key("ID", execution_id))
        row.execution_id, row.session_id = execution_id, session
        row.gsi1pk, row.gsi1sk = key("APP", app, "SESSION", session, "EXECUTIONS"), row.sk
        return row

    @classmethod
    def newest(cls, app: str, before: str | None, limit: int) -> Iterator[Self]:
        """Newest first, beginning after position `before` (a sort key)."""
        wanted = cls.sk < before if before else cls.sk.startswith("ID#")
        return cls.query(
            key("APP", app, "EXECUTION"), wanted, consistent_read=True, scan_index_forward=False, limit=limit
        )

    @classmethod
    def count_of(cls, app: str, since_ms: int, until_ms: int) -> int:
        """How many began from `since_ms` until before `until_ms`. Reads them all, and carries none."""
        moment = [key("ID", f"{ms * 1000:016d}").removesuffix("#") for ms in (since_ms, until_ms)]
        return cls.count(key("APP", app, "EXECUTION"), cls.sk.between(*moment))


class RateRow(Item, discriminator="rate"):
    """The recent tool calls of a session, kept only where the app sets a limit."""

    hits: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute)

    @classmethod
    def of(cls, app: str, session: str) -> Self:
        return cls(key("APP", app, "SESSION", session), key("RATE"))

    @classmethod
    def unchanged(cls, stored: Self | None) -> Condition:
        return cls.version == stored.version if stored else cls.pk.does_not_exist()


def tool_id(app: str, name: str) -> str:
    return digest(app, name)
