"""Which rules a text violates, and what of it is nobody's business."""

from collections.abc import Sequence
from functools import lru_cache

from genai_voice.guardrails.digits import MAY_BE_NUMBERS
from genai_voice.guardrails.expressions import Expressions, fault
from genai_voice.guardrails.patterns import BOUNDARY, KEYWORD_TYPES, PII, expression, nothing_in
from genai_voice.guardrails.readings import Reading, Said, Span

MASK = "[masked]"


def problem(type_: str, pattern: str) -> str | None:
    """Why a rule can match nothing, or None."""
    matched = expression(type_, pattern)
    return fault(matched) if matched else nothing_in(type_)


@lru_cache(50)  # each holds what RE2 has compiled: megabytes where an app has many odd rules
def matcher(rules: tuple[tuple[str, str], ...]) -> "Matcher":
    """Of rules as (type, pattern), in their order. Compiled once for what they say."""
    return Matcher(rules)


class Matcher:
    """Rules that are matched together. Those with a `problem` never match."""

    def __init__(self, rules: Sequence[tuple[str, str]]) -> None:
        usable = [place for place, rule in enumerate(rules) if problem(*rule) is None]
        self._all = _Numbered(usable, rules)
        self._pii = _Numbered([place for place in usable if rules[place][0] == PII], rules)
        self._keywords = frozenset(place for place in usable if rules[place][0] in KEYWORD_TYPES)
        self._boundaries = frozenset(place for place in usable if rules[place][0] == BOUNDARY)

    def violated(self, text: str) -> list[int]:
        """The rules that this text violates, by their places, ascending."""
        said = Said(text)
        found = self._matching(said) | self._in_digits(said)
        return sorted(found ^ self._boundaries)

    def masked(self, text: str) -> str:
        """The text without what its pii_filter rules match, in any reading. All of it is masked where it
        cannot be proven which part was matched.
        """
        said = Said(text)
        readings = [*said.for_expressions, *self._readings_in_digits(said)]
        hidden = list[Span]()
        for reading in readings:
            for span in self._pii.spans(reading.text):
                origin = reading.origin(span)
                if origin is None:
                    return MASK
                hidden.append(origin)
        return _without(text, hidden)

    def _matching(self, said: Said) -> set[int]:
        found = self._all.matching(said.plain.text)
        if said.original.isascii():
            return found  # keywords too: ignoring case is all that folding does to ASCII
        folded = self._all.matching(said.folded.text)
        expressions = found if len(said.for_expressions) == 1 else found | folded
        return (expressions - self._keywords) | (folded & self._keywords)

    def _in_digits(self, said: Said) -> set[int]:
        return set().union(*(self._pii.matching(each.text) for each in self._readings_in_digits(said)))

    def _readings_in_digits(self, said: Said) -> list[Reading]:
        if not self._pii.places or (said.original.isascii() and not _numbers().matching(said.original)):
            return []
        return said.in_digits


class _Numbered:
    """The expressions of some of the rules, by the places of these."""

    def __init__(self, places: Sequence[int], rules: Sequence[tuple[str, str]]) -> None:
        self.places = places
        self._expressions = Expressions([expression(*rules[place]) for place in places])

    def matching(self, text: str) -> set[int]:
        return {self.places[number] for number in self._expressions.matching(text)}

    def spans(self, text: str) -> list[Span]:
        found = self._expressions.matching(text)
        return [span for number in found for span in self._expressions.spans(number, text)]


@lru_cache(1)
def _numbers() -> Expressions:
    return Expressions([MAY_BE_NUMBERS])


def _without(text: str, hidden: Sequence[Span]) -> str:
    """Each stretch of these spans replaced by the mask."""
    shown, done = list[str](), 0
    for start, end in _stretches(hidden):
        shown += [text[done:start], MASK]
        done = end
    return "".join([*shown, text[done:]])


def _stretches(spans: Sequence[Span]) -> list[Span]:
    """The same characters in as few spans as possible, ascending."""
    joined = list[Span]()
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            start, last = joined.pop()
            end = max(end, last)
        joined.append((start, end))
    return joined
