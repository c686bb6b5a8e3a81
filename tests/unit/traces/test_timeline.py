"""Timelines: order, what comes twice, what fits (contract 3.16), and text that may be JSON (1.7)."""

import random
from typing import Any

import pytest
from genai_voice.traces.model import TimelineEntry
from genai_voice.traces.timeline import FoundEntry, RowLimit, TimelinePosition, parse_if_json, take_earliest
from hypothesis import given
from hypothesis import strategies as st


def entry(timestamp: float, rank: int = 0, id: str = "x", size: int = 1) -> FoundEntry:
    shown: TimelineEntry = {
        "type": "event",
        "timestamp": timestamp,
        "data": {"id": id, "eventType": "e", "sessionId": "s", "data": None},
    }
    return FoundEntry(TimelinePosition(timestamp, rank, id), shown, size)


ORDERED: dict[str, tuple[list[FoundEntry], list[FoundEntry]]] = {
    "nothing": ([], []),
    "by time": ([entry(3), entry(1), entry(2)], [entry(1), entry(2), entry(3)]),
    "fractions are time": ([entry(1.5), entry(1), entry(1.25)], [entry(1), entry(1.25), entry(1.5)]),
    "then by source": ([entry(1, 2), entry(1, 0), entry(1, 1)], [entry(1, 0), entry(1, 1), entry(1, 2)]),
    "then by id": ([entry(1, 0, "b"), entry(1, 0, "a")], [entry(1, 0, "a"), entry(1, 0, "b")]),
    "time before source": ([entry(1, 2), entry(2, 0)], [entry(1, 2), entry(2, 0)]),
    "the same twice": ([entry(1), entry(2), entry(1), entry(1)], [entry(1), entry(2)]),
    "an id at two moments": ([entry(2), entry(1)], [entry(1), entry(2)]),
    "an id of two sources": ([entry(1, 1), entry(1, 0)], [entry(1, 0), entry(1, 1)]),
}


@pytest.mark.parametrize(("given_", "expected"), ORDERED.values(), ids=ORDERED.keys())
def test_the_order(given_: list[FoundEntry], expected: list[FoundEntry]) -> None:
    assert take_earliest(given_, room=100) == (expected, False)


FITTING: dict[str, tuple[list[float], int, list[float], bool]] = {
    "all fit just so": ([1, 2, 3], 30, [1, 2, 3], False),
    "one too many": ([1, 2, 3], 29, [1, 2], True),
    "the first is always shown": ([1, 2, 3], 5, [1], True),
    "a single one that does not fit": ([1], 5, [1], False),
    "those that come late are earlier": ([9, 8, 7, 6, 5, 4, 3, 2, 1], 20, [1, 2], True),
    "one that comes twice takes its room once": ([1, 1, 1, 2], 20, [1, 2], False),
}


@pytest.mark.parametrize(("times", "room", "shown", "more"), FITTING.values(), ids=FITTING.keys())
def test_what_fits(times: list[float], room: int, shown: list[float], more: bool) -> None:
    found, left = take_earliest([entry(time, size=10) for time in times], room)
    assert ([each.position.timestamp for each in found], left) == (shown, more)


def test_a_small_entry_never_overtakes_a_large_one_that_did_not_fit() -> None:
    small, large = entry(1, size=8), entry(2, size=30)
    assert take_earliest([small, large, entry(3, size=1)], room=10) == ([small], True)


def test_it_goes_on_after_a_place() -> None:
    entries = [entry(1, 0, "a"), entry(1, 0, "b"), entry(1, 1, "a"), entry(2)]
    assert take_earliest(entries, 100, after=TimelinePosition(1, 0, "b")) == (entries[2:], False)
    assert take_earliest(entries, 100, after=TimelinePosition(2, 0, "x")) == ([], False)


places = st.tuples(st.sampled_from([0, 1, 1.5, 2, 3]), st.integers(0, 2), st.sampled_from("abc"))


@given(
    st.lists(st.tuples(places, st.integers(1, 12)), max_size=60),
    st.integers(1, 40),
    st.integers(0, 1_000),
)
def test_page_by_page_everything_is_shown_once_in_order_and_pages_fit(
    given_: list[tuple[tuple[float, int, str], int]], room: int, seed: int
) -> None:
    sizes = dict(given_)  # the same entry has the same size whenever it comes
    every = [entry(*place, size=sizes[place]) for place, _ in given_]
    shown: list[TimelinePosition] = []
    after: TimelinePosition | None = None
    more = True
    while more:
        random.Random(seed + len(shown)).shuffle(every)  # noqa: S311 - an order that can be had again
        page, more = take_earliest(every, room, after)
        assert len(page) <= 1 or sum(each.size for each in page) <= room
        assert page or not more
        shown += [each.position for each in page]
        after = shown[-1] if shown else None
    assert shown == sorted({TimelinePosition(*place) for place, _ in given_})


def test_it_holds_little_of_a_lot() -> None:
    """A generator of entries that each take a megabyte of its memory: some 200 in all, a few held at once."""
    alive, most = 0, 0

    class Large(dict[str, Any]):
        def __init__(self) -> None:
            nonlocal alive, most
            super().__init__(type="event", timestamp=0, data={"id": "x"})
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def entries() -> Any:
        for number in range(200, 0, -1):
            yield FoundEntry(TimelinePosition(number, 0, "x"), Large(), 10)  # type: ignore[arg-type]

    found, more = take_earliest(entries(), room=50)
    assert ([each.position.timestamp for each in found], more) == ([1, 2, 3, 4, 5], True)
    assert most <= 13


def test_of_each_source_the_first_rows_are_taken_and_it_is_known_whether_there_were_more() -> None:
    for lengths, exceeded in [((0, 3, 3), False), ((3, 4), True), ((4, 1), True)]:
        bound = RowLimit(3)
        taken = [list(bound.take(range(length))) for length in lengths]
        assert taken == [list(range(min(length, 3))) for length in lengths]
        assert bound.exceeded is exceeded


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
