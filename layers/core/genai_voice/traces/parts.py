"""The parts of a timeline: sessions whose rows are brought into one order of time.

That of a trace with few sessions is one part. Where the beginnings of the lists of many sessions would take
too much of a page, those that can be read are a part, and the others follow it.
"""

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import chain
from typing import NamedTuple

from genai_voice.foundation.table import Item
from genai_voice.foundation.trace_sessions import TraceSessionRow, make_trace_pk
from genai_voice.traces.lists import RowList, list_candidates
from genai_voice.traces.model import TraceQuery
from genai_voice.traces.sources import SOURCES
from genai_voice.traces.timeline import Budget, Candidate, Places, Progress

_MOST_SESSIONS = 100
NOTHING_YET = Progress(0.0, (Places(),) * len(SOURCES))


class Part(NamedTuple):
    """Sessions of a trace, and how far the pages have come with them."""

    after: str = ""
    """The key of the session before the first ("": what belongs to no session is in this part, too)."""
    until: str = ""
    """The key of the last ("": all that follow)."""
    progress: Progress = NOTHING_YET


class OpenPart(NamedTuple):
    part: Part
    rows: Iterator[Candidate]
    """In the order of time."""
    rest: Part | None
    """What was left out of the part, because its lists would take too much."""


def open_part(app: str, query: TraceQuery, part: Part, budget: Budget) -> OpenPart:
    """Begin to read a part, or as much of it as a page can hold in order: of a part that was begun and is too
    much now that is its first session.
    """
    sessions = TraceSessionRow.list_in_trace(
        app, query.trace_id, part.after, part.until, limit=_MOST_SESSIONS + 1
    )
    count = max(1, len(sessions))
    lists = [] if part.after else list(_list_others(app, query, part.progress, budget))
    by_session = list[list[Iterator[Candidate]]]()
    for row in sessions[:_MOST_SESSIONS]:
        if by_session and not budget.may_open():
            break
        by_session.append(list(_list_session(app, row.session_id, part.progress, count, budget)))
    if len(by_session) == len(sessions):
        return OpenPart(part, _merge(chain(lists, *by_session)), None)
    if part.progress != NOTHING_YET:
        del by_session[1:]
    last = sessions[len(by_session) - 1].sk
    rows = _merge(chain(lists, *by_session))
    return OpenPart(part._replace(until=last), rows, part._replace(after=last))


def _list_session(
    app: str, session: str, progress: Progress, sessions: int, budget: Budget
) -> Iterator[Iterator[Candidate]]:
    """Begin the lists of a session of the trace."""
    for source in SOURCES:
        if source.has_traces:
            yield _begin(source.make_list(app, session), progress, sessions, budget)


def _list_others(
    app: str, query: TraceQuery, progress: Progress, budget: Budget
) -> Iterator[Iterator[Candidate]]:
    """Begin the lists of the session that the query names, and those that an index has of the trace: where
    rows were stored with entries there, and before.
    """
    any_of_before = Item.read_raw_page(make_trace_pk(app, query.trace_id), "!", "~", index="gsi2", limit=1)
    budget.spend(any_of_before.units)
    of_before = [
        source.make_list_of_before(app, query.trace_id)
        for source in SOURCES
        if source.has_traces and any_of_before.items
    ]
    named = [
        source.make_list(app, query.session_id)
        for source in SOURCES
        if query.session_id and not source.has_traces
    ]
    for each in (*of_before, *named):
        yield _begin(each, progress, 1, budget)


def _begin(rows: RowList, progress: Progress, sessions: int, budget: Budget) -> Iterator[Candidate]:
    """Begin to read a list, with its first call."""
    listed = list_candidates(rows, progress.places[rows.rank].start, sessions, budget)
    first = next(listed, None)
    return chain((first,), listed) if first else listed


def _merge(lists: Iterable[Iterator[Candidate]]) -> Iterator[Candidate]:
    return merge(*lists, key=lambda each: (each.time, each.rank, each.place))
