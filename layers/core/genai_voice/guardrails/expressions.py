"""Regular expressions of tenants, run by RE2 in time that is linear in the text, whatever they say.

RE2 takes about 10 ns for each step of a program and each character, and cannot be interrupted. So steps are
counted, and each program is run by itself.
"""

from collections.abc import Iterator
from typing import Any

from genai_voice.foundation.caches import cache_results
from genai_voice.guardrails.narrow import to_narrow_pattern
from genai_voice.guardrails.readings import Reading, Span

_BYTES_A_STEP, _LEAST_BYTES = 8_192, 262_144
"""What RE2 may keep of the states that a program was in. With less it forgets them over and over, and takes
the 10 ns for what it knew already.
"""


@cache_results(4096)
def find_fault(pattern: str) -> str | None:
    """Find why RE2 cannot compile this pattern; else None."""
    import re2

    try:
        Expression(pattern)
    except re2.error as reason:
        return str(reason.args[0], "utf-8", "replace")
    return None


@cache_results(4096)
def count_steps(pattern: str) -> int:
    """Count the steps of RE2's program for a pattern. Raises re2.error where it does not compile."""
    return int(_compile(pattern).programsize)


class Expression:
    """An expression by itself. It ignores case."""

    def __init__(self, pattern: str) -> None:
        """Raises re2.error where RE2 cannot compile it."""
        self.steps = count_steps(pattern)
        self._is_narrow = to_narrow_pattern(pattern) is not None
        self._compiled = _compile(pattern, limit_bytes(self.steps))

    def is_in(self, reading: Reading) -> bool:
        """Whether it matches anywhere in the reading."""
        return self._compiled.search(self._get_text(reading)) is not None

    def find_spans(self, reading: Reading) -> Iterator[Span]:
        """Find where it matches, ascending and without overlaps; some spans may be empty."""
        return (found.span() for found in self._compiled.finditer(self._get_text(reading)))

    def _get_text(self, reading: Reading) -> str | bytes:
        return reading.narrow if self._is_narrow else reading.text


def limit_bytes(steps: int) -> int:
    """Answer the bytes that RE2 may keep for a program of so many steps."""
    return max(_LEAST_BYTES, _BYTES_A_STEP * steps)


def _compile(pattern: str, max_bytes: int | None = None) -> Any:
    """Compile a pattern to be matched with narrow texts, where it can be. Raises re2.error."""
    import re2

    narrow = to_narrow_pattern(pattern)
    try:
        if narrow is None:
            return re2.compile(pattern, make_options(max_bytes))
        return re2.compile(narrow, make_options(max_bytes, is_narrow=True))
    except re2.error:
        re2.compile(pattern, make_options())  # says the same in the words of the pattern
        raise
    finally:
        re2.purge()  # of a cache that would hold what the last 128 have learned, megabytes each


@cache_results(256)
def make_options(max_bytes: int | None = None, *, is_narrow: bool = False) -> Any:
    """Make the options that expressions are compiled with."""
    import re2

    options = re2.Options()
    options.log_errors = False  # they quote the pattern
    options.case_sensitive = False
    options.never_capture = True
    if max_bytes is not None:
        options.max_mem = max_bytes
    if is_narrow:
        options.encoding = re2.Options.Encoding.LATIN1
    return options
