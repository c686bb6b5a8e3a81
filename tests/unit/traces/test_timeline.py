"""Timelines: order, what comes twice, how far a page reads (contract 3.16), text that may be JSON (1.7)."""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import accumulate
from math import inf
from typing import Any, NamedTuple

import pytest
from genai_voice.foundation.clock import make_time_ordered_id
from genai_voice.foundation.keys import make_key, make_time_key
from genai_voice.traces.model import TimelineEntry
from genai_voice.traces.timeline import (
    PAGE_UNITS,
    Budget,
    Candidate,
    FoundEntry,
    Places,
    Progress,
    ReadRow,
    TimelinePosition,
    count_units,
    cut_page,
    find_time,
    parse_if_json,
    read_rows,
)
from hypothesis import given
from hypothesis import strategies as st

ROOM = 1_000


class Row(NamedTuple):
    """A row of a source, with the moments of its entries. The first is its own."""

    rank: int
    times: tuple[float, ...]
    units: float = 10
    size: int = 1
    is_known: bool = True
    """Whether the index knows its size."""
    is_listed: bool = False
    """Whether its list has all of it: then its list is read in parts of PART rows."""
    is_shown: bool = True
    """Whether it belongs to the trace."""


PART = 4
UNITS_OF_1_MB = 128
MOST_UNITS = 400  # of a page that ends with part of a list


class Page(NamedTuple):
    shown: list[TimelinePosition]
    units: float
    calls: int


def entry(position: TimelinePosition, size: int) -> FoundEntry:
    view: TimelineEntry = {
        "type": "event",
        "timestamp": position.timestamp,
        "data": {"id": position.id, "eventType": "e", "sessionId": "s", "data": None},
    }
    return FoundEntry(position, view, size)


def read_pages(rows: Sequence[Row]) -> Iterator[Page]:
    """All pages of a timeline of these rows."""
    progress = Progress(0.0, (Places(),) * 3)
    stored = {f"{row.times[0]:09.3f}-{number:03d}#": row for number, row in enumerate(rows)}
    calls = 0

    def load(candidates: Sequence[Candidate]) -> Iterator[ReadRow]:
        nonlocal calls
        calls += 1
        for each in candidates:
            row = stored[each.place]
            positions = [TimelinePosition(time, row.rank, f"{row.rank}{time}") for time in row.times]
            entries = tuple(entry(position, row.size) for position in positions if row.is_shown)
            yield ReadRow(each, entries, row.units)

    while True:
        calls, budget = 0, Budget()
        lists = [list_source(stored, rank, progress.places[rank].start, budget) for rank in range(3)]
        found, next_row, _ = read_rows(merge(*lists), load, progress, ROOM, budget)
        entries, progress = cut_page(found, next_row, progress, ROOM)
        assert sum(each.size for each in entries) <= max([ROOM, *(row.size * len(row.times) for row in rows)])
        yield Page([each.position for each in entries], budget.spent, calls)
        if next_row is None:
            return


def list_source(stored: dict[str, Row], rank: int, start: str, budget: Budget) -> Iterator[Candidate]:
    places = [place for place in sorted(stored) if stored[place].rank == rank and place >= start]
    part_end = 0
    for number, place in enumerate(places):
        row = stored[place]
        if not row.is_listed:
            yield Candidate(row.times[0], rank, place, row.units if row.is_known else 60, ("pk", place))
            continue
        if number == part_end:
            if number and not budget.may_read(PART):
                yield Candidate(row.times[0], rank, place, inf)
            part = take_part([stored[each].units for each in places[number:]])
            budget.spend(sum(part))
            part_end += len(part)
        yield Candidate(row.times[0], rank, place, 0, None, (), row.units)


def take_part(units: list[float]) -> list[float]:
    """The units of the rows that one call brings: PART of them, or as many as 1 MB holds."""
    fitting = [total <= UNITS_OF_1_MB for total in accumulate(units[:PART])]
    return units[: max(1, sum(fitting))]


def list_positions(rows: Sequence[Row]) -> list[TimelinePosition]:
    every = ((time, row.rank) for row in rows if row.is_shown for time in row.times)
    return sorted({TimelinePosition(time, rank, f"{rank}{time}") for time, rank in every})


