"""The pure parts of the measurements: prices, percentiles, units, copies of rows, what fails a run."""

from typing import Any

import pytest

from bench.consumed import Consumed
from bench.growth import make_copies
from bench.load import find_percentile
from bench.prices import COMPUTE, READ, WRITE, count_gb_seconds, count_metered_requests
from bench.report import Figure

TABLE_AND_INDEX = {"CapacityUnits": 5.0, "GlobalSecondaryIndexes": {"gsi1": {"CapacityUnits": 2.0}}}


def test_prices_are_those_of_so_many_units() -> None:
    assert READ.of(8_000_000) == pytest.approx(1.0)
    assert WRITE.of(1_600_000) == pytest.approx(1.0)
    assert COMPUTE.of(60_000) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(
    ("duration_ms", "memory_mb", "expected"),
    [(1.0, 1024, 0.001), (1.01, 1024, 0.002), (999.5, 512, 0.5), (3.2, 512, 0.002)],
)
def test_lambda_bills_whole_milliseconds(duration_ms: float, memory_mb: int, expected: float) -> None:
    assert count_gb_seconds(duration_ms, memory_mb) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("sent", "answered", "expected"),
    [(0, 0, 1), (524_288, 10, 1), (10, 524_289, 2), (5 * 1024 * 1024, 0, 10)],
)
def test_api_gateway_bills_steps_of_512_kb(sent: int, answered: int, expected: int) -> None:
    assert count_metered_requests(sent, answered) == expected


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50), (99, 99), (100, 100), (1, 1), (0, 1), (98.5, 99)]
)
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    assert find_percentile(range(1, 101), percent) == expected


def test_the_only_value_is_every_percentile() -> None:
    assert [find_percentile([7.0], each) for each in (0, 50, 99, 100)] == [7.0] * 4


def test_units_of_reads_and_writes_are_kept_apart_and_an_index_is_part_of_a_write() -> None:
    found = Consumed()
    found.add("Query", {"CapacityUnits": 0.5, "GlobalSecondaryIndexes": {"gsi1": {"CapacityUnits": 0.5}}})
    found.add("PutItem", TABLE_AND_INDEX)
    found += Consumed(["GetItem"], read=1.0)
    assert (found.calls, found.read, found.written, found.indexed) == (["GetItem"], 1.5, 5.0, 2.0)


def _row(pk: str, sk: str, **more: str) -> dict[str, dict[str, Any]]:
    return {name: {"S": value} for name, value in {"pk": pk, "sk": sk, **more}.items()}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(
            _row("APP#a#", "TOOL#t#", name="t"), _row("APP#a#", "TOOL#t-00001#", name="t"), id="of an app"
        ),
        pytest.param(
            _row("APP#a#SESSION#s#", "CONVERSATION", gsi1pk="APP#a#CONVERSATIONS", gsi1sk="5-x"),
            _row("APP#a#SESSION#s-00001#", "CONVERSATION", gsi1pk="APP#a#CONVERSATIONS", gsi1sk="5-x-00001"),
            id="of a session, once in it",
        ),
        pytest.param(
            _row("APP#a#SESSION#s#", "MESSAGE#1#", gsi2pk="APP#a#TRACE#t#", gsi2sk="MESSAGE#1#"),
            _row("APP#a#SESSION#s#", "MESSAGE#1-00001#", gsi2pk="APP#a#TRACE#t#", gsi2sk="MESSAGE#1-00001#"),
            id="of a session, many in it",
        ),
        pytest.param(
            _row("APP#a#EXECUTION", "ID#1#"), _row("APP#a#EXECUTION", "ID#1-00001#"), id="of a list"
        ),
    ],
)
def test_a_copy_of_a_row_stands_where_another_of_its_kind_would(row: Any, expected: Any) -> None:
    assert list(make_copies(row, 2))[1] == expected


@pytest.mark.parametrize("sk", ["APP", "STATE"])
def test_what_an_app_has_once_is_not_copied(sk: str) -> None:
    assert list(make_copies(_row("APP#a#", sk), 2)) == []


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("errors", 0, "", at_most=0, binding=True), True),
        (Figure("errors", 1, "", at_most=0, binding=True), False),
        (Figure("p50", 3, "ms"), None),
    ],
)
def test_a_figure_meets_its_target_or_has_none(figure: Figure, met: bool | None) -> None:
    assert figure.met is met
