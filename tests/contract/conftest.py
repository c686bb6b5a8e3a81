import pytest


@pytest.fixture(autouse=True)
def _needs_engine(engine: None) -> None:
    """Every test here talks to the table."""
