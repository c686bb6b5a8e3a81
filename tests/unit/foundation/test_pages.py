"""Pages: filled in order, cursors that nobody can make or carry elsewhere."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from genai_voice.foundation.errors import BadRequest
from genai_voice.foundation.model import Listing
from genai_voice.foundation.pages import (
    REPLY_BYTES,
    PageRows,
    count_wire_bytes,
    read_cursor,
    read_page,
    sign_cursor,
)
from genai_voice.foundation.table import Item
from hypothesis import given
from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
positions = st.lists(texts | st.integers(-(2**53), 2**53) | st.booleans() | st.none(), max_size=4)


@given(positions, st.lists(texts, max_size=3))
def test_a_cursor_opens_where_it_was_sealed(position: list[Any], scope: list[str]) -> None:
    assert read_cursor(sign_cursor(position, *scope), *scope) == position


@given(positions, st.lists(texts, max_size=3), st.lists(texts, max_size=3))
def test_a_cursor_opens_nowhere_else(position: list[Any], scope: list[str], elsewhere: list[str]) -> None:
    if scope != elsewhere:
        with pytest.raises(BadRequest, match="cursor"):
            read_cursor(sign_cursor(position, *scope), *elsewhere)


@given(st.text(max_size=80))
def test_a_cursor_that_was_made_up_opens_nothing(cursor: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        read_cursor(cursor, "app")


@given(positions, st.data())
def test_a_cursor_of_which_one_character_was_changed_opens_nothing(
    position: list[Any], data: st.DataObject
) -> None:
    cursor = sign_cursor(position, "app")
    place = data.draw(st.integers(0, len(cursor) - 2))  # the last may carry unused bits
    changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
    with pytest.raises(BadRequest, match="cursor"):
        read_cursor(changed, "app")


@given(
    st.recursive(
        texts | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(texts, inner)
    )
)
def test_the_size_of_an_item_is_at_least_what_lambda_counts(item: object) -> None:
    body = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    escaped = json.dumps(body, ensure_ascii=False)
    assert count_wire_bytes(item) >= len(escaped.encode()) - 2


@pytest.mark.parametrize(
    ("sizes", "limit", "taken", "left"),
    [
        ([], 5, 0, False),
        ([10] * 5, 5, 5, False),
        ([10] * 6, 5, 5, True),
        ([10] * 6, None, 6, False),
        ([REPLY_BYTES * 2], 5, 1, False),
        ([REPLY_BYTES * 2, 10], 5, 1, True),
        ([REPLY_BYTES // 2 + 1] * 2, 5, 1, True),
        ([REPLY_BYTES // 3] * 4, 5, 2, True),
    ],
)
def test_a_page_ends_with_its_limit_or_before_the_reply_is_too_large(
    sizes: list[int], limit: int | None, taken: int, left: bool
) -> None:
    rows = [Item("pk", f"{place:03d}") for place in range(len(sizes))]

    def view(row: Item) -> dict[str, str]:
        return {"text": "x" * sizes[int(row.sk)]}

    page = PageRows(rows, view) if limit is None else PageRows.of(rows, limit, view)
    views, cursor = read_page("app", Listing(), ("texts",), lambda after: page)
    assert [len(view["text"]) for view in views] == sizes[:taken]
    assert (cursor is not None) == left
    assert cursor is None or read_cursor(cursor, "app", "texts") == [rows[taken - 1].sk]


LETTERS = "abcdefgh"


def page_after(after: str | None, limit: int, shown: str = LETTERS) -> PageRows[Item, dict[str, Any]]:
    """One page of a list whose rows are LETTERS; those not in `shown` are left out as it is read."""
    listed = [Item("pk", each) for each in LETTERS if after is None or each > after][: limit + 1]
    return PageRows.of(
        listed,
        limit,
        lambda row: {"letter": row.sk},
        narrow=lambda rows: [row for row in rows if row.sk in shown],
    )


def read_letters(query: Listing, limit: int, shown: str = LETTERS) -> tuple[str, str | None]:
    views, cursor = read_page("app", query, ("letters", shown), lambda after: page_after(after, limit, shown))
    return "".join(view["letter"] for view in views), cursor


@given(st.integers(1, 10), st.sets(st.sampled_from(LETTERS)))
def test_the_pages_of_a_list_are_its_rows_each_once_and_in_order(limit: int, shown: set[str]) -> None:
    wanted, cursor, found = "".join(sorted(shown)), None, ""
    for _ in LETTERS:
        letters, cursor = read_letters(Listing(cursor=cursor), limit, wanted)
        assert len(letters) <= limit
        found += letters
        if cursor is None:
            break
    assert found == wanted
    assert cursor is None


def test_a_page_that_does_not_fit_the_reply_ends_with_the_last_row_that_is_shown() -> None:
    rows = [Item("pk", each) for each in LETTERS]
    views, cursor = read_page(
        "app",
        Listing(),
        ("letters",),
        lambda after: PageRows(rows, lambda row: {"text": row.sk * (REPLY_BYTES // 3)}),
    )
    assert [view["text"][0] for view in views] == ["a", "b"]
    assert cursor is not None
    assert read_cursor(cursor, "app", "letters") == ["b"]


def test_a_page_can_be_continued_by_another_position_than_the_sort_key() -> None:
    rows = [Item("pk", each, gsi1sk=f"place of {each}") for each in LETTERS]
    _, cursor = read_page(
        "app",
        Listing(),
        ("letters",),
        lambda after: PageRows.of(rows, 2, lambda row: {"_": 1}, position=lambda row: row.gsi1sk),
    )
    assert cursor is not None
    assert read_cursor(cursor, "app", "letters") == ["place of b"]


def test_a_list_of_another_app_is_empty_and_nothing_is_read() -> None:
    def read(after: str | None) -> PageRows[Item, dict[str, Any]]:
        raise AssertionError

    assert read_page("app", Listing.model_validate({"appSlug": "other"}), ("letters",), read) == ([], None)


def test_a_cursor_of_another_list_is_refused_before_anything_is_read() -> None:
    _, cursor = read_letters(Listing(), 2)
    with pytest.raises(BadRequest, match="cursor"):
        read_page("app", Listing(cursor=cursor), ("numbers",), lambda after: page_after(after, 2))
    with pytest.raises(BadRequest, match="cursor"):
        read_page("other", Listing(cursor=cursor), ("letters", LETTERS), lambda after: page_after(after, 2))


def _show(is_shown: bool, _row: Item) -> bool:
    return is_shown


def _answer(page: PageRows[Item, Any], _after: str | None) -> PageRows[Item, Any]:
    return page


def test_a_page_reads_one_row_more_than_it_looks_at_whether_it_shows_them_or_not() -> None:
    read = list[int]()

    def rows() -> Iterator[Item]:
        for number in range(100):
            read.append(number)
            yield Item("pk", f"{number:03d}")

    def view(row: Item) -> dict[str, str]:
        return {"x": "x" * (REPLY_BYTES // 5)}

    for is_shown in (True, False):
        read.clear()
        page = PageRows(rows(), view, is_shown=partial(_show, is_shown))
        views, cursor = read_page("app", Listing(), (), partial(_answer, page))
        assert len(views) == (4 if is_shown else 0)
        assert read_cursor(cursor or "", "app") == ["003"]
        assert read == [0, 1, 2, 3, 4]


def test_a_page_may_be_shown_in_another_order_than_it_is_read() -> None:
    rows = [Item("pk", sk) for sk in "bca"]
    page = PageRows(rows, lambda row: {"sk": row.sk}, rows[-1], order=lambda row: row.sk)
    views, cursor = read_page("app", Listing(), (), lambda _: page)
    assert [each["sk"] for each in views] == ["a", "b", "c"]
    assert read_cursor(cursor or "", "app") == ["a"]
