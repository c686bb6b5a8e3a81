"""The queues of the template in moto, and Lambda's part in them: their messages call functions."""

import asyncio
import base64
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.errors import LocalError
from local.serve import tables
from local.serve.engines import ACCOUNT, START_S, Engine
from local.serve.invocations import InvocationFailed, invoke
from local.serve.template import EventSource, Queue, Template
from local.serve.worker_pool import WorkerPool

_AT_ONCE = 4
"""Batches of a queue that are with its function. Requests need the worker's threads too."""
_LONGEST_WAIT_S = 20  # SQS's
_MOST_RECEIVED = 10  # SQS's
_RETRY_S = 1.0

Message = dict[str, Any]


class MalformedReply(Exception):
    """The value that a function has returned does not say which messages have failed."""


class Queues:
    """The queues of one run. Their `engine` is started here and stopped by whoever made it. When it takes
    longer than `late_s` seconds the terminal is told, and it is waited for all the same.
    """

    def __init__(self, engine: Engine, late_s: float = START_S) -> None:
        self.ready = asyncio.Event()
        """They are there, or will not be."""
        self._engine = engine
        self._late_s = late_s
        self._client: tables.Client = None
        self._threads = ThreadPoolExecutor(32, thread_name_prefix="queue")

    async def drive(self, template: Template, workers: WorkerPool, lock: int) -> None:
        """Drive the queues until this is cancelled. Where the engine ends, or refuses a queue, the terminal
        is told and the service goes on without queues: what is due waits for a schedule.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                if template.queues:
                    await self._engine.begin(workers.log, workers.variables, lock)
                    tasks.create_task(self._watch_engine())
                    await self._open(template.queues, workers.variables["AWS_REGION"])
                self.ready.set()
                for source in template.sources:
                    tasks.create_task(self._poll(source, workers))
        except* LocalError as reasons:
            print(f"Queues are not served until a restart: {reasons.exceptions[0]}", flush=True)
        finally:
            self.ready.set()
            self._threads.shutdown(wait=False, cancel_futures=True)  # those that wait end with the engine

    # -- the engine --------------------------------------------------------------------------------------

    async def _open(self, queues: Sequence[Queue], region: str) -> None:
        """Create the queues once the engine answers, however long that takes. Raises LocalError when it
        refuses.
        """
        lateness = asyncio.get_running_loop().call_later(self._late_s, self._tell_lateness)
        try:
            await self._engine.await_answer()
            self._client = await self._run_in_thread(
                tables.open_aws_client, "sqs", self._engine.endpoint, region, _LONGEST_WAIT_S + 10
            )
            while not await self._run_in_thread(_try_to_create_queues, self._client, queues, region):
                await asyncio.sleep(_RETRY_S)
        finally:
            lateness.cancel()

    def _tell_lateness(self) -> None:
        print(
            f"The queues are late: {self._engine.name} has not answered for {self._late_s:g} s. "
            "Webhooks wait for it and go out then.",
            flush=True,
        )

    async def _watch_engine(self) -> None:
        if self._engine.process is not None:
            code = await self._engine.process.wait()
            raise LocalError(f"{self._engine.name} has ended with exit code {code}.")

    def _run_in_thread(self, ask: Callable[..., Any], *given: Any, **named: Any) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(self._threads, partial(ask, *given, **named))

    # -- what Lambda does --------------------------------------------------------------------------------

    async def _poll(self, source: EventSource, workers: WorkerPool) -> None:
        """Receive batches of a queue without end, and call its function with up to four at once."""
        url = f"{self._engine.endpoint}/{ACCOUNT}/{source.queue}"
        free = asyncio.Semaphore(_AT_ONCE)

        async def handle(messages: list[Message]) -> None:
            try:
                await self._delete(url, await _process_batch(source, messages, workers))
            finally:
                free.release()

        async with asyncio.TaskGroup() as batches:
            while True:
                await free.acquire()
                batches.create_task(handle(await self._receive_batch(url, source)))

    async def _receive_batch(self, url: str, source: EventSource) -> list[Message]:
        """Receive at least one message, then those that come within the window, up to the batch's size."""
        messages: list[Message] = []
        while not messages:
            messages = await self._receive(url, source.batch_size, _LONGEST_WAIT_S)
        loop = asyncio.get_running_loop()
        until = loop.time() + source.window_s
        while (missing := source.batch_size - len(messages)) and (left := math.ceil(until - loop.time())) > 0:
            messages += await self._receive(url, missing, min(left, _LONGEST_WAIT_S))
        return messages

    async def _receive(self, url: str, most: int, wait_s: int) -> list[Message]:
        asked = {"MaxNumberOfMessages": min(most, _MOST_RECEIVED), "WaitTimeSeconds": wait_s}
        names = {"MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"]}
        try:
            reply = await self._run_in_thread(self._client.receive_message, QueueUrl=url, **asked, **names)
        except (BotoCoreError, ClientError):
            await asyncio.sleep(_RETRY_S)
            return []
        return list(reply.get("Messages", ()))

    async def _delete(self, url: str, messages: Sequence[Message]) -> None:
        for message in messages:
            try:
                await self._run_in_thread(
                    self._client.delete_message, QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]
                )
            except (BotoCoreError, ClientError):
                continue  # it comes again, as a message may


