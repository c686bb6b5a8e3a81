"""One attempt to deliver: claimed, made, and what came of it recorded.

    claim (a lease) ──> send ──> record: delivered, failed, or due again ──> notify the sender

What is sent goes out outside of every transaction. A worker that dies between sending and recording leaves a
lease that runs out: the sweep finds the delivery, and it goes out again under the same id, by which receivers
know it.
"""

from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

from genai_voice.delivery.model import AttemptResult, NextStep, Postponed, Undeliverable
from genai_voice.delivery.outbox import Outbox
from genai_voice.delivery.rows import DeliveryAttempt, DeliveryRow
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.queue import MAX_DELAY_S

R = TypeVar("R", bound=DeliveryRow)
D = TypeVar("D")

_ABANDONED = "It was begun as often as it may be, and at last nobody came to record the outcome."


def make_attempt(
    outbox: Outbox[R],
    app: str,
    delivery_id: str,
    *,
    max_attempts: int,
    prepare: Callable[[str], D | Undeliverable],
    send: Callable[[R, D], AttemptResult | Postponed],
) -> str:
    """Make the attempt that is due, if one is. Answers in a word what the delivery is now: delivered, failed,
    pending (another attempt is planned) or postponed; `not due` and `overtaken` leave it to others.

    `prepare` reads what an app's deliveries need to be sent. It is called before the attempt is claimed, so
    what it raises uses up no attempt. `send` sends one; the number of the attempt is in `claims`. What it
    raises leaves a lease that runs out, and the attempt counts, since it may have been sent.
    """
    prepared = prepare(app)
    row = outbox.rows.of(app, delivery_id).claim(get_now_ms())
    if row is None:
        return "not due"
    if row.claims > max_attempts:
        prepared = Undeliverable(_ABANDONED)
    at, started = get_now_ms(), perf_counter()
    if isinstance(prepared, Undeliverable):
        result: AttemptResult | Postponed = AttemptResult(NextStep("failed"), error=prepared.reason)
        duration_ms = 0
    else:
        result = send(row, prepared)
        duration_ms = round((perf_counter() - started) * 1000)
    if isinstance(result, Postponed):
        return _postpone(outbox, row, result.wait_s)
    attempt = DeliveryAttempt(  # type: ignore[no-untyped-call]
        at=at, duration_ms=duration_ms, status=result.answer_status, error=result.error
    )
    return _record(outbox, row, attempt, result.next_step)


def _record(outbox: Outbox[R], row: R, attempt: DeliveryAttempt, step: NextStep) -> str:
    """Record an attempt, and what follows. What was delivered is recorded also when the lease was lost
    meanwhile; all else only by whoever has it.
    """
    now, kind = get_now_ms(), outbox.rows
    if step.status == "pending":
        actions, condition = row.set_due_changes(now + step.wait_s * 1000), row.lease_condition
    elif step.status == "failed":
        actions, condition = row.end_changes("failed", now), row.lease_condition
    else:
        is_undelivered = kind.status.is_in("pending", "failed")
        actions, condition = row.end_changes("delivered", now), is_undelivered & row.round_condition
    if not row.change([*actions, *row.attempt_changes(attempt)], condition):
        return "overtaken"
    if step.status == "pending":
        _notify_when_due(outbox, row, step.wait_s)
    return step.status


def _postpone(outbox: Outbox[R], row: R, wait_s: int) -> str:
    """Give back the attempt that was claimed: it does not count, and the delivery is due later."""
    if not row.change(row.postponement_changes(get_now_ms() + wait_s * 1000), row.lease_condition):
        return "overtaken"
    _notify_when_due(outbox, row, wait_s)
    return "postponed"


def _notify_when_due(outbox: Outbox[R], row: R, wait_s: int) -> None:
    """Have the queue tell the sender then. Longer waits than the queue can hold are left to the sweep."""
    if wait_s <= MAX_DELAY_S:
        outbox.notify_sender([row], wait_s)
