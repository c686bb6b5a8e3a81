"""The pure parts of the measurements: prices, percentiles, units, copies of rows, what fails a run."""

from typing import Any

import pytest

from bench.consumed import Consumed
from bench.growth import make_copies
from bench.heat import measure_shared
from bench.heat_watch import Place
from bench.images import Index, count_bytes, count_read_units, count_write_units
from bench.load import find_percentile
from bench.prices import (
    COMPUTE,
    READ,
    WRITE,
    compute_hour_of_containers,
    count_gb_seconds,
    count_metered_requests,
)
from bench.report import Figure
from bench.stored import Left, measure_left, sum_up

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


def test_what_is_refused_is_part_of_what_is_written() -> None:
    found, more = Consumed(written=1.0), Consumed()
    more.add_refused(2.0)
    found += more
    assert (found.written, found.refused) == (3.0, [2.0])


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


LIST = Index(
    "gsi1", "gsi1pk", frozenset({"gsi1pk", "gsi1sk"}), frozenset({"pk", "sk", "gsi1pk", "gsi1sk", "status"})
)
LISTED = _row("p", "s", gsi1pk="list", gsi1sk="1", status="active", text="x")
FULL = 1024 - len("pkp") - len("sks") - len("text") + 1  # bytes of a text by which a row is over 1 KB


@pytest.mark.parametrize(
    ("before", "after", "writes"),
    [
        pytest.param(None, LISTED, [("list", 1)], id="put"),
        pytest.param(LISTED, None, [("list", 1)], id="deleted"),
        pytest.param(None, _row("p", "s", gsi1pk="list"), [], id="without the index's keys"),
        pytest.param(LISTED, {**LISTED, "text": {"S": "y"}}, [], id="of what is not projected"),
        pytest.param(LISTED, {**LISTED, "status": {"S": "ended"}}, [("list", 1)], id="of what is projected"),
        pytest.param(
            LISTED, {**LISTED, "status": {"S": "x" * 2000}}, [("list", 2)], id="by the larger entry"
        ),
        pytest.param(LISTED, {**LISTED, "gsi1pk": {"S": "other"}}, [("list", 1), ("other", 1)], id="moved"),
        pytest.param(
            LISTED, {**LISTED, "gsi1sk": {"S": "2"}}, [("list", 1), ("list", 1)], id="to another place"
        ),
    ],
)
def test_an_index_is_written_where_an_entry_of_it_changes(before: Any, after: Any, writes: Any) -> None:
    assert list(LIST.list_writes(before, after)) == writes


def test_a_write_counts_the_larger_image_and_a_read_what_is_there() -> None:
    full, more = _row("p", "s", text="x" * (FULL - 1)), _row("p", "s", text="x" * FULL)
    assert [count_bytes(full), count_bytes(more)] == [1024, 1025]
    assert [count_write_units(None, full), count_write_units(more, full)] == [1, 2]
    assert count_write_units(None) == 1
    large = _row("p", "s", text="x" * 5000)
    assert [count_read_units(each, consistent=True) for each in (None, more, large)] == [1, 1, 2]
    assert count_read_units(more, consistent=False) == 0.5


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"S": "é"}, 2),
        ({"B": b"123"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"N": "1760000000000"}, 3),
        ({"N": "-12.345"}, 4),
        ({"N": "0"}, 1),
        ({"L": [{"S": "ab"}, {"N": "1"}]}, 3 + 3 + 3),
        ({"M": {"name": {"S": "ab"}}}, 3 + 1 + 4 + 2),
    ],
)
def test_a_value_has_the_size_that_the_developer_guide_gives_it(value: Any, expected: int) -> None:
    assert count_bytes({"": value}) == expected


def test_parts_of_a_spread_list_are_one_key_and_what_one_conversation_has_alone_is_left_out() -> None:
    first = {Place("gsi1", "A#SHARD#0#"): 3, Place("gsi1", "LIST"): 2, Place("gsi1", "S#1#"): 7.0}
    second = {Place("gsi1", "A#SHARD#5#"): 1, Place("gsi1", "LIST"): 4, Place("gsi1", "S#2#"): 7.0}
    assert measure_shared([first, second]) == {Place("gsi1", "A#SHARD#*#"): 1, Place("gsi1", "LIST"): 3}


def test_what_is_left_is_what_was_not_there_before_with_its_entries_in_indexes_and_their_overhead() -> None:
    kept, listed, alone = _row("p", "1"), _row("p", "2", gsi1pk="list", gsi1sk="1"), _row("p", "3", text="x")
    after = {(row["pk"]["S"], row["sk"]["S"]): {**row, "kind": {"S": "k"}} for row in (kept, listed, alone)}
    left = measure_left({("p", "1"): kept}, after)
    listed_bytes = count_bytes(after["p", "2"])
    assert left == {"k": Left(2, 3, 2 * listed_bytes + count_bytes(after["p", "3"]) + 300)}
    assert sum_up({"k": Left(1, 2, 3), "l": Left(4, 5, 6)}) == Left(5, 7, 9)
    assert Left(size=10**9).dollars_a_month == pytest.approx(0.45)


def test_containers_cost_by_the_hour_whatever_they_serve() -> None:
    assert compute_hour_of_containers() == pytest.approx(2 * (0.02024 + 0.004445) + 0.0305)
