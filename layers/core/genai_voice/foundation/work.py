"""Work that is no request: how the function of a queue, and that of a schedule, is declared. There is one
line of log for each piece of it.

    handler = make_queue_handler("webhook_sender", sender.deliver)
    handler = make_schedule_handler("sweeper", service.sweep, service.KINDS)

A row says what there is to do, so a piece that fails is found again: by the queue, which sends its message
once more, or by the next sweep.
"""

import traceback
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
"""What a schedule's work leaves of the time of its invocation: the last piece has to end too."""


class Context(Protocol):
    """What Lambda says of an invocation."""

    def get_remaining_time_in_millis(self) -> int: ...


class WorkFailed(Exception):
    """Ends an invocation that has failed as a whole, which is what Lambda counts. The reasons are logged."""


def make_queue_handler(worker: str, do: Callable[..., str]) -> Callable[[Event, Any], Any]:
    """What Lambda calls with messages of a queue (an SQS event with ReportBatchItemFailures).

    `do` gets each message: the texts of a JSON object, one for each of its parameters without a default, by
    their names in camelCase. It answers in a word what came of it. What it raises fails this message alone.
    A body that is no such message is consumed: it would never become one.
    """
    parameters = signature(do).parameters.values()
    names = {to_camel(each.name): each.name for each in parameters if each.default is Parameter.empty}

    def piece(record: "SQSRecord") -> None:
        named = _read(record.body, names)
        with _reported(worker, named or {"message_id": record.message_id}) as line:
            line["outcome"] = do(**named) if named else "unreadable"

    def handler(event: Event, context: Any) -> Any:
        from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

        # Raising would be its own, with the messages of what went wrong, which Lambda logs.
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        failures = process_partial_response(dict(event), piece, processor)
        if processor.fail_messages and not processor.success_messages:
            raise WorkFailed(f"{worker}: all {len(processor.fail_messages)} messages failed")
        return failures

    return handler


def make_schedule_handler(
    worker: str, do: Callable[[str, Callable[[], bool]], int], pieces: Iterable[str]
) -> Callable[[Event, Context], None]:
    """What Lambda calls when it is time: `do(piece, time_is_left)` for each piece, which has its share of the
    time that is left, asks `time_is_left()` before it goes on, and answers how many items it has handled.

    A piece that fails keeps the others from nothing; the invocation fails after them.
    """
    names = list(pieces)

    def handler(event: Event, context: Context) -> None:
        failed = []
        for place, piece in enumerate(names):
            ends = _end_of_share(context, len(names) - place)
            try:
                with _reported(worker, {"piece": piece}) as line:
                    line["items"] = do(piece, lambda: context.get_remaining_time_in_millis() > ends)  # noqa: B023 - called within this turn
                    line["outcome"] = "done"
            except Exception:  # it is reported
                failed.append(piece)
        if failed:
            raise WorkFailed(f"{worker}: {', '.join(failed)} failed")

    return handler


def _end_of_share(context: Context, pieces_left: int) -> float:
    """What is left of the invocation, in ms, when one of so many pieces has had its share."""
    left = context.get_remaining_time_in_millis()
    return left - max(0, left - _RESERVE_MS) / pieces_left


def _read(body: str, names: Mapping[str, str]) -> dict[str, str] | None:
    """The arguments in a message, or None where it is none."""
    try:
        said = from_json(body)
    except ValueError:
        return None
    given = said if isinstance(said, dict) else {}
    read = {ours: given.get(wire) for wire, ours in names.items()}
    texts = {name: value for name, value in read.items() if isinstance(value, str) and value}
    return texts if len(texts) == len(names) else None


@contextmanager
def _reported(worker: str, named: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Writes the line of a piece of work, whatever becomes of it."""
    line: dict[str, Any] = {**named, "outcome": "interrupted"}
    meter, started = start_metering(), perf_counter()
    try:
        yield line
    except Busy:
        line["outcome"] = "busy"
        raise
    except Exception as fault:
        line["outcome"] = "fault"
        report_fault(worker, None, type(fault).__qualname__, traceback.extract_tb(fault.__traceback__))
        raise
    finally:
        report_work(worker, named=line, duration_ms=(perf_counter() - started) * 1000, meter=meter)
