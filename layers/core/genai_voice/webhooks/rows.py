"""How deliveries of webhooks are stored."""

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, Self, get_args
from urllib.parse import unquote

from genai_voice.foundation.keys import key
from genai_voice.foundation.table import (
    Action,
    Condition,
    Item,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from genai_voice.tenancy.model import WebhookEvent
from genai_voice.webhooks.model import DeliveryStatus

_SKEW_MS = 1_000
"""How far apart the clocks may be of who plans an attempt and who makes it."""
_LEASE_MS = 60_000
"""An attempt takes 8 s, and some calls to the table."""
_KEPT_S = 30 * 86_400
"""How long one that is settled is kept."""
_ATTEMPTS_KEPT = 32
"""Of earlier rounds, when a new one begins."""


class Attempt(MapAttribute[str, Any]):
    """One request to the app's address, and what came of it."""

    at = NumberAttribute()  # epoch ms
    duration_ms = NumberAttribute()
    status = NumberAttribute(null=True)  # of the answer, where there was one
    error = UnicodeAttribute(null=True)  # a sentence, where there was none


class DeliveryRow(Item, discriminator="delivery"):
    """One event that an app is told of. It is due while it is pending, and only then."""

    delivery_id = UnicodeAttribute()
    app = UnicodeAttribute()
    event = UnicodeAttribute()
    payload = UnicodeAttribute()  # JSON, as it is sent
    status = UnicodeAttribute()  # pending, delivered or failed
    attempts: ListAttribute[Any] = ListAttribute(of=Attempt, null=True)
    claims = NumberAttribute(null=True)  # how often a worker has begun an attempt in this round

    @classmethod
    def of(cls, app: str, delivery_id: str) -> Self:
        return cls(key("APP", app, "DELIVERY"), key("ID", delivery_id), app=app, delivery_id=delivery_id)

    @staticmethod
    def list_key(app: str, status: str, event: str) -> str:
        """Partition of the list of an app's deliveries of one status and event."""
        return key("APP", app, "DELIVERIES", status, "EVENT", event)

    @property
    def named(self) -> tuple[str, str]:
        """App and id, also where only the keys are known."""
        return unquote(self.pk.split("#")[1]), unquote(self.sk.split("#")[1])

    # -- what becomes of it ------------------------------------------------------------------------------

    def claimed(self, now: int) -> Self | None:
        """The delivery, for whoever asked alone until the lease runs out; None where it has ended, is not due
        yet or another's.
        """
        row = DeliveryRow
        lease = self.set_due_changes(now + _LEASE_MS)
        return self.change_and_return(
            [*lease, row.claims.add(1)], row.due_at <= now + _SKEW_MS, returning="ALL_NEW"
        )

    def is_leased(self) -> Condition:
        """That the delivery is still as it was claimed: no two leases end at the same time, as each begins
        when the one before has ended.
        """
        leased: Condition = DeliveryRow.due_at == self.due_at
        return leased

    def is_in_its_round(self) -> Condition:
        """That no replay has begun since it was claimed: that one is to be sent by itself."""
        in_round: Condition = DeliveryRow.claims >= self.claims
        return in_round

    def ends(self, status: DeliveryStatus, now: int) -> list[Action]:
        """It is delivered or given up, and kept for a while."""
        return [
            *self._moved(status),
            *self.clear_due_changes(),
            DeliveryRow.expires_at.set(now // 1000 + _KEPT_S),
        ]

    def begins_anew(self, now: int) -> list[Action]:
        """It is pending and due, as if it had never been tried."""
        row = DeliveryRow
        actions = [
            *self._moved("pending"),
            *self.set_due_changes(now),
            row.claims.remove(),
            row.expires_at.remove(),
        ]
        if len(self.attempts or ()) > _ATTEMPTS_KEPT:
            actions.append(row.attempts.set(self.attempts[-_ATTEMPTS_KEPT:]))
        return actions

    @classmethod
    def tried(cls, attempt: Attempt) -> Action:
        return cls.attempts.set((cls.attempts | []).append([attempt]))

    def _moved(self, status: DeliveryStatus) -> list[Action]:
        """Its status, and the list that it is in."""
        return [
            DeliveryRow.status.set(status),
            DeliveryRow.gsi2pk.set(self.list_key(self.app, status, self.event)),
        ]

    # -- lists -------------------------------------------------------------------------------------------

    @classmethod
    def newest(
        cls, app: str, status: str | None, event: str | None, before: str | None, limit: int
    ) -> list[Self]:
        """The last deliveries of a status, of an event, of both or of neither, last first, beginning after
        position `before` (a sort key). With neither they are whole, else as the index knows them.
        """
        if not status and not event:
            after = cls.sk < before if before else cls.sk.startswith("ID#")
            return list(
                cls.query(
                    key("APP", app, "DELIVERY"),
                    after,
                    consistent_read=True,
                    scan_index_forward=False,
                    limit=limit,
                )
            )
        lists = (cls.list_latest("gsi2", place, before, limit) for place in cls._lists(app, status, event))
        return list(islice(_merged(lists), limit))

    @classmethod
    def _lists(cls, app: str, status: str | None, event: str | None) -> Iterator[str]:
        for each in [status] if status else get_args(DeliveryStatus):
            for what in [event] if event else get_args(WebhookEvent):
                yield cls.list_key(app, each, what)

    @classmethod
    def failed(cls, app: str) -> Iterator[Self]:
        """Those that were given up, of each event the oldest first, as the index knows them."""
        for place in cls._lists(app, "failed", None):
            yield from cls.query(place, cls.gsi2sk.startswith("ID#"), index_name="gsi2")


def _merged(lists: Iterable[list[Any]]) -> Iterator[Any]:
    """Last first. One that moves may be seen in two lists."""
    place = attrgetter("sk")
    for _, same in groupby(merge(*lists, key=place, reverse=True), key=place):
        yield next(same)
