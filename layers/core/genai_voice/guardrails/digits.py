"""Numbers that were said in English words, and the digits that they would have been written in."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple
from unicodedata import decimal


class Replacement(NamedTuple):
    """What stands at text[start:end] once the number is written in digits."""

    start: int
    end: int
    text: str


class _Kind(Enum):
    LITERAL = auto()  # digits already
    DIGIT = auto()  # zero to nine
    OH = auto()  # a zero among other digits
    TEEN = auto()  # ten to nineteen
    TENS = auto()  # twenty to ninety
    TIMES = auto()  # double, triple: the digit that follows, so many times
    SCALE = auto()  # hundred, thousand: so many zeros
    AND = auto()
    SEPARATOR = auto()


_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS: dict[str, tuple[_Kind, str]] = {
    **{word: (_Kind.DIGIT, str(value)) for value, word in enumerate(_DIGITS)},
    **{word: (_Kind.TEEN, str(value)) for value, word in enumerate(_TEENS, 10)},
    **{word: (_Kind.TENS, str(value)) for value, word in enumerate(_TENS, 2)},
    "oh": (_Kind.OH, "0"),
    "o": (_Kind.OH, "0"),
    "double": (_Kind.TIMES, "2"),
    "triple": (_Kind.TIMES, "3"),
    "treble": (_Kind.TIMES, "3"),
    "quadruple": (_Kind.TIMES, "4"),
    "hundred": (_Kind.SCALE, "2"),
    "thousand": (_Kind.SCALE, "3"),
    "and": (_Kind.AND, ""),
    "dash": (_Kind.SEPARATOR, "-"),
    "hyphen": (_Kind.SEPARATOR, "-"),
    "dot": (_Kind.SEPARATOR, "."),
}
MAY_BE_NUMBERS = (
    "(?:^|[^a-z_])(?:" + "|".join(word for word in _WORDS if word != "and") + r")(?:[^a-z_]|$)|\d\s+\d"
)
"""What every ASCII text matches in which there is something to write: most are done with here."""

_WORD = re.compile(r"\d+|[^\W\d]+")
_APOSTROPHES = ("'", "\u2019")  # "o'clock"
_WITHIN = re.compile(r"\s+|\s*-\s*")  # one number: "forty one", "forty-one"
_BETWEEN = re.compile(r"\s+|\s*[-,]\s*")  # numbers that were said one after the other
_SPACE = re.compile(r"\s+")


class _Token(NamedTuple):
    kind: _Kind
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Number:
    """One number: its tokens, from `first` until before `after`, and what they are in digits."""

    first: int
    after: int
    digits: str
    kind: _Kind
    """Of its first token."""

    @property
    def is_said(self) -> bool:
        return self.kind is not _Kind.LITERAL


def find_replacements(text: str) -> list[list[Replacement]]:
    """Find what to write in place of number words, ascending by place. There is one list for each way in
    which the words can be meant, and none where no number was said.

    "four one one one" is 4111, "double five" 55, "forty one" 41, "oh" a zero beside other digits. "eight
    hundred fifty five" is 855 to some and 80055 to others: both are answered. Digits that stand apart ("4 1 1
    1") are moved together. The words dash, hyphen and dot between digits are "-" and ".".
    """
    tokens = list(_tokenize(text))
    is_ambiguous = any(token.kind is _Kind.SCALE for token in tokens)
    found: list[list[Replacement]] = []
    for adding in (True, False) if is_ambiguous else (True,):
        replaced = _Reader(text, tokens, adding).read()
        if replaced and replaced not in found:
            found.append(replaced)
    return found


def _tokenize(text: str) -> Iterator[_Token]:
    for word in _WORD.finditer(text):
        said = word[0]
        if said.isdecimal():
            yield _Token(_Kind.LITERAL, "".join(str(decimal(each)) for each in said), *word.span())
        elif (known := _WORDS.get(said.lower())) and text[word.end() : word.end() + 1] not in _APOSTROPHES:
            yield _Token(*known, *word.span())


class _Reader:
    """A reader of the numbers of one text, from left to right."""

    def __init__(self, text: str, tokens: list[_Token], adding: bool) -> None:
        self._text, self._tokens = text, tokens
        self._adding = adding
        """Whether "hundred" counts what follows in: "eight hundred five" is 805, else 8005."""

    def read(self) -> list[Replacement]:
        replaced: list[Replacement] = []
        run: list[_Number] = []
        place = 0
        while place < len(self._tokens):
            number = self._read_thousands(place)
            if number is None:
                place += 1
                continue
            if run and self._find_joint(run[-1], number) is None:
                replaced += self._join_run(run)
                run = []
            run.append(number)
            place = number.after
        return replaced + self._join_run(run)

    def _join_run(self, run: list[_Number]) -> list[Replacement]:
        """Join numbers that belong together. "oh" by itself is no zero."""
        if all(number.kind is _Kind.OH for number in run):
            return []
        replaced: list[Replacement] = []
        for before, number in zip([None, *run], run, strict=False):
            if before is not None:
                joint = self._find_joint(before, number)
                gap = Replacement(self._get_end(before), self._get_start(number), joint or "")
                replaced.append(gap)
            said = Replacement(self._get_start(number), self._get_end(number), number.digits)
            replaced.append(said)
        return [each for each in replaced if self._text[each.start : each.end] != each.text]

    def _find_joint(self, before: _Number, number: _Number) -> str | None:
        """Find what is written between two numbers; None where they do not belong together."""
        gap = self._text[self._get_end(before) : self._get_start(number)]
        between = self._tokens[before.after : number.first]
        if not between:
            return "" if self._is_one_number(before, number, gap) else None
        if len(between) > 1 or between[0].kind is not _Kind.SEPARATOR:
            return None
        word = between[0]
        around = (
            self._text[self._get_end(before) : word.start],
            self._text[word.end : self._get_start(number)],
        )
        return word.value if all(_SPACE.fullmatch(each) for each in around) else None

    def _is_one_number(self, before: _Number, number: _Number, gap: str) -> bool:
        if before.is_said and number.is_said:
            aside = _Kind.OH in (before.kind, number.kind)  # "oh, four people"
            return bool((_WITHIN if aside else _BETWEEN).fullmatch(gap))
        alone = len(before.digits) == len(number.digits) == 1
        return bool(_SPACE.fullmatch(gap)) and (before.is_said or number.is_said or alone)

    # -- one number ----------------------------------------------------------------------------------------

    def _read_thousands(self, place: int) -> _Number | None:
        number = self._read_hundreds(place)
        return number and self._read_scaled(number, "3", self._read_hundreds)

    def _read_hundreds(self, place: int) -> _Number | None:
        number = self._read_plain(place)
        return number and self._read_scaled(number, "2", self._read_plain)

    def _read_scaled(self, number: _Number, scale: str, rest: Callable[[int], _Number | None]) -> _Number:
        """Read the hundred or thousand that follows the number, and the number that follows that."""
        after = self._get_glued_token(number.after, _Kind.SCALE)
        if after is None or after.value != scale:
            return number
        place, zeros = number.after + 1, int(scale)
        linked = self._get_glued_token(place, _Kind.AND) is not None
        tail = rest(place + linked) if self._adding or linked else None
        if tail and self._is_counted_in(tail, zeros):
            return _Number(number.first, tail.after, number.digits + tail.digits.zfill(zeros), number.kind)
        return _Number(number.first, place, number.digits + "0" * zeros, number.kind)

    def _is_counted_in(self, tail: _Number, zeros: int) -> bool:
        glued = self._is_glued(tail.first)
        repeated = self._tokens[tail.first].kind is _Kind.TIMES
        return glued and tail.is_said and not repeated and len(tail.digits) <= zeros

    def _read_plain(self, place: int) -> _Number | None:
        token = self._get_token(place)
        match token and token.kind:
            case _Kind.TENS:
                return self._read_tens(place)
            case _Kind.TIMES:
                return self._read_repeated(place)
            case _Kind.LITERAL | _Kind.DIGIT | _Kind.OH | _Kind.TEEN as kind:
                return _Number(place, place + 1, self._tokens[place].value, kind)
        return None

    def _read_tens(self, place: int) -> _Number:
        ones = self._get_glued_token(place + 1, _Kind.DIGIT)
        tens = self._tokens[place].value
        if ones is None or ones.value == "0":
            return _Number(place, place + 1, tens + "0", _Kind.TENS)
        return _Number(place, place + 2, tens + ones.value, _Kind.TENS)

    def _read_repeated(self, place: int) -> _Number | None:
        for kind in (_Kind.DIGIT, _Kind.OH, _Kind.LITERAL):
            digit = self._get_glued_token(place + 1, kind)
            if digit and len(digit.value) == 1:
                times = int(self._tokens[place].value)
                return _Number(place, place + 2, digit.value * times, _Kind.TIMES)
        return None

    # -- tokens --------------------------------------------------------------------------------------------

    def _get_token(self, place: int) -> _Token | None:
        return self._tokens[place] if place < len(self._tokens) else None

    def _get_glued_token(self, place: int, kind: _Kind) -> _Token | None:
        """Answer the token at this place, if it is of this kind and only a space or hyphen is before it."""
        token = self._get_token(place)
        return token if token and token.kind is kind and self._is_glued(place) else None

    def _is_glued(self, place: int) -> bool:
        gap = self._text[self._tokens[place - 1].end : self._tokens[place].start]
        return bool(_WITHIN.fullmatch(gap))

    def _get_start(self, number: _Number) -> int:
        return self._tokens[number.first].start

    def _get_end(self, number: _Number) -> int:
        return self._tokens[number.after - 1].end
