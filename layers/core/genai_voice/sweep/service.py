"""The sweep: whatever is due is handed on, kind by kind, also where the message that told of it was lost."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, NamedTuple

from genai_voice.foundation.clock import now_ms
from genai_voice.foundation.table import Item
from genai_voice.handoffs import desk
from genai_voice.handoffs.rows import HandoffRow
from genai_voice.webhooks import outbox
from genai_voice.webhooks.rows import WebhookRow


class Kind(NamedTuple):
    rows: type[Item]
    hand_on: Callable[[Sequence[Any]], None]
    """Gets rows of which only the keys are known. Some may be gone by then, or not due any more, and some are
    handed on twice.
    """
    page: int
    """How many at a time: what one of them raises keeps those of its page."""


KINDS = {
    "delivery": Kind(WebhookRow, outbox.WEBHOOKS.notify_sender, 50),
    "handoff": Kind(HandoffRow, desk.expire, 1),
}


def sweep(kind: str, time_is_left: Callable[[], bool]) -> int:
    """Hand on what is due of this kind, page by page, the longest waiting first in each partition. Answers
    how many there were. What time does not suffice for is found by the next sweep.

    A page that fails keeps no other from its turn: the first fault is raised after all of them.
    """
    rows, hand_on, size = KINDS[kind]
    due, swept = rows.list_due(now_ms()), 0
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
