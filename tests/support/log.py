"""What the service's logger writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from genai_voice.foundation.log import get_logger


@contextmanager
def record_log() -> Iterator[StringIO]:
    """What is written meanwhile."""
    written = StringIO()
    handler: Any = get_logger().registered_handler
    before, handler.stream = handler.stream, written  # setStream would flush a stream that pytest has closed
    try:
        yield written
    finally:
        handler.stream = before
