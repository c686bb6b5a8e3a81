"""Bounds of what an app may have of a kind of item: so many of them, and so many bytes together.

A change that adds an item, removes one or changes its size is one transaction with a row that counts them. So
the count agrees with the items whatever crashes, is sent again or happens at the same time. What was stored
before there was a bound is counted once, when the first such change is refused: until then none succeeds, so
nothing comes between. An app that has more than the bound keeps it, and may remove it or make it smaller.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Self

from genai_voice.foundation.errors import BadRequest
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import Action, Condition, Item, NumberAttribute
from genai_voice.foundation.transactions import Change, write_together

_UNBOUNDED = 10**15


class CountRow(Item):
    """The base of rows that count the items of a kind that an app has."""

    items = NumberAttribute(null=True)
    bytes = NumberAttribute(
        null=True
    )  # of all together, as the kind counts them; absent until they were counted


class AppCountRow(CountRow, discriminator="count"):
    """The count of a kind that keeps nothing else of all its items together."""

    @classmethod
    def of(cls, app: str, kind: str) -> Self:
        return cls(make_key("APP", app), make_key("COUNT", kind))


@dataclass(frozen=True, slots=True)
class Bound:
    """What an app may have of one kind of item."""

    row: Callable[[str], CountRow]
    """Makes the row that counts those of an app."""
    measure: Callable[[str], Iterable[int]]
    """Reads the sizes (bytes, or what the kind counts in their place) of all that an app has stored, strongly
    consistent. Where only their number is bounded each may be 0.
    """
    max_items: int
    too_many: str
    """What is refused with beyond it."""
    max_bytes: int = _UNBOUNDED
    too_large: str = ""
    """The same of their bytes together."""

    @classmethod
    def of_number(cls, kind: str, count: Callable[[str], int], max_items: int, too_many: str) -> Self:
        """Bound the number alone of a kind that keeps nothing else of all its items together. `count` counts
        those that an app has stored, strongly consistent.
        """
        return cls(
            row=lambda app: AppCountRow.of(app, kind),
            measure=lambda app: repeat(0, count(app)),
            max_items=max_items,
            too_many=too_many,
        )

    def insert(self, app: str, item: Item, *, busy: str) -> None:
        """Store an item with a key of its own, and count it. Raises BadRequest beyond the bound, and Busy
        with the text `busy` where other changes come between again and again.
        """

        def try_once() -> bool | None:
            # The second: it was written, and the answer lost.
            if write_together(self.count_changes(app, 1), inserts=[item]) or item.find_stored():
                return True
            self.check_room(app, 1)
            return None

        retry_lost_races(try_once, busy=busy)

    def remove(self, app: str, item: Item, *, busy: str) -> bool:
        """Remove an item, and count it no more. Answers whether it was there. Raises Busy."""

        def try_once() -> bool | None:
            if write_together(self.count_changes(app, -1), removals=[item]):
                return True
            if item.find_stored() is None:
                return False
            self.check_room(app, -1)
            return None

        return retry_lost_races(try_once, busy=busy)

    def count_changes(self, app: str, items: int, size: int = 0, also: Sequence[Action] = ()) -> list[Change]:
        """So many items and bytes more, or fewer where they are negative, and `also` in the row that counts
        them. Refused beyond the bound, and where nobody has counted yet: `check_room` knows why.
        """
        row = type(self.row(app))
        actions = [row.items.add(items), row.bytes.add(size), *also]
        return [Change(self.row(app), actions, self._require_room(row, items, size))]

    def _require_room(self, row: type[CountRow], items: int, size: int) -> Condition:
        condition: Condition = row.bytes.exists()
        if items > 0:
            condition &= row.items <= self.max_items - items
        if size > 0:
            condition &= row.bytes <= self.max_bytes - size
        return condition

    def check_room(self, app: str, items: int, size: int = 0) -> None:
        """Find out why `count_changes` was refused: count what nobody has counted, or raise BadRequest beyond
        the bound. Otherwise another writer came between. Of two that count at the same time the second finds
        it done.
        """
        row = self.row(app)
        stored = row.find_stored()
        if stored is None or stored.bytes is None:
            self._count(app, row)
        elif items > 0 and stored.items + items > self.max_items:
            raise BadRequest(self.too_many)
        elif size > 0 and stored.bytes + size > self.max_bytes:
            raise BadRequest(self.too_large)

    def _count(self, app: str, row: CountRow) -> None:
        number = total = 0
        for size in self.measure(app):
            number, total = number + 1, total + size
        kind = type(row)
        row.change([kind.items.set(number), kind.bytes.set(total)], kind.bytes.does_not_exist())
