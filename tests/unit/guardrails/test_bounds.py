"""What a check may cost: counted in characters, steps, rules and matches."""

import unicodedata
from collections.abc import Callable

import pytest
from genai_voice.foundation.errors import BadRequest, Busy
from genai_voice.guardrails.masking import MASK, MAX_MATCHES
from genai_voice.guardrails.matching import (
    MAX_STEPS,
    MAX_STEPS_TOGETHER,
    MAX_WORK,
    Matcher,
    count_rule_steps,
    find_problem,
    find_problems,
)
from genai_voice.guardrails.model import MAX_RULES
from genai_voice.guardrails.readings import MAX_CHARACTERS

LATE = "The check takes too long: try again, with a shorter text or with simpler rules"
DEAREST = [("regex", "[ab]{90}" * 10 + f"c{number}") for number in range(5)]


class Clock:
    """It is late once it was asked so often."""

    def __init__(self, asked: int) -> None:
        self.asked, self._late_after = 0, asked

    def is_late(self) -> bool:
        self.asked += 1
        return self.asked > self._late_after


def is_never_late() -> bool:
    return False


def find(rules: list[tuple[str, str]], text: str, is_late: Callable[[], bool] = is_never_late) -> list[int]:
    return Matcher(rules).find(text, is_late).violated


# -- time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules_in_time", [0, 1, 7])
def test_between_two_rules_the_time_is_looked_at_and_what_is_late_allows_nothing(rules_in_time: int) -> None:
    clock = Clock(rules_in_time)
    with pytest.raises(Busy, match=LATE):
        find([("regex", ".|x")] * MAX_RULES, "a" * MAX_CHARACTERS, clock.is_late)
    assert clock.asked == rules_in_time + 1


@pytest.mark.parametrize("rules", [[], [("regex", "gun")], [("regex", "gun"), ("regex", "shoe")]])
def test_what_is_late_after_the_last_rule_allows_nothing_either(rules: list[tuple[str, str]]) -> None:
    in_time = Clock(99)
    find(rules, "a shoe", in_time.is_late)
    with pytest.raises(Busy, match=LATE):
        find(rules, "a shoe", Clock(in_time.asked - 1).is_late)


def test_of_a_long_text_only_rules_whose_words_occur_are_matched_one_by_one() -> None:
    clock, rules = Clock(99), [("blocked_topic", f"word{number}, other{number}") for number in range(90)]
    assert find(rules, "it is word7" + " or so" * 5000, clock.is_late) == [7]
    assert clock.asked == 1 + 1


def test_of_a_short_text_all_are_matched_at_once() -> None:
    clock = Clock(99)
    assert find([("regex", ".|x")] * MAX_RULES, "a" * 500, clock.is_late) == [*range(MAX_RULES)]
    assert clock.asked == 1


# -- masking -----------------------------------------------------------------------------------------------


def masked(rules: list[tuple[str, str]], text: str, is_late: Callable[[], bool] = is_never_late) -> str:
    return Matcher(rules).find(text, is_never_late).mask(is_late)


def test_matches_are_merged_as_they_are_found() -> None:
    assert masked([("pii_filter", "a")] * 3, "x" + "a" * 3000 + "x") == f"x{MASK}x"
    assert (
        masked([("pii_filter", "ab"), ("pii_filter", "bc"), ("pii_filter", "a")], "abc a") == f"{MASK} {MASK}"
    )


def test_of_a_text_with_too_many_matches_nothing_is_shown() -> None:
    text = "ab" * (MAX_MATCHES + 1)
    assert masked([("pii_filter", "a")], text[2:]) == f"{MASK}b" * MAX_MATCHES
    assert masked([("pii_filter", "a")], text) == MASK
    assert masked([("pii_filter", "c*a?")], "b" * (MAX_MATCHES + 1)) == MASK, "also where they are empty"


def test_however_many_rules_match_so_many_matches_are_looked_at() -> None:
    clock = Clock(10 * MAX_MATCHES)
    assert masked([("pii_filter", "a")] * MAX_RULES, "ab" * 9999, clock.is_late) == MASK
    assert clock.asked <= MAX_MATCHES


def test_what_hides_all_of_a_text_is_the_last_that_is_looked_for() -> None:
    clock = Clock(10 * MAX_MATCHES)
    assert masked([("pii_filter", "a+")] * MAX_RULES, "a" * MAX_CHARACTERS, clock.is_late) == MASK
    assert clock.asked == 1


