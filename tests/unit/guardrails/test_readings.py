"""How a text is read to be compared, and where in it each part of that came from."""

import unicodedata

import pytest
from genai_voice.guardrails.readings import Utterance, to_folded, to_plain, to_readable
from hypothesis import given
from hypothesis import strategies as st

MARKS = "\u0301\u0323\u0345\u0338\u200d\u200b\ufe0f\u00ad"
ODD = "aA1ﬁß\u0130\u212b\uff21\uff11\u1e9e\u1100\u1161\u11a8\u09c7\u09be\ufdfa\u03c2 \u3000\u2126é" + MARKS
texts = st.text(st.sampled_from(ODD), max_size=12) | st.text(max_size=12)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Plain", "Plain"),
        ("g\u200bu\u00adn", "gun"),
        ("\uff27\uff35\uff2e", "GUN"),
        ("ﬁre", "fire"),
        ("cafe\u0301", "café"),
        ("\U0001d420\U0001d42e\U0001d427", "gun"),
        ("x\u3164\ufeffy\U000e0041", "xy"),
        ("\u00bd", "1\u20442"),
    ],
)
def test_a_text_is_read_as_it_looks(text: str, read: str) -> None:
    assert to_plain(text) == read


@pytest.mark.parametrize(
    ("one", "other"),
    [("STRASSE", "straße"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("K", "\u212a"), ("\u0130x", "i\u0307X")],
)
def test_upper_and_lower_case_are_alike(one: str, other: str) -> None:
    assert to_folded(one) == to_folded(other)


def test_every_invisible_character_of_this_unicode_is_left_out() -> None:
    """Format characters (Cf) that show nothing; those that do are prefixes of numbers and the like."""
    shown = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
    shown |= set(map(chr, range(0x13430, 0x13440))) | set("\ufff9\ufffa\ufffb")
    invisible = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf"]
    assert [each for each in invisible if each not in shown and to_plain(f"a{each}b") != "ab"] == []


@given(texts)
def test_reading_what_has_been_read_changes_nothing(text: str) -> None:
    assert to_folded(to_folded(text)) == to_folded(text)


@given(texts)
def test_every_part_of_a_reading_has_its_origin(text: str) -> None:
    said = Utterance(text)
    for reading, form in [(said.plain, to_plain), (said.folded, to_folded)]:
        for place in range(len(reading.text)):
            origin = reading.find_origin((place, place + 1))
            if origin is not None:
                start, end = origin
                assert 0 <= start < end <= len(text)
                assert reading.text[place] in form(text[start:end])


@given(texts)
def test_a_whole_reading_comes_from_all_that_shows(text: str) -> None:
    said = Utterance(text)
    if said.plain.text and (origin := said.plain.find_origin((0, len(said.plain.text)))):
        outside = text[: origin[0]] + text[origin[1] :]
        assert to_plain(outside) == ""


def test_a_spoken_number_comes_from_its_words() -> None:
    said = Utterance("My caf\u0065\u0301 card: \uff46our o\u200bne one one, thanks")
    [reading] = said.digit_readings
    start = reading.text.index("4111")
    origin = reading.find_origin((start, start + 4))
    assert origin
    assert said.original[slice(*origin)] == "\uff46our o\u200bne one one"


def test_a_part_of_a_number_comes_from_all_its_words() -> None:
    [reading] = Utterance("call double five").digit_readings
    assert reading.text == "call 55"
    assert reading.find_origin((6, 7)) == (5, 16)


def test_where_characters_join_their_neighbours_whole_words_are_the_origin() -> None:
    text = "x \u1100\u1161\u11a8 y"  # a syllable of three letters
    said = Utterance(text)
    assert said.plain.text == "x \uac01 y"
    assert said.plain.find_origin((2, 3)) == (2, 5)


@pytest.mark.parametrize(
    ("pattern", "read"),
    [("a+", "a+"), ("cafe\u0301", "café"), ("\uff27un", "Gun"), ("\uff08x", "\\x{28}x"), ("a\u200bb", "ab")],
)
def test_a_pattern_says_what_texts_look_like(pattern: str, read: str) -> None:
    assert to_readable(pattern) == read
