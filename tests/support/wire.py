"""What can happen on the way to DynamoDB and back, made to happen."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session

from tests.support.service import find_client_events


class Cut(BaseException):
    """The process has died here: nothing catches this."""


@contextmanager
def act_before_call(operation: str, act: Callable[[int], None], at: tuple[int, ...]) -> Iterator[None]:
    """Calls `act(1)`, `act(2)`, ... just before the calls of this operation that `at` counts out (from 1)."""
    seen = acted = 0
    busy = False

    def hook(model: Any, **_: object) -> None:
        nonlocal seen, acted, busy
        if model.name != operation or busy:
            return
        seen += 1
        if seen in at:
            acted += 1
            busy = True
            try:
                act(acted)
            finally:
                busy = False

    with register_hook("before-call.dynamodb", hook):
        yield


@contextmanager
def register_hook(event: str, hook: Callable[..., Any], *, first: bool = True) -> Iterator[None]:
    events = find_client_events()
    (events.register_first if first else events.register_last)(event, hook)
    try:
        yield
    finally:
        events.unregister(event, hook)


@contextmanager
def answer_calls(*bodies: tuple[int, dict[str, Any]] | None) -> Iterator[list[dict[str, Any]]]:
    """The next requests get these answers (status, JSON) instead of DynamoDB's; None lets one through.

    Yields the bodies of all requests that were sent, attempts of the same call included.
    """
    waiting = list(bodies)
    sent: list[dict[str, Any]] = []

    def hook(request: Any, **_: object) -> AWSResponse | None:
        sent.append(json.loads(request.body))
        answer = waiting.pop(0) if waiting else None
        if answer is None:
            return None
        return _make_response(request, *answer)

    with register_hook("before-send.dynamodb", hook):
        yield sent


@contextmanager
def leave_unprocessed(times: int) -> Iterator[list[dict[str, Any]]]:
    """The next batch writes are answered as if DynamoDB had taken nothing. Yields all that was sent."""
    sent: list[dict[str, Any]] = []

    def hook(request: Any, **_: object) -> AWSResponse | None:
        sent.append(json.loads(request.body))
        if len(sent) > times:
            return None
        return _make_response(request, 200, {"UnprocessedItems": sent[-1]["RequestItems"]})

    with register_hook("before-send.dynamodb.BatchWriteItem", hook):
        yield sent


def _make_response(request: Any, status: int, body: dict[str, Any]) -> AWSResponse:
    """The answer to a request that nobody else gets to see: an engine in the process listens for its
    address.
    """
    request.url = "http://answered.invalid/"
    text = json.dumps(body).encode()

    class Raw:
        def stream(self, *_: object, **__: object) -> Iterator[bytes]:
            yield text

        def read(self, *_: object, **__: object) -> bytes:
            return text

    return AWSResponse(request.url, status, HTTPHeaders(), Raw())


@contextmanager
def cut(number: int, *, after: bool) -> Iterator[None]:
    """The process dies just before the n-th call reaches DynamoDB (from 1), or just after it was carried
    out.
    """
    count = 0

    def hook(**_: object) -> None:
        nonlocal count
        count += 1
        if count == number:
            raise Cut

    with register_hook("after-call.dynamodb" if after else "before-call.dynamodb", hook):
        yield


@contextmanager
def lose_answer(number: int) -> Iterator[None]:
    """The n-th request is carried out, but the connection breaks before its answer: the SDK sends it
    again.
    """
    count = 0
    busy = False

    def hook(request: Any, event_name: str, **_: object) -> None:
        nonlocal count, busy
        if busy:
            return
        count += 1
        if count == number:
            busy = True
            _carry_out(event_name, request)
            busy = False
            raise ConnectionClosedError(endpoint_url="the table")

    with register_hook("before-send.dynamodb", hook):
        yield


@contextmanager
def fail_attempts(
    reason: Exception | tuple[int, dict[str, Any]], each_takes: Callable[[], object], times: int = 100
) -> Iterator[list[str]]:
    """The next requests are not answered, or answered so (status, JSON), after `each_takes()` has moved the
    clock. Yields the operation of each attempt.
    """
    attempts: list[str] = []

    def hook(request: Any, event_name: str, **_: object) -> AWSResponse | None:
        if len(attempts) == times:
            return None
        attempts.append(event_name.rsplit(".", 1)[1])
        each_takes()
        if isinstance(reason, Exception):
            raise reason
        return _make_response(request, *reason)

    with register_hook("before-send.dynamodb", hook):
        yield attempts


def _carry_out(event_name: str, request: Any) -> None:
    """As botocore would: an engine in the process answers first, else the request goes over the network."""
    _, response = find_client_events().emit_until_response(event_name, request=request)
    if response is None:
        URLLib3Session().send(request)
