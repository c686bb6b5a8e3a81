"""What stands between the service and its DynamoDB, and breaks the connection when it is told to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OUR_OWN = ("Scan", "DescribeTable")  # of the sweeper and the start, not of a request
_KEPT = ("content-type", "x-amz-target", "x-amz-date", "authorization")


@dataclass
class Cut:
    """At the `number`-th request (from 1), before it is passed on or after it was carried out.

    A `lasting` one breaks all that follow, too, until it is mended.
    """

    number: int
    after: bool
    lasting: bool
    seen: int = 0

    @property
    def happened(self) -> bool:
        return self.seen >= self.number


class Wire(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, engine: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        parts = urlsplit(engine)
        self.engine = (parts.hostname or "", parts.port or 80)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self._lock = threading.Lock()
        self._cut: Cut | None = None

    @contextmanager
    def cut(self, number: int, *, after: bool, lasting: bool) -> Iterator[Cut]:
        cut = Cut(number, after, lasting)
        with self._lock:
            self._cut = cut
        try:
            yield cut
        finally:
            self.mend()

    def mend(self) -> None:
        with self._lock:
            self._cut = None

    def fate(self, operation: str) -> tuple[bool, bool]:
        """Of the next request: whether it is passed on, whether it is answered."""
        with self._lock:
            cut = self._cut
            if cut is None or operation in _OUR_OWN:
                return True, True
            cut.seen += 1
            if cut.seen == cut.number:
                return cut.after, False
            broken = cut.lasting and cut.happened
            return not broken, not broken

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is nothing to print."""


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Wire

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        passed, answered = self.server.fate(self.headers.get("X-Amz-Target", "").rpartition(".")[2])
        if passed:
            engine = HTTPConnection(*self.server.engine, timeout=20)
            try:
                given = {name: value for name, value in self.headers.items() if name.lower() in _KEPT}
                engine.request("POST", self.path, body, given)
                answer = engine.getresponse()
                content = answer.read()
            finally:
                engine.close()
        if not answered:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower().startswith(("content-type", "x-amz")):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def between(engine: str) -> Iterator[Wire]:
    wire = Wire(engine)
    thread = threading.Thread(target=wire.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield wire
    finally:
        wire.shutdown()
        thread.join()
        wire.server_close()
