"""The timeline of a trace: rows of several features in the order of time."""

from collections.abc import Iterator

from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import REPLY_BYTES, count_wire_bytes, read_cursor, sign_cursor
from genai_voice.traces.model import MAX_ROWS, TimelineEntry, TimelinePage, TraceQuery
from genai_voice.traces.sources import SOURCES
from genai_voice.traces.timeline import FoundEntry, RowLimit, TimelinePosition, take_earliest

_HEAD_BYTES = 10_000  # of a reply around its entries, the trace id in it


def read_timeline(app: str, query: TraceQuery) -> TimelinePage:
    """Read what happened under a trace id, ascending by time, as much as fits the reply, and the cursor where
    more is left. Entries of the same moment are in the order of SOURCES, then of their ids.

    Reads at most MAX_ROWS of each source.
    """
    page: TimelinePage = {"traceId": query.trace_id, "timeline": []}
    if not query.is_for(app):
        return page
    scope = (app, "traces", query.trace_id, query.session_id or "")
    after = TimelinePosition(*read_cursor(query.cursor, *scope)) if query.cursor else None
    limit = RowLimit(MAX_ROWS)
    entries, more = take_earliest(_read_entries(app, query, limit), REPLY_BYTES - _HEAD_BYTES, after)
    page["timeline"] = [entry.view for entry in entries]
    cursor = sign_cursor(list(entries[-1].position), *scope) if more else None
    return add_optional(page, cursor=cursor, truncated=limit.exceeded or None)


def _read_entries(app: str, query: TraceQuery, limit: RowLimit) -> Iterator[FoundEntry]:
    """Read the entries of all sources, in no order."""
    for rank, source in enumerate(SOURCES):
        for row in limit.take(source.list_rows(app, query)):
            for timestamp, data in source.view(row):
                view: TimelineEntry = {"type": source.type, "timestamp": timestamp, "data": data}
                yield FoundEntry(TimelinePosition(timestamp, rank, data["id"]), view, count_wire_bytes(view))
