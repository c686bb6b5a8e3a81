"""How a scenario's state is stored: in two items per app, written in turn and guarded by their versions."""

import zlib
from typing import Any, NamedTuple, Self

from pydantic_core import from_json

from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import BinaryAttribute, Condition, Item, NumberAttribute, find_together


class StateRow(Item, discriminator="scenario_state"):
    """A state of an app's scenario. All calls of the app change the one that there is, two units each, so it
    is written to two partitions in turn: the row with the higher version counts.
    """

    state = BinaryAttribute(legacy_encoding=False)  # compressed JSON
    updated_at = NumberAttribute()  # epoch ms

    @classmethod
    def of(cls, app: str) -> Self:
        """The first of the two: the only one before they were two."""
        return cls(make_key("APP", app), make_key("STATE"))

    @classmethod
    def of_second(cls, app: str) -> Self:
        return cls(make_key("APP", app, "SCENARIO"), make_key("STATE"))

    def read_state(self) -> dict[str, Any] | None:
        """Read the state. Answers None when what is stored cannot be read."""
        try:
            document = from_json(zlib.decompress(self.state))
        except (ValueError, TypeError, zlib.error):
            return None
        return document if isinstance(document, dict) else None

    @classmethod
    def is_unchanged(cls, stored: Self | None) -> Condition:
        """Hold where nobody has written to the row since `stored` was read."""
        if stored is None:
            return cls.pk.does_not_exist()
        return cls.version.does_not_exist() if stored.version is None else cls.version == stored.version


class StoredState(NamedTuple):
    """What is stored of a state, and where the next one goes. A write there under the condition that nothing
    has changed follows on the state that was read, since another writer would have written there too.
    """

    newest: StateRow | None
    next_place: StateRow
    replaced: StateRow | None
    """What is at that place now."""

    @classmethod
    def of(cls, app: str, first: StateRow | None, second: StateRow | None) -> "StoredState":
        """Of the two rows, as they were read."""
        if first is None or (second is not None and _get_version(second) > _get_version(first)):
            return cls(second, StateRow.of(app), first)
        return cls(first, StateRow.of_second(app), second)

    @classmethod
    def find(cls, app: str) -> "StoredState":
        """Find what is stored now, in one call."""
        return cls.of(app, *find_together(StateRow.of(app), StateRow.of_second(app)))

    @property
    def next_version(self) -> int:
        return _get_version(self.newest) + 1 if self.newest else 1

    def is_unchanged(self) -> Condition:
        """Hold where nobody has written the state since."""
        return StateRow.is_unchanged(self.replaced)


def _get_version(row: StateRow) -> int:
    return int(row.version or 0)
