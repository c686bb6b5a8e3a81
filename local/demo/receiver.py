"""A receiver of webhooks on this machine, as an app would have one: it verifies what comes and keeps it."""

import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from local.serve.authority import issue_certificate

Json = dict[str, Any]


class Receiver:
    """Keeps the events that it could verify with their app's signing secret, and refuses all others."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.secrets: dict[str, str] = {}
        """By app."""
        self.refused: list[str] = []
        """Why, for each."""
        self._events: dict[str, Json] = {}
        self._arrived = Condition()

    def receive(self, app: str, headers: dict[str, str], body: bytes) -> int:
        """Receive a webhook. Returns the status to answer with."""
        try:
            event: Json = Webhook(self.secrets[app]).verify(body, headers)
        except (WebhookVerificationError, KeyError, ValueError) as reason:
            self.refused.append(f"{type(reason).__name__}: {reason}")
            return 400
        with self._arrived:
            self._events[headers["webhook-id"]] = event  # one that comes again is the same
            self._arrived.notify_all()
        return 204

    def await_events(self, session: str, events: int, seconds: float) -> list[Json]:
        """Wait until so many events of a session have come, or time is up. Returns them in the order of their
        times.
        """
        deadline = time.monotonic() + seconds
        with self._arrived:
            while len(self._list_events(session)) < events and (left := deadline - time.monotonic()) > 0:
                self._arrived.wait(left)
            return sorted(self._list_events(session), key=lambda event: str(event["timestamp"]))

    def _list_events(self, session: str) -> list[Json]:
        return [event for event in self._events.values() if event["sessionId"] == session]


@contextmanager
def run_receiver(data: Path) -> Iterator[Receiver]:
    """Run a receiver on a free port, with a certificate that the local service trusts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.receive(self.path.lstrip("/"), headers, body))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The account tells what came."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:  # a context reads certificates from files alone
        file.write(issue_certificate(data, ["127.0.0.1"]))
        file.flush()
        context.load_cert_chain(file.name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(f"https://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
