"""The merge of a stored transcript with a list that was sent and does not simply continue it: a late save, a
client that began anew, a second one in the same session. No line that was ever stored is lost.

Stored lines stay, in their order. What is left to decide of each sent line is whether it is one of them,
which of the two wordings then stays, and where it belongs if it is none:

- Lines of one role and time are one line, unless the client stamps lines when it saves.
- Where times tell nothing, order and wording decide: of a list stamped at saving, of a list with a line that
  has no time (0), and of the first lines of a list while their times are unknown.
- Merging the same list again changes nothing. For this, a time that is stored already, or that a line is put
  in with, is never that of a line which was paired by wording.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate, takewhile
from typing import Final

from genai_voice.conversations.pairing import Line, has_beginning, has_wording, pair_in_order

Moment = tuple[str, float]
"""The role and the time of a line."""

Places = Mapping[int, int]
"""The place of a stored line by the place of the sent line that is paired with it."""

_LEAST_MS: Final = 1e11
"""A time below is in seconds."""

_MOST_AT_ONE_MOMENT: Final = 16
"""Of more sent lines of one role and time only the same wordings are paired."""


def merge(stored: Sequence[Line], sent: Sequence[Line]) -> list[Line]:
    """Merge the sent lines into the stored ones. Merging them once more changes nothing."""
    if not stored or not sent:
        return [*stored, *sent]
    is_stamped = _is_stamped_at_saving(sent)
    by_time, by_wording = _pair(stored, sent, is_stamped=is_stamped)
    lines = _choose_wordings(stored, sent, {**by_time, **by_wording})
    behind = _place(stored, sent, by_time, by_wording, is_stamped=is_stamped)
    merged = list(behind.get(-1, ()))
    for place, line in enumerate(lines):
        merged += [line, *behind.get(place, ())]
    return merged


def _is_stamped_at_saving(lines: Sequence[Line]) -> bool:
    """Whether all lines have the time of the save, or of a moment in which nobody can have said them."""
    times = [_to_ms(line) for line in lines]
    return len(times) > 1 and max(times) - min(times) < 1000


def _to_ms(line: Line) -> float:
    """Convert the time of a line for comparing: clients send seconds or milliseconds."""
    return line["ts"] * 1000 if line["ts"] < _LEAST_MS else line["ts"]


def _get_moment(line: Line) -> Moment:
    return line["role"], line["ts"]


# -- pairs -------------------------------------------------------------------------------------------------


def _pair(stored: Sequence[Line], sent: Sequence[Line], *, is_stamped: bool) -> tuple[Places, Places]:
    """Pair the lines by their moments, and by order and wording those sent lines whose moments are not stored
    with those stored lines whose moments were not sent.
    """
    moments = set() if is_stamped else {_get_moment(line) for line in sent if line["ts"]}
    known = moments & {_get_moment(line) for line in stored}
    by_time = _pair_by_time(stored, sent, known)
    if not is_stamped and all(line["ts"] for line in sent):
        return by_time, _pair_first_lines(stored, sent, known)
    ours = [i for i, line in enumerate(stored) if _get_moment(line) not in moments]
    theirs = [j for j, line in enumerate(sent) if _get_moment(line) not in known]
    found = pair_in_order([stored[i] for i in ours], [sent[j] for j in theirs])
    by_wording = {theirs[j]: ours[i] for i, j in found}
    put_in = moments & {_get_moment(sent[j]) for j in theirs if j not in by_wording}
    return by_time, {j: i for j, i in by_wording.items() if _get_moment(sent[j]) not in put_in}


def _pair_by_time(stored: Sequence[Line], sent: Sequence[Line], known: set[Moment]) -> dict[int, int]:
    """Pair the lines of one role and time, which are in both lists."""
    at_moment: dict[Moment, tuple[list[int], list[int]]] = {moment: ([], []) for moment in known}
    for which, lines in enumerate((stored, sent)):
        for place, line in enumerate(lines):
            if (moment := _get_moment(line)) in known:
                at_moment[moment][which].append(place)
    pairs: dict[int, int] = {}
    for ours, theirs in at_moment.values():
        if len(ours) == len(theirs) == 1:
            pairs[theirs[0]] = ours[0]
        else:
            pairs |= _pair_at_moment(stored, sent, ours, theirs)
    return pairs


def _pair_at_moment(
    stored: Sequence[Line], sent: Sequence[Line], ours: Sequence[int], theirs: Sequence[int]
) -> dict[int, int]:
    """Pair several lines of one role and time by wording, wherever among them a list begins. Those that are
    left were reworded, if they are the same ones of several in both lists.
    """
    pairs: dict[int, int] = {}
    if len(theirs) > _MOST_AT_ONE_MOMENT:
        places = defaultdict(list)
        for i in reversed(ours):
            places[stored[i]["content"]].append(i)
        return {j: same.pop() for j in theirs if (same := places[sent[j]["content"]])}
    free = dict.fromkeys(ours)
    longest_first = sorted(theirs, key=lambda place: len(sent[place]["content"]), reverse=True)
    for is_one_line in (has_beginning, lambda ours, theirs: has_beginning(theirs, ours)):
        for j in longest_first:  # what is longer has fewer to choose from
            if j in pairs:
                continue
            found = next((i for i in free if is_one_line(stored[i], sent[j])), None)
            if found is not None:
                pairs[j] = found
                del free[found]
    left = {n: j for n, j in enumerate(theirs) if j not in pairs}
    if list(left) == [n for n, i in enumerate(ours) if i in free]:
        pairs |= {j: ours[n] for n, j in left.items()}
    return pairs


def _pair_first_lines(stored: Sequence[Line], sent: Sequence[Line], known: set[Moment]) -> dict[int, int]:
    """Pair the first sent lines by order and wording, up to the first that is new or whose moment is stored:
    a client that took up what was said before gives it times of its own.
    """
    moments = [_get_moment(line) for line in sent]
    count = next((j for j, moment in enumerate(moments) if moment in known), len(sent))
    before = takewhile(lambda line: count == len(sent) or _get_moment(line) != moments[count], stored)
    sent_moments = set(moments)
    places = (i for i, line in enumerate(before) if _get_moment(line) not in sent_moments)
    found: list[int] = []
    for line in sent[:count]:
        place = next((i for i in places if has_wording(stored[i], line)), None)
        if place is None:
            break
        found.append(place)
    last = {moment: j for j, moment in enumerate(moments)}
    reached = accumulate((last[moment] for moment in moments[: len(found)]), max)
    whole = max((j + 1 for j, most in enumerate(reached) if j == most), default=0)
    return dict(enumerate(found[:whole]))


# -- what is stored then -----------------------------------------------------------------------------------


def _choose_wordings(stored: Sequence[Line], sent: Sequence[Line], pairs: Places) -> list[Line]:
    """Give each stored line the wording that stays: that which says more or, where none begins with the
    other, that of the list which ends later.
    """
    sent_is_last = max(map(_to_ms, sent)) >= max(map(_to_ms, stored))
    lines = list(stored)
    for j, i in pairs.items():
        ours, theirs = stored[i], sent[j]
        if not has_beginning(ours, theirs) and (has_beginning(theirs, ours) or sent_is_last):
            lines[i] = {**ours, "content": theirs["content"]}
    return lines


def _place(
    stored: Sequence[Line], sent: Sequence[Line], by_time: Places, by_wording: Places, *, is_stamped: bool
) -> dict[int, list[Line]]:
    """Place the sent lines that are in no pair: list them by the place of the stored line behind which they
    are put, -1 for none.

    A line with a time is put behind those of an earlier or equal one, a line without behind the one that it
    follows in the sent list. Neither gets ahead of what it follows or behind what it precedes there, as far
    as that was paired by wording: otherwise the next merge would not find both.
    """
    untimed, timed = defaultdict[int, list[Line]](list), defaultdict[int, list[Line]](list)
    earliest_after = list(accumulate(map(_to_ms, reversed(stored)), min))[::-1]
    nexts = _find_next(by_wording, len(sent), end=len(stored))
    at: int | None = None
    last_by_wording = -1
    for j, line in enumerate(sent):
        if j in by_wording:
            at = last_by_wording = by_wording[j]
        elif j in by_time:
            at = min(max(by_time[j], -1 if at is None else at), nexts[j] - 1)
        else:
            place = bisect_right(earliest_after, _to_ms(line)) - 1
            if line["ts"] and not is_stamped:
                timed[max(place, last_by_wording)].append(line)
                continue
            if at is None:
                at = place if nexts[j] == len(stored) else nexts[j] - 1
            untimed[at].append(line)
    return {
        place: [*untimed.get(place, ()), *sorted(timed.get(place, ()), key=_to_ms)]
        for place in untimed.keys() | timed.keys()
    }


def _find_next(pairs: Places, count: int, *, end: int) -> list[int]:
    """Find, for each of `count` sent places, where the next pair at or behind it has its stored line."""
    backwards = (pairs.get(j, end) for j in reversed(range(count)))
    return list(accumulate(backwards, min))[::-1]
