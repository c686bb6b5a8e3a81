"""The sweep hands on what is due, kind by kind, also where the message that told of it was lost. Before that
it gives apps of before the row that they lack.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, NamedTuple

from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.table import Item
from genai_voice.handoffs import desk
from genai_voice.handoffs.rows import HandoffRow
from genai_voice.tenancy.splitting import split_apps
from genai_voice.webhooks import outbox
from genai_voice.webhooks.rows import WebhookRow


class DueKind(NamedTuple):
    """One kind of row that may be due, and who takes care of it."""

    rows: type[Item]
    hand_on: Callable[[Sequence[Any]], None]
    """Takes rows of which only the keys are known. Some may be gone by then, or not due any more, and some
    come twice.
    """
    page_size: int
    """How many rows at a time: what one of them raises keeps the others of its page waiting."""


KINDS = {
    "delivery": DueKind(WebhookRow, outbox.WEBHOOKS.notify_sender, 50),
    "handoff": DueKind(HandoffRow, desk.expire_due_handoffs, 1),
}


PIECES = ("apps", *KINDS)


def sweep(piece: str, time_is_left: Callable[[], bool]) -> int:
    """Do one of PIECES. Answers how many items it has handled; what time does not suffice for is found by the
    next sweep.
    """
    return split_apps(time_is_left) if piece == "apps" else _hand_on_due(piece, time_is_left)


def _hand_on_due(kind: str, time_is_left: Callable[[], bool]) -> int:
    """Hand on what is due of this kind, page by page, the longest waiting first in each partition. Answers
    how many there were.

    A page that fails keeps no other from its turn: the first fault is raised after all of them.
    """
    rows, hand_on, size = KINDS[kind]
    due, swept = rows.list_due(get_now_ms()), 0
    fault: Exception | None = None
    while time_is_left() and (page := list(islice(due, size))):
        try:
            hand_on(page)
        except Exception as reason:  # the workers' loop: it is raised below
            fault = fault or reason
        swept += len(page)
    if fault:
        raise fault
    return swept
