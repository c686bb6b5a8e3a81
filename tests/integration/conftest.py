from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _needs_engine(engine: None) -> None:
    """Every test here talks to the table."""


@pytest.fixture
def log() -> Iterator[StringIO]:
    """What the service's logger writes meanwhile."""
    from genai_voice.foundation.log import logger

    written = StringIO()
    handler: Any = logger().registered_handler
    before, handler.stream = handler.stream, written  # setStream would flush a stream that pytest has closed
    yield written
    handler.stream = before
