"""Which lines of two transcripts are one line, as far as order and wording tell.

A pair is the place of a stored line and that of the sent line which it is. Pairs are in order: of two, one is
the earlier in both lists. The work is bounded whatever is sent: a transcript has up to 5 MB, and clients make
us pair 800 lines every five seconds.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from genai_voice.conversations.model import TranscriptItem

Line = TranscriptItem
Pair = tuple[int, int]

_MOST_CANDIDATES: Final = 500_000
"""So many pairs of the same wording are looked at, before only the n-th is compared with the n-th."""

_MOST_CELLS: Final = 500_000
"""So many pairs are looked at for beginnings; beyond that a beginning is a line of its own."""


def has_wording(stored: Line, sent: Line) -> bool:
    """Whether both lines say the same."""
    return stored["role"] == sent["role"] and stored["content"] == sent["content"]


def has_beginning(line: Line, other: Line) -> bool:
    """Whether the line says what the other says: the same, or that and more."""
    return line["role"] == other["role"] and line["content"].startswith(other["content"])


def pair_in_order(stored: Sequence[Line], sent: Sequence[Line]) -> list[Pair]:
    """Pair lines of one role whose wordings are the same or begin with one another.

    A list that says nothing new is found as a whole, so that merging what was merged changes nothing. Else
    the same wordings are paired first, as many as can be, and then beginnings between them.
    """
    said = _pair_with_next(stored, sent)
    if len(said) == len(sent):
        return said
    head = _count_common(stored, sent)
    tail = _count_common(stored[head:][::-1], sent[head:][::-1])
    stored_end, sent_end = len(stored) - tail, len(sent) - tail
    same = [
        *((place, place) for place in range(head)),
        *((head + i, head + j) for i, j in _pair_wordings(stored[head:stored_end], sent[head:sent_end])),
        *((stored_end + place, sent_end + place) for place in range(tail)),
    ]
    return sorted([*same, *_pair_between(stored, sent, same)])


def _pair_with_next(stored: Sequence[Line], sent: Sequence[Line]) -> list[Pair]:
    """Pair each sent line with the next stored line that says it, up to the first that none does."""
    pairs: list[Pair] = []
    places = iter(range(len(stored)))
    for j, line in enumerate(sent):
        i = next((i for i in places if has_beginning(stored[i], line)), None)
        if i is None:
            break
        pairs.append((i, j))
    return pairs


def _count_common(stored: Sequence[Line], sent: Sequence[Line]) -> int:
    """Count the lines that both lists begin with."""
    count = 0
    for count, (ours, theirs) in enumerate(zip(stored, sent, strict=False)):
        if not has_wording(ours, theirs):
            return count
    return min(len(stored), len(sent))


class _Chain(NamedTuple):
    """Pairs in order, the last one first."""

    pair: Pair
    before: "_Chain | None"


def _pair_wordings(stored: Sequence[Line], sent: Sequence[Line]) -> list[Pair]:
    """Pair as many lines of the same wording as can be paired in order, each with the earliest that will do.

    Goes through the sent lines and remembers, for every length, the chain of pairs that ends at the earliest
    stored line: `ends` has these places, which rise with the length.
    """
    ends: list[int] = []
    chains: list[_Chain] = []
    for j, places in enumerate(_list_candidates(stored, sent)):
        for i in reversed(places):  # else a chain would have the sent line twice
            length = bisect_left(ends, i)
            chain = _Chain((i, j), chains[length - 1] if length else None)
            if length == len(ends):
                ends.append(i)
                chains.append(chain)
            elif i < ends[length]:
                ends[length], chains[length] = i, chain
    pairs = []
    chain_left = chains[-1] if chains else None
    while chain_left:
        pairs.append(chain_left.pair)
        chain_left = chain_left.before
    return pairs[::-1]


def _list_candidates(stored: Sequence[Line], sent: Sequence[Line]) -> Iterator[Sequence[int]]:
    """List, for each sent line, the places of the stored lines that have its wording."""
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, line in enumerate(stored):
        places[line["role"], line["content"]].append(i)
    found = [places.get((line["role"], line["content"]), []) for line in sent]
    if sum(map(len, found)) <= _MOST_CANDIDATES:
        yield from found
        return
    seen: Counter[int] = Counter()
    for candidates in found:
        nth = seen[id(candidates)]
        seen[id(candidates)] += 1
        yield candidates[nth : nth + 1]


def _pair_between(stored: Sequence[Line], sent: Sequence[Line], pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Pair lines between the pairs that there are, where one begins with the other."""
    cells_left = _MOST_CELLS
    for (i, j), (next_i, next_j) in pairwise([(-1, -1), *pairs, (len(stored), len(sent))]):
        cells = (next_i - i - 1) * (next_j - j - 1)
        if 0 < cells <= cells_left:
            cells_left -= cells
            for ours, theirs in _pair_beginnings(stored[i + 1 : next_i], sent[j + 1 : next_j]):
                yield i + 1 + ours, j + 1 + theirs


def _pair_beginnings(stored: Sequence[Line], sent: Sequence[Line]) -> Iterator[Pair]:
    """Pair lines of which one begins with the other, where that is worth most: a stored line that says all
    that was sent counts twice. `worth[i][j]` is what the lines from i and from j on are worth.
    """
    worth = [[0] * (len(sent) + 1) for _ in range(len(stored) + 1)]
    for i in reversed(range(len(stored))):
        for j in reversed(range(len(sent))):
            paired = _weigh(stored[i], sent[j])
            worth[i][j] = max(worth[i + 1][j], worth[i][j + 1], paired + worth[i + 1][j + 1] if paired else 0)
    i = j = 0
    while i < len(stored) and j < len(sent):
        paired = _weigh(stored[i], sent[j])
        if paired and worth[i][j] == paired + worth[i + 1][j + 1]:
            yield i, j
            i, j = i + 1, j + 1
        elif worth[i][j] == worth[i + 1][j]:
            i += 1
        else:
            j += 1


def _weigh(stored: Line, sent: Line) -> int:
    return 2 if has_beginning(stored, sent) else 1 if has_beginning(sent, stored) else 0
