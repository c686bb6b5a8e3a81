"""The list of an app's deliveries, and how their attempts are shown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from genai_voice.delivery.model import AttemptView, DeliveryStatus
from genai_voice.delivery.outbox import Outbox
from genai_voice.delivery.rows import DeliveryAttempt, DeliveryRow
from genai_voice.foundation.model import Listing, add_optional
from genai_voice.foundation.pages import PageRows, read_page

R = TypeVar("R", bound=DeliveryRow)
V = TypeVar("V", bound=Mapping[str, Any])


def list_deliveries(
    outbox: Outbox[R],
    app: str,
    query: Listing,
    view: Callable[[R], V],
    *,
    name: str,
    status: DeliveryStatus | None,
    topic: str | None,
    limit: int,
) -> tuple[list[V], str | None]:
    """List the newest first, as many as were asked for and fit the reply, and the cursor where more are left.
    `name` is that of the list: cursors belong to it.
    """

    def read(before: str | None) -> PageRows[R, V]:
        listed = outbox.rows.list_newest(app, status, topic, before, limit + 1)
        return PageRows.of(listed, limit, view, narrow=narrow if status or topic else None)

    def narrow(rows: Sequence[R]) -> Iterable[R]:
        """Leave out those whose status has changed: the index may still know the one before."""
        return (row for row in outbox.rows.load_full(rows) if status in (None, row.status))

    return read_page(app, query, (name, status or "", topic or ""), read)


def view_attempts(row: DeliveryRow) -> list[AttemptView]:
    """Show the attempts of a delivery, oldest first."""
    return [_view_attempt(each) for each in row.attempts or ()]


def _view_attempt(attempt: DeliveryAttempt) -> AttemptView:
    view: AttemptView = {"at": attempt.at, "durationMs": attempt.duration_ms}
    status = None if attempt.status is None else int(attempt.status)
    return add_optional(view, status=status, error=attempt.error)
