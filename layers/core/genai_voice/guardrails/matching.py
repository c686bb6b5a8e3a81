"""Texts are matched with rules: which of them a text violates, and what of it is masked.

What matching costs is bounded before it begins: by the characters of the text, and by the steps that RE2 may
take for each of them. What takes too long all the same ends between two rules.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from genai_voice.foundation.caches import cache_results
from genai_voice.foundation.errors import BadRequest, Busy
from genai_voice.guardrails.digits import MAY_BE_NUMBERS
from genai_voice.guardrails.expressions import Expression, count_steps, find_fault
from genai_voice.guardrails.filters import Filters
from genai_voice.guardrails.masking import Match, mask
from genai_voice.guardrails.patterns import BOUNDARY, KEYWORD_TYPES, PII, describe_emptiness, to_expression
from genai_voice.guardrails.readings import MAX_CHARACTERS, Reading, Utterance

MAX_STEPS, MAX_STEPS_TOGETHER = 1_000, 5_000
"""Of RE2's program for a rule, and for all rules of an app, inactive ones too."""
MAX_WORK = 3_000 * MAX_CHARACTERS
"""Characters times steps of the rules that may match, added up over the readings: all characters where those
rules have 3,000 steps, 19,660 where they have 5,000. RE2 takes 7 to 12 ns for each, so it takes a second.
"""
_AT_ONCE = 5_000_000  # characters times steps: they take 60 ms at most, and most texts take no more
_LATE = "The check takes too long: try again, with a shorter text or with simpler rules"


def find_problem(type_: str, pattern: str) -> str | None:
    """Find why a rule can match nothing by itself; None where it can match."""
    matched = to_expression(type_, pattern)
    if not matched:
        return describe_emptiness(type_)
    fault = find_fault(matched)
    if fault is None and (steps := count_steps(matched)) > MAX_STEPS:
        less = "fewer words" if type_ in KEYWORD_TYPES else "smaller repetitions"
        return f"it takes {steps:,} steps of at most {MAX_STEPS:,}: use {less}"
    return fault


def count_rule_steps(type_: str, pattern: str) -> int:
    """Count the steps that a rule takes: 0 of one that has a problem, as it is never matched."""
    return 0 if find_problem(type_, pattern) else count_steps(to_expression(type_, pattern))


def find_problems(rules: Iterable[tuple[str, str]]) -> Iterator[str | None]:
    """Find why each of an app's rules (type, pattern), oldest first, can match nothing. A rule also has a
    problem where it takes more steps than those before it have left.
    """
    left = MAX_STEPS_TOGETHER
    for type_, pattern in rules:
        problem, steps = find_problem(type_, pattern), count_rule_steps(type_, pattern)
        if steps > left:
            problem = f"it takes {steps:,} steps, and of all {MAX_STEPS_TOGETHER:,} {left:,} are left for it"
        else:
            left -= steps
        yield problem


class Found(NamedTuple):
    """What was found in a text."""

    text: str
    violated: list[int]
    """The places of the rules that it violates, ascending."""
    matches: list[Match]
    """Of pii_filter rules, in any reading."""

    def mask(self, is_late: Callable[[], bool]) -> str:
        """Answer the text without what the pii_filter rules match; MASK when it `is_late` before that is
        known.
        """
        return mask(self.text, self.matches, is_late)


class Matcher:
    """Rules that are matched together. Those in which `find_problems` finds one never match."""

    def __init__(self, rules: Sequence[tuple[str, str]]) -> None:
        """Each rule is a (type, pattern)."""
        self.rules = rules
        self._usable = [place for place, problem in enumerate(find_problems(rules)) if problem is None]
        patterns = [to_expression(*rules[place]) for place in self._usable]
        expressions = [Expression(pattern) for pattern in patterns]
        self._expressions = dict(zip(self._usable, expressions, strict=True))
        self._filters = Filters(patterns, expressions)
        self._all = frozenset(self._usable)
        self._keywords = frozenset(place for place in self._usable if rules[place][0] in KEYWORD_TYPES)
        self._boundaries = frozenset(place for place in self._usable if rules[place][0] == BOUNDARY)
        self._pii = frozenset(place for place in self._usable if rules[place][0] == PII)

    @property
    def steps(self) -> int:
        """Of all its rules: what they take of a process's memory is in proportion."""
        return sum(each.steps for each in self._expressions.values())

    def find(self, text: str, is_late: Callable[[], bool]) -> Found:
        """Find the rules that this text violates. Raises BadRequest where it is too long, and Busy when it
        `is_late` before all rules were matched.
        """
        said, search = Utterance(text), _Search(self._expressions, is_late)
        if len(said.plain.text) > MAX_CHARACTERS:
            raise BadRequest(f"Invalid field: content (over {MAX_CHARACTERS:,} characters in the form NFKC)")
        found: set[int] = set()
        matches: list[Match] = []
        for reading, places in self._choose_readings(said):
            matching = self._match(reading, places, search)
            search.check_time()
            found.update(matching)
            matches += [Match(self._expressions[place], reading) for place in matching if place in self._pii]
        return Found(text, sorted(found ^ self._boundaries), matches)

    def _choose_readings(self, said: Utterance) -> Iterator[tuple[Reading, frozenset[int]]]:
        """Choose the readings, and the rules that each is matched with."""
        is_ascii = said.original.isascii()
        if is_ascii:
            yield said.plain, self._all  # keywords too: ignoring case is all that folding does to ASCII
        else:
            yield said.plain, self._all - self._keywords
            yield said.folded, self._keywords if len(said.expression_readings) == 1 else self._all
        if self._pii and (not is_ascii or _compile_numbers().is_in(said.plain)):
            yield from ((reading, self._pii) for reading in said.digit_readings)

    def _match(self, reading: Reading, places: frozenset[int], search: "_Search") -> list[int]:
        """Find which of these rules match a reading: all at once where that is done in no time, else each by
        itself.
        """
        if not places:
            return []
        if len(reading.text) * self._filters.steps <= _AT_ONCE:
            return self._choose(self._filters.find(reading), places)
        return search.match(self._choose(self._filters.propose(reading), places), reading)

    def _choose(self, numbers: list[int], places: frozenset[int]) -> list[int]:
        """Choose of what the filters answer the rules that are among these."""
        return [place for number in numbers if (place := self._usable[number]) in places] if numbers else []


class _Search:
    """The search for what one text violates, as far as it is bounded."""

    __slots__ = ("_expressions", "_is_late", "_work")

    def __init__(self, expressions: Mapping[int, Expression], is_late: Callable[[], bool]) -> None:
        self._expressions, self._is_late = expressions, is_late
        self._work = 0

    def check_time(self) -> None:
        """Raises Busy when it is late."""
        if self._is_late():
            raise Busy(_LATE)

    def match(self, places: Sequence[int], reading: Reading) -> list[int]:
        """Find which rules match a reading, one by one. Raises BadRequest where that is too much work, and
        Busy when it is late before one of them.
        """
        characters = len(reading.text)
        self._work += characters * sum(self._expressions[place].steps for place in places)
        if self._work > MAX_WORK:
            most = characters * MAX_WORK // self._work
            raise BadRequest(f"Invalid field: content (over about {most:,} characters for these rules)")
        matching: list[int] = []
        for place in places:
            self.check_time()
            if self._expressions[place].is_in(reading):
                matching.append(place)
        return matching


@cache_results(1)
def _compile_numbers() -> Expression:
    return Expression(MAY_BE_NUMBERS)
