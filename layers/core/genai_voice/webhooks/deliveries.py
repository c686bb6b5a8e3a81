"""Deliveries are looked at, and sent once more."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import cast

from pydantic_core import from_json

from genai_voice.foundation.clock import back_off, now_ms
from genai_voice.foundation.errors import Busy, NotFound
from genai_voice.foundation.model import Ok
from genai_voice.foundation.pages import fill, read_cursor, sign_cursor
from genai_voice.webhooks import outbox
from genai_voice.webhooks.model import AttemptView, DeliveryPage, DeliveryQuery, DeliveryStatus, DeliveryView
from genai_voice.webhooks.rows import Attempt, DeliveryRow

_TRIES = 10
_AT_ONCE = 10  # messages of one call to the queue


def find(app: str, query: DeliveryQuery) -> DeliveryPage:
    """The newest first, as many as were asked for and fit 5 MB; `cursor` where more are left."""
    if not query.is_for(app):
        return {"deliveries": []}
    status, event = query.status, query.event
    scope = (app, "deliveries", status or "", event or "")
    before = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else None
    listed = DeliveryRow.newest(app, status, event, before, query.limit + 1)
    rows: Iterator[DeliveryRow] = iter(listed[: query.limit])
    if status or event:
        # The index may still know a status that has changed.
        rows = (row for row in DeliveryRow.load_full(rows) if status in (None, row.status))
    views, last = fill(rows, partial(_view, app))
    if last is None and len(listed) > query.limit:
        last = listed[query.limit - 1]
    page: DeliveryPage = {"deliveries": views}
    if last is not None:
        page["cursor"] = sign_cursor([last.sk], *scope)
    return page


def replay(app: str, delivery_id: str) -> Ok:
    """Have a delivery that has ended sent again, under the same id. One that is pending stays as it is.
    Raises NotFound.
    """
    for attempt in range(_TRIES):
        row = DeliveryRow.of(app, delivery_id).find_stored()
        if row is None:
            raise NotFound("Delivery not found")
        if row.status == "pending":
            return {"ok": True}
        if _begun_anew(row):
            outbox.send([row])
            return {"ok": True}
        back_off(attempt)
    raise Busy("Too many changes of this delivery at once: try again")


def redrive(app: str, *, dry_run: bool = False) -> Iterator[str]:
    """Have every delivery of the app that was given up sent again: the id of each, as it is done.

    An iterator that does its work as it is consumed. Whoever stops consuming stops the work; beginning anew
    goes on, since what is pending is not found again.
    """
    failed = DeliveryRow.load_full(DeliveryRow.failed(app))
    while batch := list(islice(failed, _AT_ONCE)):
        chosen = [row for row in batch if row.status == "failed" and (dry_run or _begun_anew(row))]
        if not dry_run:
            outbox.send(chosen)
        yield from (row.delivery_id for row in chosen)


def _begun_anew(row: DeliveryRow) -> bool:
    return row.change(row.begins_anew(now_ms()), DeliveryRow.status == row.status)


def _view(app: str, row: DeliveryRow) -> DeliveryView:
    view: DeliveryView = {
        "_id": row.delivery_id,
        "_creationTime": row.created_at or 0,
        "appSlug": app,
        "event": row.event,
        "status": cast(DeliveryStatus, row.status),
        "payload": from_json(row.payload),
        "createdAt": row.created_at or 0,
        "attempts": [_attempt(each) for each in row.attempts or ()],
    }
    if row.due_at is not None:
        view["nextAttemptAt"] = row.due_at
    return view


def _attempt(attempt: Attempt) -> AttemptView:
    view: AttemptView = {"at": attempt.at, "durationMs": attempt.duration_ms}
    if attempt.status is not None:
        view["status"] = int(attempt.status)
    if attempt.error is not None:
        view["error"] = attempt.error
    return view
