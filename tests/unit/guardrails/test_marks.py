"""Composed forms of texts that stack marks."""

from typing import Literal
from unicodedata import combining, normalize

import pytest
from genai_voice.guardrails.marks import MAX_MARKS, compose
from hypothesis import given
from hypothesis import strategies as st

FORMS: tuple[Literal["NFC", "NFKC"], ...] = ("NFC", "NFKC")
MARKS = "\u0301\u0323\u0345\u0338\u05b0\u064b\u0f71\u3099\u0344\u0f73\uff9e"


def count_marks(text: str) -> int:
    """Count the most marks in a row."""
    most = marks = 0
    for character in normalize("NFKD", text):
        marks = marks + 1 if combining(character) else 0
        most = max(most, marks)
    return most


@pytest.mark.parametrize("form", FORMS)
@given(st.text(st.sampled_from("ae\u00e9\uff76 !" + MARKS), max_size=80) | st.text())
def test_what_has_few_marks_in_a_row_is_in_the_form(form: Literal["NFC", "NFKC"], text: str) -> None:
    text = text.replace("\u034f", "")
    if count_marks(text) <= MAX_MARKS:
        assert compose(form, text) == normalize(form, text)


@pytest.mark.parametrize("form", FORMS)
@given(st.text(st.sampled_from("e\u00e9\u1ec7" + MARKS + MARKS), min_size=30, max_size=200))
def test_composing_again_changes_nothing_and_loses_no_mark(form: Literal["NFC", "NFKC"], text: str) -> None:
    composed = compose(form, text)
    assert compose(form, composed) == composed
    assert sorted(normalize("NFKD", composed)) == sorted(normalize("NFKD", text))


def test_more_marks_are_ordered_thirty_by_thirty() -> None:
    above, below = "\u0301", "\u0323"
    assert normalize("NFKC", "x" + above * 40 + below) == "x" + below + above * 40
    assert compose("NFKC", "x" + above * 40 + below) == "x" + above * 30 + below + above * 10
    assert compose("NFKC", "x" + above * 29 + below) == "x" + below + above * 29


def test_every_mark_of_this_unicode_is_known_as_one() -> None:
    """Else as many as one likes could be ordered at once."""
    chosen = [chr(code) for code in range(0x110000)]
    marks = [each for each in chosen if combining(normalize("NFKD", each)[0])]
    assert len(marks) > 900
    for each in marks:
        unordered = "a" + "\u0301" * 15 + each * 15 + "\u0323"
        assert compose("NFKC", unordered) != normalize("NFKC", unordered), f"U+{ord(each):04X}"
