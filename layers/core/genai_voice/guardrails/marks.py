"""Unicode's composed forms, made in time that is linear in the text whatever marks it stacks."""

import re
from collections.abc import Iterator
from typing import Literal
from unicodedata import combining, normalize

MAX_MARKS = 30
"""In a row, as in the stream-safe text format of UAX #15 (D4): no language is known to need as many."""

_JOINER = "\u034f"  # combining grapheme joiner: shows nothing, and no mark is moved or composed across it
_IN_A_ROW = 14
"""As many of these make a text suspect: one of them is two marks at most, and the letter before them brings
up to three itself, so of fewer there are MAX_MARKS at most.
"""
_MARK = re.compile(
    r"[^\w\s\x00-\x7f\u2010-\u206f]|[\uff9e\uff9f]"
)  # these two of Katakana are letters and marks
_MANY_MARKS = re.compile(rf"[\W\uff9e\uff9f]{{{_IN_A_ROW}}}")


def compose(form: Literal["NFC", "NFKC"], text: str) -> str:
    """Bring a text that has no invisible characters into this form. Of marks in a row each MAX_MARKS are
    brought into their order and composed by themselves, because ordering n marks takes n² steps. All marks
    stay.
    """
    if not _has_many_marks(text):
        return normalize(form, text)
    return normalize(form, "".join(_join_marks(text, "NFKD" if form == "NFKC" else "NFD"))).replace(
        _JOINER, ""
    )


def _join_marks(text: str, form: Literal["NFD", "NFKD"]) -> Iterator[str]:
    """Decompose a text, with a joiner wherever MAX_MARKS marks are followed by another."""
    marks = 0
    for character in text:
        for part in normalize(form, character):
            marks = marks + 1 if combining(part) else 0
            if marks > MAX_MARKS:
                marks = 1
                yield _JOINER
            yield part


def _has_many_marks(text: str) -> bool:
    """Whether so many may be in a row that they are ordered in parts. Where they are, one of every _IN_A_ROW
    characters is among them.
    """
    before = _IN_A_ROW - 1
    places = (before + _IN_A_ROW * mark.start() for mark in _MARK.finditer(text[before::_IN_A_ROW]))
    return any(_MANY_MARKS.search(text, place - before, place + _IN_A_ROW) for place in places)
