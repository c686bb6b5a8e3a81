"""Texts are matched with rules: which of them a text violates, and what of it is masked."""

from collections.abc import Sequence

from genai_voice.foundation.caches import cache_results
from genai_voice.guardrails.digits import MAY_BE_NUMBERS
from genai_voice.guardrails.expressions import Expressions, find_fault
from genai_voice.guardrails.patterns import BOUNDARY, KEYWORD_TYPES, PII, describe_emptiness, to_expression
from genai_voice.guardrails.readings import Reading, Span, Utterance

MASK = "[masked]"


def find_problem(type_: str, pattern: str) -> str | None:
    """Find why a rule can match nothing; None where it can match."""
    matched = to_expression(type_, pattern)
    return find_fault(matched) if matched else describe_emptiness(type_)


@cache_results(50)  # each holds what RE2 has compiled: megabytes where an app has many odd rules
def compile_matcher(rules: tuple[tuple[str, str], ...]) -> "Matcher":
    """Compile rules, each a (type, pattern). The same rules are compiled once."""
    return Matcher(rules)


class Matcher:
    """Rules that are matched together. Those in which `find_problem` finds one never match."""

    def __init__(self, rules: Sequence[tuple[str, str]]) -> None:
        usable = [place for place, rule in enumerate(rules) if find_problem(*rule) is None]
        self._all = _RuleExpressions(usable, rules)
        self._pii = _RuleExpressions([place for place in usable if rules[place][0] == PII], rules)
        self._keywords = frozenset(place for place in usable if rules[place][0] in KEYWORD_TYPES)
        self._boundaries = frozenset(place for place in usable if rules[place][0] == BOUNDARY)

    def find_violated(self, text: str) -> list[int]:
        """Find the rules that this text violates. Answers their places, ascending."""
        said = Utterance(text)
        found = self._find_matching(said) | self._find_in_digits(said)
        return sorted(found ^ self._boundaries)

    def mask(self, text: str) -> str:
        """Mask what the pii_filter rules match in any reading of the text. The whole text is masked where it
        cannot be proven which part was matched.
        """
        said = Utterance(text)
        readings = [*said.expression_readings, *self._read_in_digits(said)]
        hidden = list[Span]()
        for reading in readings:
            for span in self._pii.find_spans(reading.text):
                origin = reading.find_origin(span)
                if origin is None:
                    return MASK
                hidden.append(origin)
        return _mask_spans(text, hidden)

    def _find_matching(self, said: Utterance) -> set[int]:
        found = self._all.find_matching(said.plain.text)
        if said.original.isascii():
            return found  # keywords too: ignoring case is all that folding does to ASCII
        folded = self._all.find_matching(said.folded.text)
        expressions = found if len(said.expression_readings) == 1 else found | folded
        return (expressions - self._keywords) | (folded & self._keywords)

    def _find_in_digits(self, said: Utterance) -> set[int]:
        return set().union(*(self._pii.find_matching(each.text) for each in self._read_in_digits(said)))

    def _read_in_digits(self, said: Utterance) -> list[Reading]:
        if not self._pii.places or (
            said.original.isascii() and not _compile_numbers().find_matching(said.original)
        ):
            return []
        return said.digit_readings


class _RuleExpressions:
    """The expressions of some of the rules, which are named by their places among all rules."""

    def __init__(self, places: Sequence[int], rules: Sequence[tuple[str, str]]) -> None:
        self.places = places
        self._expressions = Expressions([to_expression(*rules[place]) for place in places])

    def find_matching(self, text: str) -> set[int]:
        return {self.places[number] for number in self._expressions.find_matching(text)}

    def find_spans(self, text: str) -> list[Span]:
        found = self._expressions.find_matching(text)
        return [span for number in found for span in self._expressions.find_spans(number, text)]


@cache_results(1)
def _compile_numbers() -> Expressions:
    return Expressions([MAY_BE_NUMBERS])


def _mask_spans(text: str, hidden: Sequence[Span]) -> str:
    """Replace each stretch of these spans by the mask."""
    shown, done = list[str](), 0
    for start, end in _join_spans(hidden):
        shown += [text[done:start], MASK]
        done = end
    return "".join([*shown, text[done:]])


def _join_spans(spans: Sequence[Span]) -> list[Span]:
    """Join spans that touch. Answers the same characters in as few spans as possible, ascending."""
    joined = list[Span]()
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            start, last = joined.pop()
            end = max(end, last)
        joined.append((start, end))
    return joined
