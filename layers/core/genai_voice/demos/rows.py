"""How a scenario's state is stored: one item per app, guarded by its version."""

import zlib
from typing import Any, Self

from pydantic_core import from_json

from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import BinaryAttribute, Condition, Item, NumberAttribute


class StateRow(Item, discriminator="scenario_state"):
    state = BinaryAttribute(legacy_encoding=False)  # compressed JSON
    updated_at = NumberAttribute()  # epoch ms

    @classmethod
    def of(cls, app: str) -> Self:
        return cls(make_key("APP", app), make_key("STATE"))

    def read_state(self) -> dict[str, Any] | None:
        """Read the state. Answers None when what is stored cannot be read."""
        try:
            document = from_json(zlib.decompress(self.state))
        except (ValueError, TypeError, zlib.error):
            return None
        return document if isinstance(document, dict) else None

    @classmethod
    def is_unchanged(cls, stored: Self | None) -> Condition:
        """Hold where nobody has written since `stored` was read."""
        if stored is None:
            return cls.pk.does_not_exist()
        return cls.version == stored.version