def test_of_what_is_masked_too_late_nothing_is_shown() -> None:
    text = "a secret, b secret, and so on"
    assert masked([("pii_filter", "secret")], text, Clock(2).is_late) == f"a {MASK}, b {MASK}, and so on"
    assert masked([("pii_filter", "secret")], text, Clock(1).is_late) == MASK


# -- steps -------------------------------------------------------------------------------------------------


def test_a_rule_takes_at_most_a_thousand_steps() -> None:
    assert count_rule_steps("regex", "a{100}" * 9 + "a" * 96) == MAX_STEPS == 1000
    assert find_problem("regex", "a{100}" * 9 + "a" * 96) is None
    reason = "it takes 1,001 steps of at most 1,000: use smaller repetitions"
    assert find_problem("regex", "a{100}" * 9 + "a" * 97) == reason
    assert (
        find_problem("blocked_topic", "a" * 1020) == "it takes 1,024 steps of at most 1,000: use fewer words"
    )


def test_what_names_no_character_outside_ascii_has_a_step_for_each() -> None:
    """A text is matched with one byte for each of its characters: RE2 else spells `.` in 12 steps."""
    assert count_rule_steps("regex", "(?s).{100}") == 104
    assert count_rule_steps("regex", "[^a]{100}") <= 305
    assert count_rule_steps("regex", "a\u2019{100}") == 105


def test_rules_beyond_the_steps_of_an_app_have_a_problem_and_match_nothing() -> None:
    """Oldest first. One that has a problem of its own takes none, and one that fits finds its place."""
    small = ("regex", "gun")
    rules = [("regex", "("), *DEAREST, ("regex", "b{100}" * 8), small]
    steps = [count_rule_steps(*rule) for rule in rules]
    assert steps[0] == 0
    assert sum(steps[:6]) <= MAX_STEPS_TOGETHER < sum(steps[:7])
    left = MAX_STEPS_TOGETHER - sum(steps[:6])
    assert list(find_problems(rules)) == [
        "missing ): (",
        *[None] * 5,
        f"it takes {steps[6]:,} steps, and of all 5,000 {left:,} are left for it",
        None,
    ]
    assert find(rules, "a gun, " + "b" * 1000) == [7]


# -- characters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("character", ["a", "\u044f", "\U0001f600", "\u0301"])
def test_a_text_has_as_many_characters_whatever_bytes_they_take(character: str) -> None:
    assert find([("regex", "gun")], character * MAX_CHARACTERS) == []


def test_a_text_has_no_more_characters_in_its_compatibility_form() -> None:
    eighteen = "\ufdfa"
    assert find([("regex", "gun")], eighteen * (MAX_CHARACTERS // 18)) == []
    with pytest.raises(BadRequest, match=r"content \(over 32,768 characters in the form NFKC\)"):
        find([("regex", "gun")], eighteen * (MAX_CHARACTERS // 18 + 1))


def test_a_text_is_as_short_as_the_rules_that_may_match_it_are_dear() -> None:
    rules = [("regex", "[ab]{90}" * 10 + f"[c-e]{number}?") for number in range(5)]
    steps = sum(count_rule_steps(*rule) for rule in rules)
    most = MAX_WORK // steps
    assert 16_384 < most < MAX_CHARACTERS
    assert len(find(rules, "a" * most)) == 0
    with pytest.raises(BadRequest, match=rf"content \(over about {most:,} characters for these rules\)"):
        find(rules, "a" * (most + 1))
    with pytest.raises(BadRequest):
        find(rules, "\u00df" + "a" * (most // 2 + 1))  # which they are matched with in two readings
    words = [("blocked_topic", "w" * 900 + str(number)) for number in range(5)]
    assert find(words, "a" * MAX_CHARACTERS) == [], "none of these may match it"


# -- marks -------------------------------------------------------------------------------------------------


def test_a_rule_is_found_behind_any_marks() -> None:
    marks = "\u0301\u0323" * 40
    for rule in (("regex", r"\bgun\b"), ("blocked_topic", "gun")):
        assert find([rule], f"e{marks} gun e{marks}") == [0]
    assert find([("regex", r"\x{301}{40}")], "x" + "\u0301" * 41) == [0], "none is lost"


def test_marks_of_every_kind_cost_what_letters_do() -> None:
    """The order of each 30 is made by itself: of more it would take a step for each two of them."""
    chosen = [chr(code) for code in range(0x110000) if unicodedata.combining(chr(code))]
    text = "a" + "".join(sorted(chosen, key=unicodedata.combining, reverse=True))
    matcher = Matcher([("regex", "gun")])
    assert matcher.find(text, is_never_late).violated == []
