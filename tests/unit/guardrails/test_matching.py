"""Which rules a text violates, and what of it is masked."""

import re
import time

import pytest
from genai_voice.guardrails.masking import MASK
from genai_voice.guardrails.matching import Matcher
from genai_voice.guardrails.readings import to_plain
from hypothesis import given, settings
from hypothesis import strategies as st

SSN = r"\b\d{3}-\d{2}-\d{4}\b"
CARD = r"\b(?:\d[ -]?){13,16}\b"
EMAIL = r"[\w.+-]+@[\w-]+\.[a-z]{2,}"


def is_late() -> bool:
    return False


def find(rules: Matcher, text: str) -> list[int]:
    return rules.find(text, is_late).violated


def violates(type_: str, pattern: str, text: str) -> bool:
    return find(Matcher([(type_, pattern)]), text) == [0]


def masked(text: str, *patterns: str) -> str:
    return Matcher([("pii_filter", pattern) for pattern in patterns]).find(text, is_late).mask(is_late)


# -- types -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["blocked_topic", "jailbreak_detection"])
@pytest.mark.parametrize(
    ("text", "violation"),
    [
        ("a GUN!", True),
        ("begun", True),
        ("two  words", False),
        ("two words", True),
        ("a.b", False),
        ("", False),
    ],
)
def test_keywords_are_plain_substrings(type_: str, text: str, violation: bool) -> None:
    assert violates(type_, "gun, Two Words, a+b,", text) is violation


@pytest.mark.parametrize(
    ("text", "violation"),
    [("Do you have shoes?", False), ("SHIRTS", False), ("the weather", True), ("sh\u200boes", False)],
)
def test_a_boundary_is_crossed_where_none_of_its_topics_occurs(text: str, violation: bool) -> None:
    assert violates("topic_boundary", "shoes, shirts", text) is violation


def test_each_boundary_is_judged_by_itself() -> None:
    rules = Matcher([("topic_boundary", "shoes"), ("topic_boundary", "shirts"), ("blocked_topic", "shoes")])
    assert find(rules, "shoes") == [1, 2]
    assert find(rules, "shirts") == [0]
    assert find(rules, "weather") == [0, 1]


@pytest.mark.parametrize("type_", ["pii_filter", "regex", "keyword", "topic", "whatever"])
def test_every_other_type_is_an_expression_that_ignores_case(type_: str) -> None:
    assert violates(type_, r"\bguns?\b", "GUNS!")
    assert not violates(type_, r"\bguns?\b", "begun")
    assert not violates(type_, "a, b", "a b")


def test_rules_are_answered_in_their_order() -> None:
    rules = [
        ("regex", "c"),
        ("blocked_topic", "b"),
        ("pii_filter", "a"),
        ("topic_boundary", "x"),
        ("regex", "z"),
    ]
    assert find(Matcher(rules), "a b c") == [0, 1, 2, 3]


def test_a_rule_with_a_problem_stands_in_nobodys_way() -> None:
    rules = Matcher([("regex", "("), ("blocked_topic", ","), ("topic_boundary", ","), ("regex", "x")])
    assert find(rules, "x") == [3]
    assert find(Matcher([]), "x") == find(Matcher([("regex", "(")]), "x") == []


# -- as it was said ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["g\u200bun", "\uff27\uff35\uff2e", "g\u00adu\ufe0fn", "\U0001d4f0\U0001d4fe\U0001d4f7", "GU\u2060N"],
)
@pytest.mark.parametrize(("type_", "pattern"), [("blocked_topic", "gun"), ("regex", r"\bgun\b")])
def test_what_looks_alike_is_matched_alike(type_: str, pattern: str, text: str) -> None:
    assert violates(type_, pattern, text)


@pytest.mark.parametrize("pattern", ["strasse", "stra\u00dfe", "STRASSE", "stra\u1e9ee"])
@pytest.mark.parametrize("type_", ["blocked_topic", "regex"])
def test_case_is_ignored_as_unicode_does(type_: str, pattern: str) -> None:
    if (type_, pattern) in [("regex", "stra\u00dfe"), ("regex", "stra\u1e9ee")]:
        assert violates(type_, pattern, "Stra\u00dfe")  # an expression is not folded itself
    else:
        assert violates(type_, pattern, "STRA\u00dfE")
        assert violates(type_, pattern, "strasse")


def test_a_pattern_may_be_written_in_other_ways_than_the_text() -> None:
    assert violates("regex", "cafe\u0301", "caf\u00e9")
    assert violates("regex", "caf\u00e9", "cafe\u0301")
    assert violates("blocked_topic", "\uff47un", "gun")


# -- spoken digits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "stored"),
    [
        (CARD, "It is four one one one, " + "one " * 12 + "okay", f"It is {MASK}okay"),
        (CARD, "card 4111 1111 1111 1111.", f"card {MASK}."),
        (CARD, "card 4111 double one double one 1111 triple one one.", f"card {MASK}."),
        (SSN, "It's one two three dash four five dash six seven eight nine", f"It's {MASK}"),
        (SSN, "it's 123 dash forty five dash six seven eighty nine!", f"it's {MASK}!"),
        (r"\b800555\d{4}\b", "call eight hundred five five five oh one three four", f"call {MASK}"),
        (r"\b\d{5}\b", "zip is nine seven two oh nine and so on", f"zip is {MASK} and so on"),
    ],
)
def test_a_pii_filter_hears_spoken_digits(pattern: str, text: str, stored: str) -> None:
    assert violates("pii_filter", pattern, text)
    assert masked(text, pattern) == stored


