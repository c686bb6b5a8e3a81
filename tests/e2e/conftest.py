"""One run of the real service per module, for tests that do not disturb each other."""

import signal
from collections.abc import Iterator

import pytest

from tests.e2e.served import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as service:
        yield service


# Where the suite runs under nohup or in the background its services would inherit that, and be right not to
# end with SIGHUP or SIGINT.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
