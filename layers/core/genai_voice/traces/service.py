"""The timeline of a trace: rows of several features in the order of time."""

from typing import Any

from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import REPLY_BYTES, read_cursor, sign_cursor
from genai_voice.traces.model import TimelinePage, TraceQuery
from genai_voice.traces.sources import SOURCES, list_candidates, load_rows
from genai_voice.traces.timeline import Places, Progress, cut_page, read_rows

_ROOM = REPLY_BYTES - 10_000  # without what is around the entries of a reply, the trace id in it
_NOTHING_YET = Progress(0.0, (Places(),) * len(SOURCES))


def read_timeline(app: str, query: TraceQuery) -> TimelinePage:
    """Read what happened under a trace id, ascending by time, as much as a page may read and a reply can
    hold, and the cursor where more is left. Entries of the same moment are in the order of SOURCES, then of
    their ids.
    """
    page: TimelinePage = {"traceId": query.trace_id, "timeline": []}
    if not query.is_for(app):
        return page
    scope = (app, "timeline", query.trace_id, query.session_id or "")
    progress = _read_progress(read_cursor(query.cursor, *scope)) if query.cursor else _NOTHING_YET
    candidates = list_candidates(app, query, progress.places)
    rows, next_row, is_full = read_rows(candidates, load_rows, progress, _ROOM)
    entries, progress = cut_page(rows, next_row, progress, _ROOM)
    page["timeline"] = [entry.view for entry in entries]
    cursor = sign_cursor([progress.until, *progress.places], *scope) if next_row else None
    return add_optional(page, cursor=cursor, truncated=(next_row is not None and not is_full) or None)


def _read_progress(position: list[Any]) -> Progress:
    until, *places = position
    return Progress(until, tuple(Places(*each) for each in places))