def test_no_other_type_hears_spoken_digits() -> None:
    assert not violates("regex", r"\d", "one")
    assert violates("pii_filter", r"\d", "one")


# -- masking -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("SSN 123-45-6789.", f"SSN {MASK}."),
        ("123-45-6789 and 987-65-4321", f"{MASK} and {MASK}"),
        ("SSN \uff11\uff12\uff13-45-\u200b6789\u00ad.", f"SSN {MASK}\u00ad."),
        ("me@example.com, 123-45-6789", f"{MASK}, {MASK}"),
        ("no number", "no number"),
        ("caf\u0065\u0301 123-45-6789 \u1100\u1161", f"caf\u0065\u0301 {MASK} \u1100\u1161"),
    ],
)
def test_what_a_pii_filter_matches_is_masked_and_nothing_else(text: str, stored: str) -> None:
    assert masked(text, SSN, EMAIL) == stored


def test_matches_that_touch_are_masked_in_one() -> None:
    assert masked("abcdef", "bcd", "cde", "f") == f"a{MASK}"


def test_what_other_types_match_is_not_masked() -> None:
    assert Matcher([("regex", SSN)]).find("123-45-6789", is_late).mask(is_late) == "123-45-6789"


def test_an_expression_that_matches_nothing_at_all_masks_nothing() -> None:
    assert violates("pii_filter", "x*", "abc")
    assert masked("abxc", "x*") == f"ab{MASK}c"


PARTS = [
    *("one ", "two ", "double ", "oh ", "dash ", "hundred ", "1", "2-", " ", "x "),
    *("\u200b", "\uff11", "e\u0301", "\u1100\u1161"),
]


@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join))
@settings(max_examples=max(1000, settings().max_examples))
def test_of_what_was_masked_no_filter_finds_anything(text: str) -> None:
    """Unless the mask has brought together what was apart, or has cut a group of digits in two."""
    rules = Matcher([("pii_filter", r"\d\d-?\d")])
    shown = rules.find(text, is_late).mask(is_late)
    assert (MASK in shown) is (find(rules, text) == [0])
    for rest in re.split(r"\d?\[masked\]\d?", shown):
        assert find(rules, rest) == []


# -- the engine --------------------------------------------------------------------------------------------

PATTERNS = [
    *(
        "gun",
        "guns?",
        "(a|b)+c",
        "[^a]b",
        "a.{0,3}b",
        "^a",
        "b$",
        r"\bab\b",
        "(?i)K",
        "\u212a",
        "stra\u00dfe",
    ),
    *("a*", r"\d{2}", "x|y|zz", "(?s)a.b", "\u0130", "\u017f", "(?-i)A", "c\\b", "é", "stra\u00dfe"),
]


TEXTS = st.text(st.sampled_from("abcgunskK\u212aSs\u017f\u00dfxyz 12\n\u0130i\u00e9"), max_size=20)


@given(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=8), TEXTS)
@settings(max_examples=max(500, settings().max_examples))
def test_together_expressions_match_as_each_does_alone(patterns: list[str], text: str) -> None:
    alone = [place for place, each in enumerate(patterns) if violates("regex", each, text)]
    assert find(Matcher([("regex", each) for each in patterns]), text) == alone


@given(
    st.lists(st.sampled_from([each for each in PATTERNS if each.isascii()]), min_size=1, max_size=8),
    st.text(st.sampled_from("abcgunskxyz 12\n"), max_size=20),
)
def test_expressions_match_as_pythons_do(patterns: list[str], text: str) -> None:
    expected = [place for place, each in enumerate(patterns) if _python(each, to_plain(text))]
    assert find(Matcher([("regex", each) for each in patterns]), text) == expected


def _python(pattern: str, text: str) -> bool:
    """RE2's $ is the end of the text alone, and it turns flags off within an expression."""
    if pattern == "(?-i)A":
        return "A" in text
    return re.search(pattern.replace("$", r"\Z"), text, re.IGNORECASE | re.ASCII) is not None


def test_more_words_than_a_filter_holds_are_all_looked_for() -> None:
    """RE2's filter refuses about 30,000 words, and finds nothing without a word where it has no memory. Few
    steps make many words: a class of two letters doubles them.
    """
    patterns = ["[ab]" * 4 + f"{number:02d}" + "c" * 90 for number in range(45)]
    rules = Matcher([("regex", each) for each in patterns])
    assert find(rules, "abba07" + "c" * 90) == [7]
    assert find(rules, "it is baba00" + "c" * 90 + " aaaa44" + "c" * 90) == [0, 44]
    assert find(rules, "nothing") == []


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*a){20}", "([a-z]+)*[0-9]"])
def test_no_expression_takes_longer_than_its_text_is_long(pattern: str) -> None:
    rules = Matcher([("regex", pattern)])
    text = "a" * 30_000 + "!"
    started = time.process_time()
    find(rules, text)
    assert time.process_time() - started < 1