def _try_to_create_queues(client: tables.Client, queues: Sequence[Queue], region: str) -> bool:
    """Create the queues. Answers False when the engine does not answer. Raises LocalError when it refuses."""
    try:
        _request_queues(client, queues, region)
    except ClientError as reason:
        raise LocalError(f"moto refuses: {reason}") from None
    except BotoCoreError:
        return False
    return True


def _request_queues(client: tables.Client, queues: Sequence[Queue], region: str) -> None:
    """Create the queues, then their redrive policies: a policy names another queue, which must exist."""
    for queue in queues:
        client.create_queue(QueueName=queue.name, Attributes=queue.attributes)
    for queue in queues:
        if queue.dead_letters is not None:
            policy = {
                "deadLetterTargetArn": _format_arn(queue.dead_letters, region),
                "maxReceiveCount": queue.max_receives,
            }
            client.set_queue_attributes(
                QueueUrl=f"{client.meta.endpoint_url}/{ACCOUNT}/{queue.name}",
                Attributes={"RedrivePolicy": json.dumps(policy)},
            )


async def _process_batch(source: EventSource, messages: list[Message], workers: WorkerPool) -> list[Message]:
    """Call the function with all messages of a batch. Returns those that are done and need not come again."""
    event = build_event(source.queue, messages, workers.variables["AWS_REGION"])
    try:
        reply = await invoke(workers, source.function, event, f"{len(messages)} of {source.queue}'s messages")
        failed = (
            read_failures(reply, {each["MessageId"] for each in messages}) if source.reports_failures else ()
        )
    except InvocationFailed:
        return []
    except MalformedReply:
        print(f"{source.function}'s reply is no batch response, so its messages come again.", flush=True)
        return []
    if failed:
        print(f"{source.function} has failed {len(failed)} of {len(messages)} messages.", flush=True)
    return [each for each in messages if each["MessageId"] not in failed]


def read_failures(reply: Any, sent: set[str]) -> set[str]:
    """Read the ids of the messages that have failed. Raises MalformedReply, after which all messages come
    again.

    It decides as Lambda does: nothing, `{}` and an empty list are a success
    (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html, "Success and failure
    conditions").
    """
    try:
        failed = {each["itemIdentifier"] for each in (reply or {}).get("batchItemFailures") or ()}
    except (AttributeError, KeyError, TypeError):
        raise MalformedReply from None
    if not failed <= sent:
        raise MalformedReply
    return failed


def build_event(queue: str, messages: Sequence[Message], region: str) -> dict[str, Any]:
    """Build the event that Lambda's event source mapping sends."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {
                    name: _convert_attribute(attribute)
                    for name, attribute in message.get("MessageAttributes", {}).items()
                },
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": _format_arn(queue, region),
                "awsRegion": region,
            }
            for message in messages
        ]
    }


def _convert_attribute(given: dict[str, Any]) -> dict[str, Any]:
    """Convert a message attribute from boto3's names (StringValue, DataType) to those of the event."""
    spelled = {
        f"{key[0].lower()}{key[1:]}": base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for key, value in given.items()
    }
    return {"stringListValues": [], "binaryListValues": [], **spelled}


def _format_arn(queue: str, region: str) -> str:
    return f"arn:aws:sqs:{region}:{ACCOUNT}:{queue}"
