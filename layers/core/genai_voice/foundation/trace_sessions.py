"""A trace knows its sessions: what is stored of a session is found by the traces that it was sent with.

Rows that belong to a trace say so themselves (`trace_id`), and lie with their session. So they pay for no
index, and a trace pays for one small row a session. What stands in a trace but in no session would lie in
the trace's own partition, beside these rows.
"""

from collections.abc import Iterable
from threading import Lock
from typing import Self

from cachetools import TTLCache

from genai_voice.foundation.caches import register_cache
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import Item, UnicodeAttribute
from genai_voice.foundation.transactions import put_all

_tied: TTLCache[tuple[str, str], bool] = register_cache(TTLCache(10_000, 600_000, timer=get_now_ms))
"""The keys of rows that this process has stored."""
_tied_lock = Lock()


class TraceSessionRow(Item, discriminator="trace_session"):
    session_id = UnicodeAttribute()

    @classmethod
    def of(cls, app: str, trace_id: str, session: str) -> Self:
        return cls(make_trace_pk(app, trace_id), make_key("SESSION", session), session_id=session)

    @classmethod
    def list_in_trace(cls, app: str, trace_id: str, after: str, until: str, limit: int) -> list[Self]:
        """List the sessions of a trace by their sort keys: those after the key `after` ("": from the first),
        up to the key `until` ("": to the last).
        """
        wanted = cls.sk.between(after + "~" if after else "SESSION#", until or "SESSION#~")
        return list(cls.query(make_trace_pk(app, trace_id), wanted, limit=limit, consistent_read=True))


def tie_sessions(app: str, trace_id: str | None, sessions: Iterable[str]) -> None:
    """Have a trace know these sessions, before anything is stored that belongs to it. Takes a call only for
    those that this process has not told it in the last ten minutes; none where there is no trace.

    Raises Busy.
    """
    if not trace_id:
        return
    rows = {(row.pk, row.sk): row for row in (TraceSessionRow.of(app, trace_id, each) for each in sessions)}
    with _tied_lock:
        unknown = [key for key in rows if key not in _tied]
    put_all([rows[key] for key in unknown])
    with _tied_lock:
        _tied.update(dict.fromkeys(unknown, True))


def make_trace_pk(app: str, trace_id: str) -> str:
    """Make the key of a trace's partition. Rows of before have the same one in the index gsi2."""
    return make_key("APP", app, "TRACE", trace_id)
