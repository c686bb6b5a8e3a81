"""What was executed, and what agents say they have executed themselves."""

from functools import partial

from genai_voice.foundation.clock import now_ms, time_ordered_id
from genai_voice.foundation.keys import digest
from genai_voice.foundation.model import Listing, Ok
from genai_voice.foundation.pages import fill, read_cursor, sign_cursor
from genai_voice.tools.model import ExecutionPage, ExecutionView, LogRequest
from genai_voice.tools.rows import MAX_MS, ExecutionRow

PAGE = 100
LOOKED_AT = 500
"""Executions of a session that are looked at for their tools."""


def find(app: str, query: Listing) -> ExecutionPage:
    """The newest 100 first; `cursor` where more are left."""
    if not query.is_for(app):
        return {"executions": []}
    scope = (app, "executions")
    before = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else None
    views, last = fill(ExecutionRow.newest(app, before, PAGE + 1), partial(_view, app), PAGE)
    page: ExecutionPage = {"executions": views}
    if last is not None:
        page["cursor"] = sign_cursor([last.sk], *scope)
    return page


def count(app: str, since_ms: int = 0, until_ms: int = MAX_MS) -> int:
    """Executions that began from `since_ms` until before `until_ms` (epoch ms), whatever came of them."""
    return ExecutionRow.count_of(app, since_ms, until_ms)


def executed_in(app: str, session: str) -> list[str]:
    """The tools that succeeded in a session, by their names, each once, those executed last first. Looks at
    the session's last 500 executions.
    """
    return list(dict.fromkeys(ExecutionRow.names_in_session(app, session, "success", LOOKED_AT)))


def log(app: str, request: LogRequest) -> Ok:
    """Store what an agent did. Where it says when, the same said again is stored once."""
    said_again = digest(app, request.model_dump_json()) if request.executed_at is not None else None
    row = ExecutionRow.new(app, request.session_id, time_ordered_id(request.executed_at, said_again))
    row.tool_name, row.status, row.source = request.tool_name, request.status, request.source
    row.parameters, row.result = request.parameters, request.result
    row.created_at = now_ms() if request.executed_at is None else request.executed_at
    row.duration_ms = request.duration_ms
    row.belongs_to(app, request.trace_id, request.span_id)
    row.save()
    return {"ok": True}


def _view(app: str, row: ExecutionRow) -> ExecutionView:
    view: ExecutionView = {
        "_id": row.execution_id,
        "_creationTime": row.created_at or 0,
        "appSlug": app,
        "sessionId": row.session_id,
        "toolName": row.tool_name,
        "parameters": row.parameters,
        "status": row.status,
        "executedAt": row.created_at or 0,
        "durationMs": row.duration_ms,
        "source": row.source,
    }
    if row.result is not None:
        view["result"] = row.result
    if row.trace_id is not None:
        view["traceId"] = row.trace_id
    if row.span_id is not None:
        view["spanId"] = row.span_id
    return view
