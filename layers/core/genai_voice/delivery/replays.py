"""Deliveries that have ended are sent again: one by its app, all that failed by an operator."""

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from genai_voice.delivery.outbox import Outbox
from genai_voice.delivery.rows import DeliveryRow
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import NotFound
from genai_voice.foundation.model import Ok
from genai_voice.foundation.retries import retry_lost_races

R = TypeVar("R", bound=DeliveryRow)

_BATCH = 10  # messages of one call to the queue


def replay(outbox: Outbox[R], app: str, delivery_id: str) -> Ok:
    """Have a delivery that has ended sent again, under the same id. One that is pending stays as it is.
    Raises NotFound, Busy.
    """

    def try_once() -> Ok | None:
        row = outbox.rows.of(app, delivery_id).find_stored()
        if row is None:
            raise NotFound("Delivery not found")
        if row.status == "pending":
            return {"ok": True}
        if not _restart(row):
            return None
        outbox.notify_sender([row])
        return {"ok": True}

    return retry_lost_races(try_once, busy="Too many changes of this delivery at once: try again")


def redrive(outbox: Outbox[R], app: str, *, dry_run: bool = False) -> Iterator[str]:
    """Have every delivery of the app that was given up sent again: the id of each, as it is done.

    An iterator that does its work as it is consumed. Whoever stops consuming stops the work; beginning anew
    goes on, since what is pending is not found again.
    """
    failed = outbox.rows.load_full(outbox.rows.list_failed(app))
    while batch := list(islice(failed, _BATCH)):
        chosen = [row for row in batch if row.status == "failed" and (dry_run or _restart(row))]
        if not dry_run:
            outbox.notify_sender(chosen)
        yield from (row.delivery_id for row in chosen)


def _restart(row: DeliveryRow) -> bool:
    """Have a delivery begin anew, unless somebody else was first."""
    return row.change(row.restart_changes(get_now_ms()), type(row).status == row.status)
