"""What may be stored as a pattern, and what it says."""

import re

import pytest
from genai_voice.guardrails.matching import find_problem
from genai_voice.guardrails.patterns import find_refusal, split_keywords, to_expression

LISTS = ["blocked_topic", "jailbreak_detection", "topic_boundary"]


def test_text_that_is_taken_as_it_is_may_hold_ascii_alone() -> None:
    assert find_refusal("regex", "\\Q\uff08\\E") == r"between \Q and \E there may be ASCII alone"
    assert find_refusal("regex", r"\Q(\E\uff08") is None


def test_an_expression_of_too_many_steps_is_refused() -> None:
    reason = "it takes 1,005 steps of at most 1,000: use smaller repetitions"
    assert find_problem("regex", "a{100}" * 10 + "b") == reason
    assert find_problem("regex", r"\w{50,100}") is None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("gun", ["gun"]),
        (" Gun ,knife,", ["gun", "knife"]),
        (",, ,gun, ,", ["gun"]),
        ("two words,two words", ["two words"]),
        ("STRASSE, stra\u00dfe", ["strasse"]),
        ("g\u200bun,\u200b", ["gun"]),
        (" , ,,", []),
    ],
)
def test_blank_keywords_are_ignored(pattern: str, words: list[str]) -> None:
    assert split_keywords(pattern) == words


@pytest.mark.parametrize("type_", LISTS)
@pytest.mark.parametrize("pattern", [",", " , ", "\u200b", "\u3000,\u00ad"])
def test_a_list_without_a_keyword_is_refused(type_: str, pattern: str) -> None:
    assert find_refusal(type_, pattern) == "it has no keyword"
    assert find_problem(type_, pattern) == "it has no keyword"


def test_an_expression_that_nobody_can_see_is_refused() -> None:
    assert find_refusal("regex", "\u200b") == find_problem("regex", "\u200b") == "it is empty"


@pytest.mark.parametrize(
    "keyword", ["a.b", "(", "[x", "*", "a|b", "\\d", "$5", "a_b", "x{2}", "a\tb", "\0", "é+"]
)
def test_a_keyword_is_no_expression(keyword: str) -> None:
    matched = to_expression("blocked_topic", keyword)
    assert find_problem("blocked_topic", keyword) is None
    assert re.sub(r"\\x\{(\w+)\}", lambda found: chr(int(found[1], 16)), matched) == keyword.strip()


@pytest.mark.parametrize(
    "pattern",
    [
        "a{101}",
        "a{1,101}",
        "a{101,}",
        "(ab){3}c{1000000}",
        "[a]{500}",
        "\\d{9999}",
        "\\x{41}{101}",
        "[]]{101}",
    ],
)
def test_a_repetition_of_more_than_a_hundred_is_refused(pattern: str) -> None:
    assert find_refusal("regex", pattern) == "a repetition of more than 100"


@pytest.mark.parametrize(
    "pattern",
    [
        "a{100}",
        "a{1,100}",
        "[{101}]",
        "[^]{101}]",
        "[[:alpha:]{101}]",
        "\\{101}",
        "\\Qa{101}\\E",
        "\\Qa{101}",
        "\\x{200}",
        "\\x{10FFFF}[\\x{101}]",
        "\\p{Greek}",
        "a{,101}",
        "a{x101}",
        "{",
    ],
)
def test_what_looks_like_a_repetition_and_is_none_is_taken(pattern: str) -> None:
    assert find_refusal("regex", pattern) is None
    assert find_problem("regex", pattern) is None


@pytest.mark.parametrize("type_", ["regex", "blocked_topic"])
def test_a_pattern_has_at_most_1024_bytes(type_: str) -> None:
    assert find_refusal(type_, "x" * 1024) is None
    assert find_refusal(type_, "x" * 1025) == find_refusal(type_, "é" * 513) == "over 1,024 bytes"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing ): ("),
        ("(?=a)", "invalid perl operator: (?="),
        ("\\1", "invalid escape sequence: \\1"),
        ("a**", "bad repetition operator: **"),
        ("[b-a]", "invalid character class range: b-a"),
        ("(\\pL{100}){10}", "pattern too large - compile failed"),
    ],
)
def test_what_re2_cannot_compile_is_refused_with_its_reason(pattern: str, reason: str) -> None:
    assert find_problem("pii_filter", pattern) == find_problem("anything", pattern) == reason


def test_half_characters_cannot_be_matched() -> None:
    assert find_refusal("regex", "a\\C") == "\\C matches a part of a character"
    assert find_refusal("regex", "a\\\\C") is None
