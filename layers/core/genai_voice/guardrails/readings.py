"""The ways to read a text, without what makes equal texts look different, and where in the original each
part of a reading comes from.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from unicodedata import combining

from genai_voice.guardrails.digits import Replacement, find_replacements
from genai_voice.guardrails.marks import compose
from genai_voice.guardrails.narrow import to_narrow_text

_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt): what shows nothing."""

MAX_CHARACTERS = 32_768
"""Of a text, as it is sent and in the form NFKC: one character may become 18."""

Span = tuple[int, int]


def to_plain(text: str) -> str:
    """Remove invisible characters, and put the text into the compatibility form NFKC: wide letters become
    letters, a ligature becomes what it joins.
    """
    return text if text.isascii() else compose("NFKC", _IGNORABLE.sub("", text))


def to_folded(text: str) -> str:
    """Make a text plain, with upper and lower case alike: "Straße" becomes "strasse"."""
    return _fold(to_plain(text))


def _fold(plain: str) -> str:
    if plain.isascii():
        return plain.lower()
    folded = plain.casefold()
    return plain if folded == plain else compose("NFKC", folded)


def to_readable(pattern: str) -> str:
    """Rewrite an expression for plain texts, in which its own characters may look different."""
    return pattern if pattern.isascii() else compose("NFC", "".join(map(_to_readable_character, pattern)))


def _to_readable_character(character: str) -> str:
    if character.isascii():
        return character
    form = to_plain(character)
    return "".join(each if each.isalnum() or not each.isascii() else f"\\x{{{ord(each):x}}}" for each in form)


class Alignment:
    """Where each part of one text comes from in another: [starts[i], starts[i + 1]) of the one comes from
    [origins[i], origins[i + 1]) of the other.
    """

    def __init__(self, starts: Sequence[int], origins: Sequence[int]) -> None:
        self._starts, self._origins = starts, origins

    def find_origin(self, span: Span) -> Span:
        """Find everything that had a part in this span, which is not empty."""
        first = bisect_right(self._starts, span[0]) - 1
        return self._origins[first], self._origins[bisect_left(self._starts, span[1])]


class Reading:
    """One way to read a text."""

    def __init__(self, text: str, align: Callable[[], list[Alignment] | None] = list) -> None:
        self.text = text
        self._align = align

    @cached_property
    def narrow(self) -> bytes:
        """The text with one byte for each character."""
        return to_narrow_text(self.text)

    @cached_property
    def alignments(self) -> list[Alignment] | None:
        """The steps from this reading to the original; None where these could not be proven."""
        return self._align()

    def find_origin(self, span: Span) -> Span | None:
        """Find where in the original this part of the reading comes from; None where that is not known."""
        if self.alignments is None:
            return None
        for alignment in self.alignments:
            span = alignment.find_origin(span)
        return span


class Utterance:
    """A text that was said, and the ways to read it."""

    def __init__(self, original: str) -> None:
        self.original = original
        self.plain = self._read(to_plain(original), to_plain)

    @cached_property
    def folded(self) -> Reading:
        """What keywords are looked for in."""
        return self._read(_fold(self.plain.text), to_folded)

    def _read(self, text: str, form: Callable[[str], str]) -> Reading:
        if self.original.isascii():
            return Reading(text)
        return Reading(text, lambda: _align(self.original, text, form))

    @cached_property
    def expression_readings(self) -> list[Reading]:
        """The readings that expressions, which ignore case, are matched with: the plain text, and the folded
        one only where that is not the plain one in lower case ("straße").
        """
        return [self.plain] if self.folded.text == self.plain.text.lower() else [self.plain, self.folded]

    @cached_property
    def digit_readings(self) -> list[Reading]:
        """The plain text with spoken numbers in digits, once for each way in which they can be meant."""
        return [self._read_in_digits(replaced) for replaced in find_replacements(self.plain.text)]

    def _read_in_digits(self, replaced: list[Replacement]) -> Reading:
        text = "".join(part for part, _ in _split_parts(self.plain.text, replaced))

        def align() -> list[Alignment] | None:
            to_original = self.plain.alignments
            return (
                None
                if to_original is None
                else [_align_replacements(self.plain.text, replaced), *to_original]
            )

        return Reading(text, align)


def _split_parts(text: str, replaced: list[Replacement]) -> Iterator[tuple[str, Span]]:
    """Split a reading into its parts, each with the place it has in the text."""
    done = 0
    for each in replaced:
        yield text[done : each.start], (done, each.start)
        yield each.text, (each.start, each.end)
        done = each.end
    yield text[done:], (done, len(text))


def _align_replacements(text: str, replaced: list[Replacement]) -> Alignment:
    """Align a reading with the text it was made of: a replacement in one piece, all else character by
    character.
    """
    starts, origins, length = list[int](), list[int](), 0
    for part, (start, end) in _split_parts(text, replaced):
        pieces = range(len(part)) if part == text[start:end] else range(1)
        starts += [length + each for each in pieces]
        origins += [start + each for each in pieces]
        length += len(part)
    return Alignment([*starts, length], [*origins, len(text)])


def _align(original: str, reading: str, form: Callable[[str], str]) -> list[Alignment] | None:
    """Align a reading with its original in pieces as small as can be read by themselves: characters with
    their marks, else words. Answers None where even the words put together are not the reading.
    """
    for cuts in (_cut_at_characters(original), _cut_at_words(original)):
        parts = [form(original[start:end]) for start, end in pairwise(cuts)]
        if "".join(parts) == reading:
            starts = [0]
            for part in parts:
                starts.append(starts[-1] + len(part))
            return [Alignment(starts, cuts)]
    return None


def _cut_at_characters(text: str) -> list[int]:
    return [place for place, each in enumerate(text) if place == 0 or not combining(each)] + [len(text)]


def _cut_at_words(text: str) -> list[int]:
    return sorted({0, *(edge for space in re.finditer(r"\s+", text) for edge in space.span()), len(text)})