def show(rows: Sequence[Row]) -> list[TimelinePosition]:
    return [position for page in read_pages(rows) for position in page.shown]


ORDERED: dict[str, list[Row]] = {
    "nothing": [],
    "by time": [Row(0, (3,)), Row(0, (1,)), Row(1, (2,))],
    "fractions are time": [Row(0, (1.5,)), Row(0, (1,)), Row(0, (1.25,))],
    "then by source": [Row(2, (1,)), Row(0, (1,)), Row(1, (1,))],
    "time before source": [Row(2, (1,)), Row(0, (2,))],
    "the same twice": [Row(0, (1, 2)), Row(0, (1, 2, 3)), Row(0, (2, 3))],
    "batches that overlap": [Row(0, (1, 5, 9)), Row(1, (4,)), Row(0, (2, 3, 8)), Row(2, (7,))],
}


@pytest.mark.parametrize("rows", ORDERED.values(), ids=ORDERED.keys())
def test_the_order(rows: list[Row]) -> None:
    assert show(rows) == list_positions(rows)


def test_a_page_ends_where_its_units_do() -> None:
    rows = [Row(0, (number,), units=50) for number in range(20)]
    pages = list(read_pages(rows))
    assert [len(page.shown) for page in pages] == [6, 6, 6, 2]
    assert all(page.units <= PAGE_UNITS for page in pages)


def test_a_page_ends_where_its_reply_is_full_and_has_one_row_whatever_it_takes() -> None:
    assert [len(page.shown) for page in read_pages([Row(0, (n,), size=400) for n in range(5)])] == [2, 2, 1]
    assert [len(page.shown) for page in read_pages([Row(0, (n,), size=3_000) for n in range(3)])] == [1, 1, 1]
    assert [len(page.shown) for page in read_pages([Row(0, (n,), units=900) for n in range(3)])] == [1, 1, 1]


def test_rows_of_unknown_size_are_read_few_at_a_time_until_the_page_is_full() -> None:
    rows = [Row(0, (number,), units=1, is_known=False) for number in range(300)]
    [*full, last] = read_pages(rows)
    assert [page.units for page in full] == [241]  # one more could have taken 60
    assert last.units == 300 - 241
    assert all(page.calls >= page.units / 5 for page in (*full, last))


def test_what_is_later_than_the_next_row_waits_for_it() -> None:
    rows = [Row(0, (0, 100), units=10), *(Row(1, (number,), units=40) for number in range(1, 20))]
    pages = [page.shown for page in read_pages(rows)]
    assert len(pages) == 3
    assert [position for page in pages for position in page] == list_positions(rows)


def test_batches_that_overlap_for_more_than_a_page_are_shown_before_their_turn_and_each_once() -> None:
    rows = [Row(0, (number, 1_000 + number), units=60) for number in range(30)]
    pages = list(read_pages(rows))
    shown = [position for page in pages for position in page.shown]
    assert shown != sorted(shown)
    assert sorted(shown) == list_positions(rows)
    assert all(page.shown == sorted(page.shown) for page in pages)
    assert sum(page.units for page in pages) <= 2 * sum(row.units for row in rows)


def test_a_list_that_is_read_in_parts_ends_the_page_where_the_next_part_may_be_too_much() -> None:
    rows = [Row(0, (number,), units=30, is_listed=True) for number in range(20)]
    pages = list(read_pages(rows))
    assert [position for page in pages for position in page.shown] == list_positions(rows)
    assert [page.units for page in pages] == [360, 240]


def test_what_is_read_and_not_shown_counts_and_the_page_ends_with_a_cursor() -> None:
    rows = [Row(0, (number,), units=30, is_listed=True, is_shown=number > 40) for number in range(44)]
    pages = list(read_pages(rows))
    assert [len(page.shown) for page in pages] == [0, 0, 0, 3]
    assert all(page.units <= MOST_UNITS for page in pages)


