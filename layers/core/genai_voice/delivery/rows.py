"""How deliveries are stored, whatever sends them."""

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, ClassVar, Self, get_args
from urllib.parse import unquote

from genai_voice.delivery.model import DeliveryStatus
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import (
    Action,
    Condition,
    Item,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
)

_SKEW_MS = 1_000
"""How far apart the clocks may be of who plans an attempt and who makes it."""
_LEASE_MS = 60_000
"""An attempt, with its calls to the table, must take less: another worker may begin one then."""
_RETENTION_S = 30 * 86_400
"""How long a delivery is kept once it has ended."""
_ATTEMPTS_KEPT = 32
"""Of earlier rounds, when a new one begins."""


class DeliveryAttempt(MapAttribute[str, Any]):
    """One attempt, and what came of it."""

    at = NumberAttribute()  # epoch ms
    duration_ms = NumberAttribute()
    status = NumberAttribute(null=True)  # of the answer, where there was one
    error = UnicodeAttribute(null=True)  # a sentence, where there was none


class DeliveryRow(Item):
    """One delivery of an app. It is due while it is pending, and only then.

    Each sender has a subclass with a discriminator, which says what is sent, where the rows lie (COLLECTION)
    and by what their list is filtered besides the status (its topic).
    """

    COLLECTION: ClassVar[str]
    """Names the partition of an app's deliveries of this kind."""
    TOPICS: ClassVar[tuple[str, ...]]
    """Everything that `topic` may be."""

    delivery_id = UnicodeAttribute()
    app = UnicodeAttribute()
    status = UnicodeAttribute()  # a DeliveryStatus
    attempts: ListAttribute[Any] = ListAttribute(of=DeliveryAttempt, null=True)
    claims = NumberAttribute(null=True)  # how many attempts workers have begun in this round

    @classmethod
    def of(cls, app: str, delivery_id: str) -> Self:
        partition = make_key("APP", app, cls.COLLECTION)
        return cls(partition, make_key("ID", delivery_id), app=app, delivery_id=delivery_id)

    @property
    def topic(self) -> str:
        """What the list is filtered by besides the status."""
        raise NotImplementedError

    @staticmethod
    def make_list_key(app: str, status: str, topic: str) -> str:
        """Partition of the list of an app's deliveries of one status and topic."""
        raise NotImplementedError

    @property
    def app_and_id(self) -> tuple[str, str]:
        """App and id, also where only the keys are known."""
        return unquote(self.pk.split("#")[1]), unquote(self.sk.split("#")[1])

    def set_pending(self, now: int, due_at: float | None = None) -> None:
        """Have a delivery that is not stored yet sent at `due_at`, now if none is given. What it is about is
        set before.
        """
        self.status, self.created_at = "pending", now
        self.gsi2pk, self.gsi2sk = self.make_list_key(self.app, "pending", self.topic), self.sk
        self.set_due(now if due_at is None else due_at)

    # -- what becomes of it ------------------------------------------------------------------------------

    def claim(self, now: int) -> Self | None:
        """Claim the delivery for one attempt, for whoever asks alone until the lease runs out. Answers the
        row as it is then; None where it has ended, is not due yet or another's.
        """
        row = type(self)
        lease = self.set_due_changes(now + _LEASE_MS)
        return self.change_and_return(
            [*lease, row.claims.add(1)], row.due_at <= now + _SKEW_MS, returning="ALL_NEW"
        )

    @property
    def lease_condition(self) -> Condition:
        """That the delivery is still as it was claimed: no two leases end at the same time, as each begins
        when the one before has ended.
        """
        condition: Condition = type(self).due_at == self.due_at
        return condition

    @property
    def round_condition(self) -> Condition:
        """That no replay has begun since it was claimed: that one is to be sent by itself."""
        condition: Condition = type(self).claims >= self.claims
        return condition

    def postponement_changes(self, until_ms: float) -> list[Action]:
        """It is due then, and the attempt that was claimed does not count."""
        return [*self.set_due_changes(until_ms), type(self).claims.add(-1)]

    def end_changes(self, status: DeliveryStatus, now: int) -> list[Action]:
        """It is delivered or given up, and kept for a while."""
        expiry = type(self).expires_at.set(now // 1000 + _RETENTION_S)
        return [*self._status_changes(status), *self.clear_due_changes(), expiry]

    def restart_changes(self, now: int) -> list[Action]:
        """It is pending and due, as if it had never been tried."""
        row = type(self)
        actions = [
            *self._status_changes("pending"),
            *self.set_due_changes(now),
            row.claims.remove(),
            row.expires_at.remove(),
        ]
        if len(self.attempts or ()) > _ATTEMPTS_KEPT:
            actions.append(row.attempts.set(self.attempts[-_ATTEMPTS_KEPT:]))
        return actions

    @classmethod
    def attempt_changes(cls, attempt: DeliveryAttempt) -> list[Action]:
        """The attempt is the last of the row."""
        return [cls.attempts.set((cls.attempts | []).append([attempt]))]

    def _status_changes(self, status: DeliveryStatus) -> list[Action]:
        """It has this status, and is in the list of it."""
        row = type(self)
        return [row.status.set(status), row.gsi2pk.set(self.make_list_key(self.app, status, self.topic))]

    # -- lists -------------------------------------------------------------------------------------------

    @classmethod
    def list_newest(
        cls, app: str, status: str | None, topic: str | None, before: str | None, limit: int
    ) -> Iterator[Self]:
        """List the last deliveries of a status, of a topic, of both or of neither, last first, beginning
        after position `before` (a sort key). With neither they are whole, else as the index knows them.
        """
        if not status and not topic:
            after = cls.sk < before if before else cls.sk.startswith("ID#")
            return cls.query(
                make_key("APP", app, cls.COLLECTION),
                after,
                consistent_read=True,
                scan_index_forward=False,
                limit=limit,
            )
        lists = (
            cls.list_latest("gsi2", place, before, limit) for place in cls._list_keys(app, status, topic)
        )
        return islice(_merge_newest_first(lists), limit)

    @classmethod
    def list_failed(cls, app: str) -> Iterator[Self]:
        """List those that were given up, of each topic the oldest first, as the index knows them."""
        for place in cls._list_keys(app, "failed", None):
            yield from cls.query(place, cls.gsi2sk.startswith("ID#"), index_name="gsi2")

    @classmethod
    def _list_keys(cls, app: str, status: str | None, topic: str | None) -> Iterator[str]:
        for each in [status] if status else get_args(DeliveryStatus):
            for about in [topic] if topic else cls.TOPICS:
                yield cls.make_list_key(app, each, about)


def _merge_newest_first(lists: Iterable[list[Any]]) -> Iterator[Any]:
    """Merge lists that are newest first. A row that is just moving may be in two of them, and is given
    once.
    """
    place = attrgetter("sk")
    for _, same in groupby(merge(*lists, key=place, reverse=True), key=place):
        yield next(same)
