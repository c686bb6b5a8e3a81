"""The patterns of rules: keywords or an expression, and whether a pattern may be stored."""

import re
from collections.abc import Iterator

from genai_voice.guardrails.readings import to_folded, to_readable

KEYWORD_TYPES = frozenset({"blocked_topic", "jailbreak_detection", "topic_boundary"})
"""Types whose pattern is a comma-separated list. That of every other is a regular expression."""
BOUNDARY = "topic_boundary"
"""Violated where none of its keywords occurs."""
PII = "pii_filter"
"""What it matches is masked where a violation is stored."""

MAX_BYTES = 1024
MAX_REPETITIONS = 100

_PIECE = re.compile(
    r"\\Q(?:[^\\]|\\(?!E))*(?:\\E)?"  # literal text
    r"|\\[pPx]\{[^}]*\}"  # \p{Greek}, \x{1F600}: no repetitions
    r"|\\."
    r"|\[\^?\]?(?:\[:\^?\w*:\]|\\[pPx]\{[^}]*\}|\\.|[^\]\\])*\]"  # a class
    r"|\{(?P<least>\d+)(?:,(?P<most>\d*))?\}",
    re.DOTALL,
)


def split_keywords(pattern: str) -> list[str]:
    """Split a list of keywords. Answers them as they are looked for, in their order, without blank ones."""
    words = (to_folded(each).strip() for each in pattern.split(","))
    return list(dict.fromkeys(filter(None, words)))


def to_expression(type_: str, pattern: str) -> str:
    """Turn a pattern into what RE2 matches, ignoring case: keywords with the folded text, an expression with
    the plain one. The answer is empty for a list without keywords.
    """
    if type_ in KEYWORD_TYPES:
        return "|".join(map(_to_literal, split_keywords(pattern)))
    return to_readable(pattern)


def find_refusal(type_: str, pattern: str) -> str | None:
    """Find why the pattern may not be stored, as far as that is known without compiling it; else None."""
    if len(pattern.encode()) > MAX_BYTES:
        return f"over {MAX_BYTES:,} bytes"
    if not to_expression(type_, pattern):
        return describe_emptiness(type_)
    return None if type_ in KEYWORD_TYPES else _find_expression_refusal(pattern)


def describe_emptiness(type_: str) -> str:
    """Say that a pattern has no keyword, or no character that can be seen."""
    return "it has no keyword" if type_ in KEYWORD_TYPES else "it is empty"


def _find_expression_refusal(pattern: str) -> str | None:
    if any(piece[0] == r"\C" for piece in _PIECE.finditer(pattern)):
        return r"\C matches a part of a character"
    if any(piece[0].startswith(r"\Q") and not piece[0].isascii() for piece in _PIECE.finditer(pattern)):
        return r"between \Q and \E there may be ASCII alone"
    if any(count > MAX_REPETITIONS for count in _find_repetitions(pattern)):
        return f"a repetition of more than {MAX_REPETITIONS}"
    return None


def _find_repetitions(pattern: str) -> Iterator[int]:
    """Find the numbers of {n}, {n,} and {n,m}, where they stand for repetitions."""
    for piece in _PIECE.finditer(pattern):
        yield from (int(count) for count in piece.group("least", "most") if count)


def _to_literal(text: str) -> str:
    """Turn a text into an expression that matches just this text."""
    return "".join(each if each.isalnum() or not each.isascii() else f"\\x{{{ord(each):x}}}" for each in text)
