"""Pages: filled in order, cursors that nobody can make or carry elsewhere."""

import json
from typing import Any

import pytest
from genai_voice.foundation.errors import BadRequest
from genai_voice.foundation.pages import REPLY_BYTES, fill, opened_cursor, sealed_cursor, wire_size
from hypothesis import given
from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
positions = st.lists(texts | st.integers(-(2**53), 2**53) | st.booleans() | st.none(), max_size=4)


@given(positions, st.lists(texts, max_size=3))
def test_a_cursor_opens_where_it_was_sealed(position: list[Any], scope: list[str]) -> None:
    assert opened_cursor(sealed_cursor(position, *scope), *scope) == position


@given(positions, st.lists(texts, max_size=3), st.lists(texts, max_size=3))
def test_a_cursor_opens_nowhere_else(position: list[Any], scope: list[str], elsewhere: list[str]) -> None:
    if scope != elsewhere:
        with pytest.raises(BadRequest, match="cursor"):
            opened_cursor(sealed_cursor(position, *scope), *elsewhere)


@given(st.text(max_size=80))
def test_a_cursor_that_was_made_up_opens_nothing(cursor: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        opened_cursor(cursor, "app")


@given(positions, st.data())
def test_a_cursor_of_which_one_character_was_changed_opens_nothing(
    position: list[Any], data: st.DataObject
) -> None:
    cursor = sealed_cursor(position, "app")
    place = data.draw(st.integers(0, len(cursor) - 2))  # the last may carry unused bits
    changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
    with pytest.raises(BadRequest, match="cursor"):
        opened_cursor(changed, "app")


@given(
    st.recursive(
        texts | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(texts, inner)
    )
)
def test_the_size_of_an_item_is_at_least_what_lambda_counts(item: object) -> None:
    body = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    escaped = json.dumps(body, ensure_ascii=False)
    assert wire_size(item) >= len(escaped.encode()) - 2


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
    rows: list[Any] = [{"text": "x" * size} for size in sizes]
    views, last = fill(rows, lambda row: row, limit)
    assert views == rows[:taken]
    assert (last is not None) == left
    assert last is None or last is rows[taken - 1]
