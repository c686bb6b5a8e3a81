"""The timeline of a trace: rows of several features in the order of time."""

from functools import partial
from typing import Any

from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import REPLY_BYTES, read_cursor, sign_cursor
from genai_voice.foundation.trace_sessions import make_trace_pk
from genai_voice.traces.model import TimelinePage, TraceQuery
from genai_voice.traces.parts import Part, open_part
from genai_voice.traces.sources import load_rows
from genai_voice.traces.timeline import Budget, Places, Progress, cut_page, read_rows

_ROOM = REPLY_BYTES - 10_000  # without what is around the entries of a reply, the trace id in it


def read_timeline(app: str, query: TraceQuery) -> TimelinePage:
    """Read what happened under a trace id, ascending by time, as much as a page may read and a reply can
    hold, and the cursor where more is left. Entries of the same moment are in the order of SOURCES, then of
    their ids.
    """
    page: TimelinePage = {"traceId": query.trace_id, "timeline": []}
    if not query.is_for(app):
        return page
    scope = (app, "timeline by session", query.trace_id, query.session_id or "")
    parts = _read_parts(read_cursor(query.cursor, *scope)) if query.cursor else [Part()]
    budget = Budget()
    part, candidates, rest = open_part(app, query, parts.pop(0), budget)
    load = partial(load_rows, query.trace_id, make_trace_pk(app, query.trace_id) if part.after else None)
    rows, next_row, is_full = read_rows(candidates, load, part.progress, _ROOM, budget)
    entries, progress = cut_page(rows, next_row, part.progress, _ROOM)
    left = [*([part._replace(progress=progress)] if next_row else ()), *([rest] if rest else ()), *parts]
    page["timeline"] = [entry.view for entry in entries]
    cursor = sign_cursor(list(left), *scope) if left else None
    return add_optional(page, cursor=cursor, truncated=(cursor is not None and not is_full) or None)


def _read_parts(position: list[Any]) -> list[Part]:
    return [
        Part(after, until, Progress(moment, tuple(Places(*each) for each in places)))
        for after, until, (moment, places) in position
    ]
