"""Messages that a queue does not take: nobody is told but the log, and it quotes nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from threading import Thread
from typing import Any

import pytest
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.queue import QueueMessage, send_messages

MESSAGES = [QueueMessage("said-by-a-caller", "an-app")] * 2


@contextmanager
def serve_queue(status: int, answer: dict[str, Any]) -> Iterator[str]:
    """A queue that answers everything so. Yields its address."""
    text = json.dumps(answer).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.0")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Tests are silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/1/a-queue"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        forget_all()


def refuse(place: int, code: str) -> dict[str, Any]:
    return {"Id": str(place), "SenderFault": True, "Code": code, "Message": "inner detail"}


GONE = {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "inner detail"}
THROTTLED = {"__type": "com.amazonaws.sqs#RequestThrottled", "message": "inner detail"}
NONE_TAKEN = {"Successful": [], "Failed": [refuse(0, "InternalError"), refuse(1, "InternalError")]}
ONE_TAKEN = {"Successful": [{"Id": "0"}], "Failed": [refuse(1, "InvalidMessageContents")]}


@pytest.mark.parametrize(
    ("status", "answer", "line"),
    [
        (400, GONE, {"error": "QueueDoesNotExist", "code": "QueueDoesNotExist", "messages": 2}),
        (403, THROTTLED, {"error": "RequestThrottled", "code": "RequestThrottled", "messages": 2}),
        (200, NONE_TAKEN, {"error": "Refused", "code": "InternalError", "messages": 2}),
        (200, ONE_TAKEN, {"error": "Refused", "code": "InvalidMessageContents", "messages": 1}),
    ],
)
def test_the_log_names_the_code_of_a_lost_nudge(
    log: StringIO, status: int, answer: dict[str, Any], line: dict[str, Any]
) -> None:
    with serve_queue(status, answer) as url:
        send_messages(url, MESSAGES)
    [told] = map(json.loads, log.getvalue().splitlines())
    assert told.items() >= ({"message": "nudge lost"} | line).items()
    assert "inner detail" not in log.getvalue()
    assert "said-by-a-caller" not in log.getvalue()


def test_a_queue_that_cannot_be_reached_has_no_code(log: StringIO) -> None:
    send_messages("http://127.0.0.1:1/1/a-queue", MESSAGES)
    [told] = map(json.loads, log.getvalue().splitlines())
    assert (told["error"], told["messages"], "code" in told) == ("EndpointConnectionError", 2, False)
