"""Differences between what was expected and what came, in words and as data."""

import re
from collections.abc import Iterator
from typing import Any

_LONG = 200
_IDS = ("id", "orderNumber", "sku")


class _Absent:
    def __repr__(self) -> str:
        return "absent"


def find_differences(expected: Any, got: Any, *, exact: bool = False, where: str = "") -> Iterator[str]:
    """Find differences, a sentence for each. A pattern stands for any text that it matches; an object may
    have more keys than expected unless `exact`, a list may not be longer.
    """
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in dict.fromkeys([*expected, *(got if exact else ())]):
            path = f"{where}.{key}" if where else str(key)
            if key in got and key in expected:
                yield from find_differences(expected[key], got[key], exact=exact, where=path)
            else:
                yield _describe_difference(path, expected.get(key, _Absent()), got.get(key, _Absent()))
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (one, other) in enumerate(zip(expected, got, strict=True)):
            yield from find_differences(one, other, exact=exact, where=f"{where}[{index}]")
    elif not _is_equal(expected, got):
        yield _describe_difference(where, expected, got)


def _is_equal(expected: Any, got: Any) -> bool:
    if isinstance(expected, re.Pattern):
        return isinstance(got, str) and expected.fullmatch(got) is not None
    return isinstance(got, bool) == isinstance(expected, bool) and bool(expected == got)


def find_changes(before: Any, after: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """Find the changes of a scenario's state: `{list: {id: {key: new value}}}`, None for what has gone."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    before, after = before or {}, after or {}
    for name in dict.fromkeys([*before, *after]):
        old, new = _index_by_id(before.get(name)), _index_by_id(after.get(name))
        for row in dict.fromkeys([*old, *new]):
            one, other = old.get(row, {}), new.get(row, {})
            changed = {
                key: other.get(key)
                for key in dict.fromkeys([*one, *other])
                if (key in one, one.get(key)) != (key in other, other.get(key))
            }
            if changed:
                found.setdefault(name, {})[row] = changed
    return found


def _index_by_id(rows: Any) -> dict[str, dict[str, Any]]:
    return {identify_row(row, index): row for index, row in enumerate(rows or ())}


def identify_row(row: dict[str, Any], index: int = 0) -> str:
    """Return the id of a row, its place in the list where it has none."""
    return next((str(row[key]) for key in _IDS if key in row), f"[{index}]")


def _describe_difference(where: str, expected: Any, got: Any) -> str:
    one, other = _describe_value(expected), _describe_value(got)
    if isinstance(expected, list) and isinstance(got, list) and max(len(one), len(other)) > _LONG:
        one, other = f"a list of {len(expected)}", f"one of {len(got)}"
    return f"{where or 'it'} should be {_cut(one)}, and is {_cut(other)}"


def _describe_value(value: Any) -> str:
    return f"text like {value.pattern!r}" if isinstance(value, re.Pattern) else repr(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
