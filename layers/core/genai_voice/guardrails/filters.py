"""Many expressions behind RE2's filter, which looks for the words without which each cannot match, for all at
once.
"""

from collections.abc import Iterator, Sequence

from genai_voice.guardrails.expressions import Expression, limit_bytes, make_options
from genai_voice.guardrails.readings import Reading

_SENTINEL = "\U0010fffd\U0010fffc\U0010fffb"  # for private use, in no text but one that asks for it


class Filters:
    """Expressions behind as few filters as RE2 takes."""

    def __init__(self, patterns: Sequence[str], expressions: Sequence[Expression]) -> None:
        """Takes the patterns, and each as an expression."""
        self._filters = list(_make_filters(patterns, expressions, 0))
        self.steps = sum(each.steps for each in self._filters)
        """Of the programs that `find` runs: more than the expressions take, because texts are not narrow."""

    def propose(self, reading: Reading) -> list[int]:
        """Propose the expressions that may match. Answers their places, ascending."""
        return [place for each in self._filters for place in each.propose(reading)]

    def find(self, reading: Reading) -> list[int]:
        """Find the expressions that match, without an end before all were matched. Answers their places,
        ascending.
        """
        return [place for each in self._filters for place in each.find(reading)]


class _Filter:
    """RE2's filter of some of the expressions."""

    def __init__(self, patterns: Sequence[str], expressions: Sequence[Expression], first: int) -> None:
        """Raises ValueError where RE2 does not take them, or not so many."""
        import re2

        self._first, self._count = first, len(patterns)
        self._filter = re2.Filter()
        try:
            for pattern, expression in zip(patterns, expressions, strict=True):
                self._filter.Add(pattern, make_options(limit_bytes(expression.steps)))
            self._filter.Add(_SENTINEL, make_options())
            self._filter.Compile()
        except re2.error as reason:
            raise ValueError(str(reason)) from None
        # A filter that is out of memory finds nothing and says nothing, and is so from the beginning.
        if self._count not in (self._filter.Match(_SENTINEL) or ()):
            raise ValueError("too many words to look for at once")
        self.steps = sum(self._filter.re(number).programsize for number in range(self._count))

    def propose(self, reading: Reading) -> list[int]:
        found = self._filter.Match(reading.text, potential=True)
        return self._to_places(found) if found else []

    def find(self, reading: Reading) -> list[int]:
        found = self._filter.Match(reading.text)
        return self._to_places(found) if found else []

    def _to_places(self, found: list[int]) -> list[int]:
        return [self._first + number for number in found if number < self._count]


class _Unfiltered:
    """An expression that no filter takes."""

    def __init__(self, expression: Expression, place: int) -> None:
        self.steps = expression.steps
        self._expression, self._place = expression, place

    def propose(self, _: Reading) -> list[int]:
        return [self._place]

    def find(self, reading: Reading) -> list[int]:
        return [self._place] if self._expression.is_in(reading) else []


def _make_filters(
    patterns: Sequence[str], expressions: Sequence[Expression], first: int
) -> Iterator[_Filter | _Unfiltered]:
    if not patterns:
        return
    try:
        yield _Filter(patterns, expressions, first)
    except ValueError:
        if len(patterns) == 1:
            yield _Unfiltered(expressions[0], first)
            return
        half = len(patterns) // 2
        yield from _make_filters(patterns[:half], expressions[:half], first)
        yield from _make_filters(patterns[half:], expressions[half:], first + half)
