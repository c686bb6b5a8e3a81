"""Spoken numbers: with which digits they would have been written, and in place of which words."""

import pytest
from genai_voice.guardrails.digits import MAY_BE_NUMBERS, find_replacements
from genai_voice.guardrails.expressions import Expression
from genai_voice.guardrails.readings import Reading
from hypothesis import given
from hypothesis import strategies as st

WORDS = [
    *("zero", "one", "four", "nine", "oh", "o", "ten", "nineteen", "twenty", "forty", "double", "triple"),
    *(
        "hundred",
        "thousand",
        "and",
        "dash",
        "hyphen",
        "dot",
        "7",
        "4111",
        "-",
        ",",
        ".",
        "\n",
        "card",
        "o'clock",
    ),
    *("Double", "FIVE", "\u0664", "four\u2019s", "_", "two-three", "111one", "b4", "card", "o'clock"),
]


def readings(text: str) -> list[str]:
    found = []
    for replaced in find_replacements(text):
        shown, done = "", 0
        for each in replaced:
            shown += text[done : each.start] + each.text
            done = each.end
        found.append(shown + text[done:])
    return found


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("four one one one", "4111"),
        ("Four One, one ONE", "4111"),
        ("four-one-one-one", "4111"),
        ("double five", "55"),
        ("triple zero", "000"),
        ("treble 7 double oh", "77700"),
        ("oh four oh", "040"),
        ("five o one", "501"),
        ("forty one", "41"),
        ("forty-one", "41"),
        ("forty", "40"),
        ("sixty zero", "600"),
        ("nineteen eighty four", "1984"),
        ("eight hundred", "800"),
        ("two thousand", "2000"),
        ("eight hundred and five", "805"),
        ("twelve hundred", "1200"),
        ("five hundred thousand", "500000"),
        ("4 1 1 1", "4111"),
        ("4111 one one one one", "41111111"),
        ("one two three dash four five dash six", "123-45-6"),
        ("one two hyphen three", "12-3"),
        ("one dot two", "1.2"),
        ("my code is four one ok", "my code is 41 ok"),
        ("\u0664\u0661", "41"),
    ],
)
def test_a_spoken_number_is_read_in_digits(text: str, digits: str) -> None:
    assert digits in readings(text)


@pytest.mark.parametrize(
    ("text", "readings_"),
    [
        ("eight hundred five", ["805", "8005"]),
        ("eight hundred fifty five", ["855", "80055"]),
        ("eight hundred five five five", ["80555", "800555"]),
        ("two thousand five hundred eleven", ["2511", "200050011"]),
    ],
)
def test_what_can_be_meant_in_two_ways_is_read_in_both(text: str, readings_: list[str]) -> None:
    assert readings(text) == readings_


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody said a number",
        "oh, I see",
        "o'clock",
        "a dash of salt",
        "hundreds and thousands",
        "someone phoned",
        "in 2024 100 people",
        "555-0134",
        "4th of the 7th",
    ],
)
def test_where_no_number_was_said_there_is_nothing_to_read(text: str) -> None:
    assert readings(text) == []


def test_words_between_numbers_keep_them_apart() -> None:
    assert readings("four dogs, one cat; two, three") == ["4 dogs, 1 cat; 23"]


def test_thousands_in_a_row_do_not_pile_up() -> None:
    assert len(readings("one thousand one hundred and " * 2000)) == 2


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_what_is_replaced_is_ascending_and_within_the_text(text: str) -> None:
    for replaced in find_replacements(text):
        edges = [edge for each in replaced for edge in (each.start, each.end)]
        assert edges == sorted(edges)
        assert all(0 <= each.start < each.end <= len(text) for each in replaced)


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_no_ascii_text_is_passed_over_that_has_something_to_read(text: str) -> None:
    if text.isascii() and find_replacements(text):
        assert Expression(MAY_BE_NUMBERS).is_in(Reading(text))
