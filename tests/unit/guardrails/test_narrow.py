"""Texts of one byte for each character, and patterns for them."""

from unicodedata import normalize

import pytest
import re2  # type: ignore[import-untyped,unused-ignore]
from genai_voice.guardrails.expressions import Expression
from genai_voice.guardrails.narrow import to_narrow_pattern, to_narrow_text
from genai_voice.guardrails.readings import Reading
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "gun",
            r"\bgun\b",
            "[^a]",
            r"\W+",
            r"\x{20}",
            r"\x20",
            r"\x{0041}",
            "n['\u2019]t",
            "[\u201c\u201d]x",
        ),
        *(r"\\x{e9}", r"\\\d", "[a-z]", r"\.", "(?s).", "[[:^alpha:]]"),
    ],
)
def test_a_pattern_that_tells_no_characters_outside_ascii_apart_is_narrow(pattern: str) -> None:
    assert to_narrow_pattern(pattern) is not None


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "caf\u00e9",
            "[\u00e0-\u00ff]",
            r"\pL",
            r"\p{Greek}",
            r"\PN",
            r"\x{e9}",
            r"\xe9",
            r"\351",
            r"\\\pL",
            r"\C",
        ),
        *("[a-\u2019]", "[\u2018-\u201d]", "\x80", "\u00f5"),
    ],
)
def test_a_pattern_that_does_is_not(pattern: str) -> None:
    assert to_narrow_pattern(pattern) is None


def test_every_character_is_one_byte() -> None:
    text = "a\u00e9\u2019\u044f\U0001f600\x7f\x80\u20ac\u00f5\ufffd"
    assert len(to_narrow_text(text)) == len(text)
    assert to_narrow_text(text).startswith(b"a\x80\xf6")


PIECES = (
    *(
        "a",
        "s",
        "K",
        "[^a]",
        r"\W",
        r"\w",
        ".",
        "(?s:.)",
        r"\b",
        "^",
        "$",
        "['\u2019]",
        "[^\u2019]",
        r"\s",
    ),
    *(r"\S", r"\d", "(?:a|\u2014)", "[a-z]", "[^a-z\u20ac]", r"\x{2d}", "(?-i:A)", "\u2019", "[[:punct:]]"),
)
TEXTS = st.text(
    st.sampled_from("aAsSkK\u00e9\u00e0\u00c0\u2019\u2014\u20ac\u201c\u044f\U0001f600 \n1-\u00f5\u00d5")
)


EMPTY = (r"\b", "^", "$")


@given(
    st.lists(
        st.tuples(st.sampled_from(PIECES), st.sampled_from(["", "", "+", "*", "{0,3}"])),
        min_size=1,
        max_size=6,
    ),
    TEXTS,
)
@settings(max_examples=max(1500, settings().max_examples))
def test_narrow_patterns_find_what_wide_ones_find(pieces: list[tuple[str, str]], text: str) -> None:
    pattern = "".join(piece + (times if piece not in {r"\b", "^", "$"} else "") for piece, times in pieces)
    assert to_narrow_pattern(pattern) is not None
    text = normalize("NFKC", text)
    options = re2.Options()
    options.case_sensitive, options.never_capture = False, True
    wide = [found.span() for found in re2.compile(pattern, options).finditer(text)]
    narrow = Expression(pattern)
    assert list(narrow.find_spans(Reading(text))) == wide
    assert narrow.is_in(Reading(text)) is bool(wide)
