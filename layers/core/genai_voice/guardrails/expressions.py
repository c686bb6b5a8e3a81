"""Regular expressions of tenants, run by RE2 in time that is linear in the text, whatever they say."""

from collections.abc import Iterator, Sequence
from typing import Any

from genai_voice.foundation.caches import cache_results
from genai_voice.guardrails.readings import Span

MAX_STEPS = 10_000
"""Of RE2's program: a byte of a text may take as many."""
_SENTINEL = "\U0010fffd\U0010fffc\U0010fffb"  # for private use, in no text but one that asks for it


@cache_results(4096)
def find_fault(pattern: str) -> str | None:
    """Find why RE2 cannot compile this pattern, or would take too long over a text; else None."""
    import re2

    try:
        compiled = re2.compile(pattern, _make_options())
    except re2.error as reason:
        return str(reason.args[0], "utf-8", "replace")
    if compiled.programsize > MAX_STEPS:
        return f"it compiles to more than {MAX_STEPS:,} steps: use smaller repetitions"
    return None


class Expressions:
    """Expressions that are looked for together in a text. They ignore case."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises ValueError for one that RE2 cannot compile."""
        self._parts = list(_split_into_parts(patterns, 0))

    def find_matching(self, text: str) -> list[int]:
        """Find the expressions that match anywhere in the text. Answers their places, ascending."""
        return [place for part in self._parts for place in part.find_matching(text)]

    def find_spans(self, place: int, text: str) -> Iterator[Span]:
        """Find where the expression at this place matches, ascending, without overlaps and without empty
        matches.
        """
        part = next(each for each in reversed(self._parts) if each.first <= place)
        spans = (found.span() for found in part.get_compiled(place).finditer(text))
        return (span for span in spans if span[0] < span[1])


class _Part:
    """Some of the expressions, behind RE2's filter. The filter looks for the words without which an
    expression cannot match, all at once; only the expressions that are left are matched.
    """

    def __init__(self, patterns: Sequence[str], first: int) -> None:
        """Raises ValueError where RE2 does not take them, or not so many."""
        import re2

        self.first, self._count = first, len(patterns)
        self._filter = re2.Filter()
        try:
            for pattern in (*patterns, _SENTINEL):
                self._filter.Add(pattern, _make_options())
            self._filter.Compile()
        except re2.error as reason:
            raise ValueError(str(reason)) from None
        # A filter that is out of memory finds nothing and says nothing, and is so from the beginning.
        if self._count not in (self._filter.Match(_SENTINEL) or ()):
            raise ValueError("too many words to look for at once")

    def find_matching(self, text: str) -> Iterator[int]:
        found = self._filter.Match(text) or ()
        return (self.first + number for number in found if number < self._count)

    def get_compiled(self, place: int) -> Any:
        return self._filter.re(place - self.first)


class _Single:
    """One expression that no filter takes."""

    def __init__(self, pattern: str, first: int) -> None:
        import re2

        self.first = first
        try:
            self._compiled = re2.compile(pattern, _make_options())
        except re2.error as reason:
            raise ValueError(str(reason)) from None

    def find_matching(self, text: str) -> Iterator[int]:
        return iter([self.first] if self._compiled.search(text) else [])

    def get_compiled(self, place: int) -> Any:
        return self._compiled


def _split_into_parts(patterns: Sequence[str], first: int) -> Iterator[_Part | _Single]:
    """Split the expressions into as few parts as RE2 takes."""
    if not patterns:
        return
    try:
        yield _Part(patterns, first)
    except ValueError:
        if len(patterns) == 1:
            yield _Single(patterns[0], first)
            return
        half = len(patterns) // 2
        yield from _split_into_parts(patterns[:half], first)
        yield from _split_into_parts(patterns[half:], first + half)


@cache_results()
def _make_options() -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False  # they quote the pattern
    options.case_sensitive = False
    options.never_capture = True
    return options
