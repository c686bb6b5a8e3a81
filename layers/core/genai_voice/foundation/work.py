"""Handlers for work that no request asks for: the messages of a queue, and a schedule.

    handler = make_queue_handler("webhook_sender", sender.deliver)
    handler = make_schedule_handler("sweeper", service.sweep, service.PIECES)

What there is to do is said by rows of the table, so work that fails is done later: the queue delivers its
message again, or the next sweep finds its row. Each piece of work writes one line of log.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter, signature
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from genai_voice.foundation.errors import Busy
from genai_voice.foundation.log import report_fault, report_work
from genai_voice.foundation.metering import start_metering

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

Event = Mapping[str, Any]

_RESERVE_MS = 5_000
"""The part of an invocation's time that a schedule gives to no piece: the last one has to end too."""


class Context(Protocol):
    """What Lambda tells of an invocation."""

    def get_remaining_time_in_millis(self) -> int: ...


class WorkFailed(Exception):
    """Raised to have Lambda count an invocation as failed. The reasons are in the log."""


def make_queue_handler(worker: str, handle: Callable[..., str]) -> Callable[[Event, Any], Any]:
    """Make the handler of a function that a queue invokes (SQS, with ReportBatchItemFailures).

    A message is a JSON object of texts. `handle` is called with those named like its parameters without a
    default, in camelCase, and answers its outcome in a word. Where it raises, this message alone has failed.
    A body that is no such object is dropped, as delivering it again would not help.

    The handler raises WorkFailed when all messages of an invocation have failed.
    """
    parameters = signature(handle).parameters.values()
    names = {to_camel(each.name): each.name for each in parameters if each.default is Parameter.empty}

    def handle_record(record: "SQSRecord") -> None:
        arguments = _parse_message(record.body, names)
        with _report_piece(worker, arguments or {"message_id": record.message_id}) as line:
            line["outcome"] = handle(**arguments) if arguments else "unreadable"

    def handle_event(event: Event, context: Any) -> Any:
        from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

        # The error that the processor would raise itself quotes those of the messages, and Lambda logs it.
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        failures = process_partial_response(dict(event), handle_record, processor)
        if processor.fail_messages and not processor.success_messages:
            raise WorkFailed(f"{worker}: all {len(processor.fail_messages)} messages failed")
        return failures

    return handle_event


def make_schedule_handler(
    worker: str, handle: Callable[[str, Callable[[], bool]], int], pieces: Iterable[str]
) -> Callable[[Event, Context], None]:
    """Make the handler of a function that a schedule invokes.

    It calls `handle(piece, has_time_left)` for each piece of the work. `handle` asks `has_time_left()` before
    it goes on, and answers how many items it has handled. The pieces share the time of the invocation: what
    one leaves of its share, the later ones have.

    The handler raises WorkFailed after all pieces when one of them has failed.
    """
    names = list(pieces)

    def handle_event(event: Event, context: Context) -> None:
        failed = []
        for place, piece in enumerate(names):
            ends = _compute_end_of_share(context, len(names) - place)
            try:
                with _report_piece(worker, {"piece": piece}) as line:
                    line["items"] = handle(piece, lambda: context.get_remaining_time_in_millis() > ends)  # noqa: B023 - called within this turn
                    line["outcome"] = "done"
            except Exception:  # it is reported
                failed.append(piece)
        if failed:
            raise WorkFailed(f"{worker}: {', '.join(failed)} failed")

    return handle_event


def _compute_end_of_share(context: Context, pieces_left: int) -> float:
    """Compute the remaining time, in ms, at which the next of so many pieces has used its share."""
    left = context.get_remaining_time_in_millis()
    return left - max(0, left - _RESERVE_MS) / pieces_left


def _parse_message(body: str, names: Mapping[str, str]) -> dict[str, str] | None:
    """Parse the arguments in a message, or answer None where it does not have all of them."""
    try:
        document = from_json(body)
    except ValueError:
        return None
    given = document if isinstance(document, dict) else {}
    arguments = {name: given.get(wire) for wire, name in names.items()}
    texts = {name: value for name, value in arguments.items() if isinstance(value, str) and value}
    return texts if len(texts) == len(names) else None


@contextmanager
def _report_piece(worker: str, named: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Write the line of log of a piece of work, whatever its outcome is. Yields what the line says."""
    line: dict[str, Any] = {**named, "outcome": "interrupted"}
    meter, started = start_metering(), perf_counter()
    try:
        yield line
    except Busy:
        line["outcome"] = "busy"
        raise
    except Exception as fault:
        line["outcome"] = "fault"
        report_fault(worker, None, fault)
        raise
    finally:
        report_work(worker, named=line, duration_ms=(perf_counter() - started) * 1000, meter=meter)