def test_lists_that_are_read_further_leave_the_units_of_rows_that_wait_to_be_read() -> None:
    small, large = Row(0, (0,), units=1, is_listed=True), Row(0, (1,), units=50, is_listed=True)
    waiting = [Row(1, (0,), units=50, is_known=False)] * 2
    rows = [
        *[small] * 9,
        *[large._replace(times=(0,))] * 2,
        small._replace(times=(1,)),
        *[large] * 4,
        *waiting,
    ]
    assert max(page.units for page in read_pages(rows)) <= MOST_UNITS


def test_rows_of_one_moment_that_are_more_than_a_page_are_shown_before_their_turn() -> None:
    later = [Row(1, (5,), units=40, is_listed=True) for _ in range(PART + 1)]
    same = [Row(0, (1,), units=15, is_listed=True) for _ in range(30)]
    pages = list(read_pages([*same, *later]))
    assert {position for page in pages for position in page.shown} == set(list_positions([*same, *later]))


rows_of_time = st.builds(
    lambda rank, first, later, units, size, is_known, is_shown: Row(
        rank, (first, *sorted(first + each for each in later)), units, size, is_known, rank == 0, is_shown
    ),
    rank=st.integers(0, 2),
    first=st.integers(0, 40),
    later=st.lists(st.integers(0, 60), max_size=4),
    units=st.sampled_from([1, 5, 20, 50]),
    size=st.sampled_from([1, 20, 100]),
    is_known=st.booleans(),
    is_shown=st.booleans(),
)


@given(st.lists(rows_of_time, max_size=40))
def test_the_pages_of_a_timeline_show_everything_and_each_reads_something_new(rows: list[Row]) -> None:
    pages = list(read_pages(rows))
    shown = [position for page in pages for position in page.shown]
    assert set(shown) == set(list_positions(rows))
    assert all(page.shown == sorted(set(page.shown)) for page in pages)
    assert all(page.units <= MOST_UNITS for page in pages)
    assert len(pages) <= len(rows) + 1


@given(st.lists(rows_of_time, max_size=40))
def test_where_batches_overlap_little_all_pages_together_are_in_order(rows: list[Row]) -> None:
    short = [
        row._replace(times=tuple(min(each, row.times[0] + 1) for each in row.times), units=1, size=1)
        for row in rows
    ]
    assert show(short) == list_positions(short)


def test_the_moment_of_a_row_is_in_its_place() -> None:
    assert find_time(make_key("MESSAGE", make_time_key(1_800_000_000_000.5, "a-b"))) == 1_800_000_000_000.5
    assert find_time(make_key("EVENTS", make_time_key(0, "ab"))) == 0
    assert find_time(make_key("ID", make_time_ordered_id(1_800_000_000_001))) == 1_800_000_000_001
    assert find_time(make_key("ID", f"{make_time_ordered_id(7)}-00", "RULE", "r-1")) == 7


def test_a_row_is_read_in_steps_of_4_kb_eventually_consistent() -> None:
    assert [count_units(size) for size in (0, 1, 4096, 4097, 409_600)] == [0.5, 0.5, 0.5, 1, 50]


PARSED: dict[str, tuple[str | None, Any]] = {
    "object": ('{"a": [1, null]}', {"a": [1, None]}),
    "array": ("[1]", [1]),
    "text": ('"x"', "x"),
    "number": ("1.5", 1.5),
    "null": ("null", None),
    "missing": (None, None),
    "no JSON": ("{oops", "{oops"),
    "words": ("state changed", "state changed"),
    "empty": ("", ""),
    "NaN": ("NaN", "NaN"),
    "infinity": ("-Infinity", "-Infinity"),
    "a number no float holds": ('{"x": 1e999}', '{"x": 1e999}'),
    "a lone surrogate": (r'"\ud800"', r'"\ud800"'),
    "two values": ("1 2", "1 2"),
    "300 deep": ("[" * 300 + "]" * 300, "[" * 300 + "]" * 300),
}


@pytest.mark.parametrize(("text", "value"), PARSED.values(), ids=PARSED.keys())
def test_text_is_parsed_or_passed_on(text: str | None, value: Any) -> None:
    assert parse_if_json(text) == value
