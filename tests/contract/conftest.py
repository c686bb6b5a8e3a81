import pytest

LAST = "test_nothing_is_granted_that_no_test_uses"
WHOLE = {"tests/integration", "tests/contract"}


@pytest.fixture(autouse=True)
def _needs_engine(engine: None) -> None:
    """Every test here talks to the table."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What no test uses can be told when all have run: that test comes last, and only in a whole run."""
    last = [item for item in items if item.name == LAST]
    root = config.rootpath
    folders = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    whole = all(any((root / each).is_relative_to(folder) for folder in folders) for each in WHOLE)
    chosen = config.option.keyword or config.option.markexpr or config.option.deselect
    items[:] = [item for item in items if item.name != LAST] + (last if whole and not chosen else [])
