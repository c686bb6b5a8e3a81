"""The worker process, which has all functions: it imports them by path, reports how that went, then answers
events in threads.

    python -m local.serve.worker <pid of the parent> <descriptor of a socket to the parent>

The parent sends one line of JSON (`Order`), and gets one line back: {} or {"error": "..."}. Then each byte
that it sends is a command: `.` comes with a descriptor, on which an event is read to its end and answered;
`q` means: finish what you have and end. When the socket closes, the parent is gone.
"""

import importlib.util
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict

from local.serve import leash

THREADS = 16
ANSWERED, FAILED = b"+", b"!"
EVENT, QUIT = b".", b"q"

Handler = Callable[[Any, Any], Any]


class FunctionOrder(TypedDict):
    """A function to import, and the limits that its handler is told."""

    id: str
    file: str
    attribute: str
    timeout_s: int
    memory_mb: int


class Order(TypedDict):
    """All that a worker is to import."""

    root: str
    functions: list[FunctionOrder]


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """What Lambda tells a handler about its invocation."""

    aws_request_id: str
    function_name: str
    memory_limit_in_mb: int
    deadline: float
    function_version: str = "$LATEST"
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:local:000000000000:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


class NotImported(Exception):
    """A function cannot be imported. The message says why, in one or two lines."""


class Functions:
    """All handlers, by the logical id of their function."""

    def __init__(self, order: Order) -> None:
        root = Path(order["root"])
        self._orders = {each["id"]: each for each in order["functions"]}
        self._handlers = {each["id"]: _load(each, root) for each in order["functions"]}

    def invoke(self, call: bytes) -> bytes:
        """Invoke a handler. `call` is the function's id, a space, the request's id, a newline and the event's
        JSON.
        """
        head, _, event = call.partition(b"\n")
        function, request_id = head.decode().split(" ", 1)
        order = self._orders[function]
        context = LambdaContext(
            request_id, function, order["memory_mb"], time.monotonic() + order["timeout_s"]
        )
        try:
            reply = self._handlers[function](json.loads(event), context)
            return ANSWERED + json.dumps(reply, ensure_ascii=False, separators=(",", ":")).encode()
        except BaseException:  # SystemExit too ends the invocation, not the process
            traceback.print_exc()
            return FAILED


def _load(order: FunctionOrder, root: Path) -> Handler:
    """Load a function's handler. Every function's module is called app, so each gets a module name of its
    own.
    """
    file = Path(order["file"])
    if not file.is_file():
        raise NotImported(f"{order['id']}: {_format_path(file, root)} does not exist.")
    try:
        module = load_module(f"{order['id']}_{file.stem}", file)
    except BaseException as reason:
        traceback.print_exc()
        raise NotImported(_explain(reason, root)) from None
    handler = getattr(module, order["attribute"], None)
    if not callable(handler):
        raise NotImported(f"{order['id']}: {_format_path(file, root)} has no function {order['attribute']}.")
    return handler  # type: ignore[no-any-return]


def load_module(name: str, file: Path) -> ModuleType:
    """Import the module in this file under this name."""
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _explain(reason: BaseException, root: Path) -> str:
    """Explain a failed import: `functions/tenancy/app.py, line 3: NameError: name 'x' is not defined`."""
    if isinstance(reason, SyntaxError) and reason.filename:
        return f"{_format_path(Path(reason.filename), root)}, line {reason.lineno}: SyntaxError: {reason.msg}"
    frames = [
        frame
        for frame in traceback.extract_tb(reason.__traceback__)
        if Path(frame.filename).is_relative_to(root)
    ]
    ours = [
        frame
        for frame in frames
        if "site-packages" not in frame.filename and Path(frame.filename) != Path(__file__)
    ]
    place = f"{_format_path(Path(ours[-1].filename), root)}, line {ours[-1].lineno}: " if ours else ""
    return f"{place}{type(reason).__name__}: {reason}"


def _format_path(file: Path, root: Path) -> str:
    return str(file.relative_to(root)) if file.is_relative_to(root) else str(file)


class Parent:
    """The socket to the parent."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)

    def receive_order(self) -> Order:
        """Receive the order, which is the first line."""
        with self._socket.makefile("rb") as lines:  # reads ahead, but nothing follows before we report
            return json.loads(lines.readline())  # type: ignore[no-any-return]

    def report(self, error: str | None = None) -> None:
        """Report that all is imported, or the error."""
        self._socket.sendall(json.dumps({} if error is None else {"error": error}).encode() + b"\n")

    def receive_event(self) -> int | None:
        """Receive the descriptor of the next event, None when it is time to finish. Exits when the parent is
        gone.
        """
        command, descriptors, _, _ = socket.recv_fds(self._socket, 1, 1)
        if not command:
            os._exit(1)
        return descriptors[0] if command == EVENT and descriptors else None

    def await_end(self) -> None:
        """Exit when the parent dies while the last requests finish."""
        while self._socket.recv(1):
            pass
        os._exit(1)


def _serve(functions: Functions, descriptor: int) -> None:
    """Answer the event that comes on this descriptor."""
    with socket.socket(fileno=descriptor) as exchange, exchange.makefile("rb") as incoming:
        answer = functions.invoke(incoming.read())
        try:
            exchange.sendall(answer)
        except OSError:
            return  # the parent has given up on it


def main(arguments: list[str]) -> int:
    parent_pid, descriptor = (int(argument) for argument in arguments)
    if sys.platform.startswith("linux"):
        leash.tie(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    parent = Parent(descriptor)
    try:
        functions = Functions(parent.receive_order())
    except NotImported as reason:
        parent.report(str(reason))
        return 1
    parent.report()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="request") as threads:
        while (event := parent.receive_event()) is not None:
            threads.submit(_serve, functions, event)
        threading.Thread(target=parent.await_end, daemon=True).start()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
