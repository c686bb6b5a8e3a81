"""List what was executed, and store what agents say they have executed themselves."""

from functools import partial

from genai_voice.foundation.clock import get_now_ms, make_time_ordered_id
from genai_voice.foundation.keys import digest
from genai_voice.foundation.model import Listing, Ok, add_optional
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.foundation.trace_sessions import tie_sessions
from genai_voice.tools.model import ExecutionPage, ExecutionView, LogRequest
from genai_voice.tools.rows import MAX_MS, ExecutionRow

PAGE = 100
LOOKED_AT = 500
"""Executions of a session that are looked at for their tools."""


def list_executions(app: str, query: Listing) -> ExecutionPage:
    """List the newest 100 first; `cursor` where more are left."""

    def read(before: str | None) -> PageRows[ExecutionRow, ExecutionView]:
        return PageRows.of(ExecutionRow.list_newest(app, before, PAGE + 1), PAGE, partial(_view, app))

    views, cursor = read_page(app, query, ("executions",), read)
    return add_optional(ExecutionPage(executions=views), cursor=cursor)


def count_executions(app: str, since_ms: int = 0, until_ms: int = MAX_MS) -> int:
    """Count the executions that began from `since_ms` until before `until_ms` (epoch ms), whatever came of
    them.
    """
    return ExecutionRow.count_between(app, since_ms, until_ms)


def list_executed_tools(app: str, session: str) -> list[str]:
    """List the tools that succeeded in a session, by their names, each once, those executed last first. Only
    the session's last 500 executions are looked at.
    """
    return list(dict.fromkeys(ExecutionRow.list_tool_names(app, session, "success", LOOKED_AT)))


def log_execution(app: str, request: LogRequest) -> Ok:
    """Store what an agent did. Where it says when, the same said again is stored once."""
    said_again = digest(app, request.model_dump_json()) if request.executed_at is not None else None
    row = ExecutionRow.of_new(app, request.session_id, make_time_ordered_id(request.executed_at, said_again))
    row.tool_name, row.status, row.source = request.tool_name, request.status, request.source
    row.parameters, row.result = request.parameters, request.result
    row.created_at = get_now_ms() if request.executed_at is None else request.executed_at
    row.duration_ms = request.duration_ms
    row.trace_id, row.span_id = request.trace_id or None, request.span_id
    tie_sessions(app, row.trace_id, [request.session_id])
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
    return add_optional(view, result=row.result, traceId=row.trace_id, spanId=row.span_id)
