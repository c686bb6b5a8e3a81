"""Small projects, and services that are gone when the test is over."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.local.service import Project, Service


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.data.mkdir()
    return made


@pytest.fixture
def start(project: Project) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def begin(*command: str, **variables: str) -> Service:
        started.append(Service(project, *command, **variables))
        return started[-1]

    yield begin
    for service in started:
        service.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One run for all tests that do not disturb each other."""
    made = Project(tmp_path_factory.mktemp("shared"))
    made.data.mkdir()
    service = Service(made)
    yield service
    service.close()
