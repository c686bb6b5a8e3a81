"""A server in this process that speaks Gemini's REST wire as google-genai 3.6 was seen to: live tokens and
`generateContent`. The fixture `gemini` (tests/integration/conftest.py) has the service ask it:

    def test_…(gemini: Gemini) -> None:
        gemini.answer_next(failure(429), said([{"ok": True}]))
        …
        assert gemini.requests[1].body["contents"] == …

The next requests get these answers, one each. Without any it answers as Gemini does when all is well: a
token, or the JSON `[]`.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from genai_voice.foundation.caches import forget_all

TOKENS = "/v1alpha/auth_tokens"
WORDS = "what the provider says of itself"
"""In every error of the server: never to be seen in a reply or in the log."""


# -- what it answers ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0
    """How long it says nothing."""
    every_s: float | None = None
    """So long between one byte of the body and the next."""
    cut: bool = False
    """Whether the connection ends in the middle of the body."""


def make_token_answer(name: str = "auth_tokens/a-token") -> Answer:
    return _make_answer({"name": name})


def make_json_answer(value: Any, **more: Any) -> Answer:
    """The model answers this as JSON."""
    return make_text_answer(json.dumps(value), **more)


def make_text_answer(answer: str, finish_reason: str = "STOP") -> Answer:
    """The model answers this text, which need not be JSON."""
    content = {"role": "model", "parts": [{"text": answer}]}
    candidate = {"content": content, "finishReason": finish_reason, "index": 0}
    return _make_answer({"candidates": [candidate], "modelVersion": "a-model", "responseId": "x"})


def make_blocked_answer() -> Answer:
    """The prompt was refused by Gemini's own filters: there is no candidate."""
    return _make_answer({"promptFeedback": {"blockReason": "SAFETY"}})


def make_failure(status: int, reason: str = "INTERNAL") -> Answer:
    """An error as Google's APIs say it (google.rpc.Status)."""
    error = {"code": status, "message": f"{WORDS}, of a prompt, of project 42", "status": reason}
    return _make_answer({"error": error}, status)


def make_raw_answer(body: bytes, status: int = 200, **more: Any) -> Answer:
    """These bytes."""
    return Answer(body, status, **more)


def hang() -> Answer:
    """Nothing, until the client leaves."""
    return Answer(b"", after_s=60)


def drip(every_s: float = 0.05) -> Answer:
    """A good answer, so slowly that its end is not waited for."""
    return Answer(b'{"name": "auth_tokens/late"}' + b" " * 10_000, every_s=every_s)


def _make_answer(value: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(value).encode(), status)


# -- the server --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: Any
    """Parsed."""


@dataclass
class Gemini:
    url: str = ""
    requests: list[Received] = field(default_factory=list)
    ended: Event = field(default_factory=Event)
    _waiting: list[Answer] = field(default_factory=list)

    def answer_next(self, *answers: Answer) -> None:
        """What the next requests get."""
        self._waiting += answers

    def answer_always(self, answer: Answer) -> None:
        """What all requests get from now on."""
        self._waiting = [answer] * 1_000

    def take_next(self, path: str) -> Answer:
        if self._waiting:
            return self._waiting.pop(0)
        return make_token_answer() if path == TOKENS else make_json_answer([])


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        gemini = self.server.gemini
        gemini.requests.append(Received("POST", self.path, headers, json.loads(body)))
        with suppress(OSError):  # who asked has left
            self._answer(gemini.take_next(self.path))

    def _answer(self, answer: Answer) -> None:
        self.server.gemini.ended.wait(answer.after_s)
        self.send_response(answer.status)
        lengths = {"Content-Length": str(len(answer.body))}
        headers = {"Content-Type": "application/json; charset=UTF-8", **answer.headers, **lengths}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if answer.every_s is not None:
            self._drip(answer.body, answer.every_s)
        elif answer.cut:
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(answer.body)

    def _drip(self, body: bytes, every_s: float) -> None:
        for byte in body:
            self.wfile.write(bytes([byte]))
            if self.server.gemini.ended.wait(every_s):
                return

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # connections that wait: more than five are refused otherwise
    gemini: Gemini

    def handle_error(self, *_: object) -> None:
        """A client that breaks off ends its own connection alone."""


@contextmanager
def serve_gemini() -> Iterator[Gemini]:
    """A server on a free port."""
    gemini = Gemini()
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.gemini = gemini
        gemini.url = f"http://127.0.0.1:{server.server_port}"
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield gemini
        finally:
            gemini.ended.set()
            server.shutdown()
            serving.join()


VARIABLES = ("GEMINI_API_KEY", "GEMINI_BASE_URL")


@contextmanager
def ask_instead(gemini: Gemini) -> Iterator[Gemini]:
    """Gemini is this server for the service in this process, whose key for it is `a-key`."""
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(GEMINI_API_KEY="a-key", GEMINI_BASE_URL=gemini.url)
    forget_all()
    try:
        yield gemini
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        forget_all()
