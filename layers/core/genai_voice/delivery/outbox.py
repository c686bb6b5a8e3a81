"""The outbox of a sender: the kind of its rows, and the queue that tells it which of them are due."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic_core import to_json

from genai_voice.delivery.rows import DeliveryRow
from genai_voice.foundation.queue import QueueMessage, send_messages

R = TypeVar("R", bound=DeliveryRow)


@dataclass(frozen=True, slots=True)
class Outbox(Generic[R]):
    """What one sender is to send. The rows are written in the transaction of what they report, so that none
    is lost or made up; then the sender is notified.
    """

    rows: type[R]
    queue_url: Callable[[], str | None]
    """Where the sender's queue is; None leaves everything to the sweep."""

    def notify_sender(self, rows: Sequence[DeliveryRow], delay_s: int = 0) -> None:
        """Tell the sender of rows that are written, of which the keys suffice, `delay_s` seconds from now. A
        sender that does not hear of them finds them at the next sweep.
        """
        messages = [QueueMessage(to_message(*row.app_and_id), group=row.app_and_id[0]) for row in rows]
        send_messages(self.queue_url(), messages, delay_s)


def to_message(app: str, delivery_id: str) -> str:
    """What the queue says of a delivery."""
    return to_json({"app": app, "deliveryId": delivery_id}).decode()
