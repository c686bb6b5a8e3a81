"""One measurement in a process of its own: they change what the service in their process talks to."""

from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context

from bench.report import Findings


def measure_apart(name: str) -> tuple[str, Findings]:
    """The title of `bench.<name>` and what it finds."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measure, name).result()


def _measure(name: str) -> tuple[str, Findings]:
    measurement = import_module(f"bench.{name}")
    return measurement.TITLE, measurement.measure()
