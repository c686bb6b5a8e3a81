"""What rules have matched is hidden from a text before it is stored."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from genai_voice.guardrails.expressions import Expression
from genai_voice.guardrails.readings import Reading, Span

MASK = "[masked]"
MAX_MATCHES = 10_000
"""That are looked at in one text, 2 µs each."""

_SHOWN_OR_HIDDEN = re.compile(rb"\x00+|\x01+")


class Match(NamedTuple):
    """An expression that matches somewhere in a reading of the text."""

    expression: Expression
    reading: Reading


class _GivenUp(Exception):
    """There are too many matches, or it takes too long."""


def mask(text: str, matches: Sequence[Match], is_late: Callable[[], bool]) -> str:
    """Replace each stretch of the text that was matched by MASK. The whole text is masked where it cannot be
    proven which part was matched, where there are over MAX_MATCHES, and when it `is_late` before all are
    found.
    """
    hidden = bytearray(len(text))  # a mark for each character: spans are merged as they are found
    found = _count_down(is_late)
    try:
        for expression, reading in matches:
            for span in found(expression.find_spans(reading)):
                start, end = reading.find_origin(span) or (0, len(text))
                hidden[start:end] = b"\1" * (end - start)
            if 0 not in hidden:
                break
    except _GivenUp:
        return MASK
    return "".join(_show(text, hidden))


def _count_down(is_late: Callable[[], bool]) -> Callable[[Iterable[Span]], Iterator[Span]]:
    """Make what lets MAX_MATCHES spans pass, of all it is given, before it is late; then raises _GivenUp.
    Empty ones are counted and left out.
    """
    left = MAX_MATCHES

    def let_pass(spans: Iterable[Span]) -> Iterator[Span]:
        nonlocal left
        for span in spans:
            left -= 1
            if left < 0 or is_late():
                raise _GivenUp
            if span[0] < span[1]:
                yield span

    return let_pass


def _show(text: str, hidden: bytearray) -> Iterator[str]:
    for stretch in _SHOWN_OR_HIDDEN.finditer(hidden):
        start, end = stretch.span()
        yield MASK if hidden[start] else text[start:end]
