from collections.abc import Iterator

import pytest

from tests.support.gemini import Gemini, ask_instead, serve_gemini


@pytest.fixture(autouse=True)
def _needs_engine(engine: None) -> None:
    """Every test here talks to the table."""


@pytest.fixture(scope="module", autouse=True)
def gemini() -> Iterator[Gemini]:
    """A server in place of Gemini, which answers as when all is well. Other folders do without one."""
    with serve_gemini() as gemini, ask_instead(gemini):
        yield gemini
