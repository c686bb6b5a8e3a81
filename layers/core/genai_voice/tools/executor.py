"""A tool is executed: rate limit, look-up, validation, the tool itself, audit. At most four calls to the
table.

read tool, state, window ── over the limit ──> TooManyRequests, nothing written
          │
    count in the window  (only where the app has a limit; one conditional write)
          │
    unknown tool, bad parameters, no implementation ──> audit, {success: false}
          │
    demo tool on the state ──> new state and audit in one transaction, while the state is the one that was
    read
"""

import time
from dataclasses import dataclass, field
from functools import partial

from pydantic_core import to_json

from genai_voice.demos import service as demos
from genai_voice.demos.rows import StateRow
from genai_voice.foundation.clock import back_off, now_ms
from genai_voice.foundation.errors import Busy, TooManyRequests
from genai_voice.foundation.model import Listing
from genai_voice.foundation.pages import fill, opened_cursor, sealed_cursor
from genai_voice.foundation.table import Change, Item, write_together
from genai_voice.tenancy.model import App
from genai_voice.tools.model import ExecuteRequest, ExecutionPage, ExecutionView, ToolResult
from genai_voice.tools.rate import WINDOW_MS, recent
from genai_voice.tools.rows import MAX_MS, ExecutionRow, RateRow, ToolRow
from genai_voice.tools.validation import first_fault

PAGE = 100
_ATTEMPTS = 30
_SOURCE = "http"


def execute(app: App, request: ExecuteRequest, trace_id: str | None) -> ToolResult:
    """Run the tool once and record it. Whatever happens to the tool is in the result, not in the status.

    Raises TooManyRequests above the app's `maxActionsPerTurn` in 60 s, Busy when too many calls race for one
    state.
    """
    call = _Call(app, request, trace_id or None)
    tool, state, window = call.read()
    if app.max_actions_per_turn:
        _count(call, window)
    if tool is None or not tool.is_active:
        return call.record("error", {"success": False, "error": f'Tool "{request.tool_name}" not found'})
    fault = first_fault(tool.parameters_schema, request.parameters)
    if fault:
        refused: ToolResult = {"success": False, "error": f"Parameter validation failed: {fault}"}
        return call.record("validation_error", refused)
    return _run_demo(call, state)


def find(app: str, query: Listing) -> ExecutionPage:
    """The newest 100 first; `cursor` where more are left."""
    if not query.covers(app):
        return {"executions": []}
    scope = (app, "executions")
    before = str(opened_cursor(query.cursor, *scope)[0]) if query.cursor else None
    views, last = fill(ExecutionRow.newest(app, before, PAGE + 1), partial(_view, app), PAGE)
    page: ExecutionPage = {"executions": views}
    if last is not None:
        page["cursor"] = sealed_cursor([last.sk], *scope)
    return page


def count(app: str, since_ms: int = 0, until_ms: int = MAX_MS) -> int:
    """Executions that began from `since_ms` until before `until_ms` (epoch ms), whatever came of them."""
    return ExecutionRow.count_of(app, since_ms, until_ms)


@dataclass
class _Call:
    """One execution and the row that will tell of it."""

    app: App
    request: ExecuteRequest
    trace_id: str | None
    started_ms: int = field(default_factory=now_ms)
    started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        request = self.request
        self.row = ExecutionRow.new(self.app.slug, request.session_id)
        self.row.created_at, self.row.source = self.started_ms, _SOURCE
        self.row.tool_name, self.row.parameters = request.tool_name, to_json(request.parameters).decode()
        self.row.trace_id, self.row.span_id = request.trace_id or self.trace_id, request.span_id
        if self.row.trace_id:
            self.row.put_in_trace(self.app.slug, self.row.trace_id)

    def read(self) -> tuple[ToolRow | None, StateRow | None, RateRow | None]:
        """The tool, the scenario's state and the session's window, in one call."""
        slug = self.app.slug
        tool, state = ToolRow.of(slug, self.request.tool_name), StateRow.of(slug)
        window = RateRow.of(slug, self.request.session_id)
        limited = [window] if self.app.max_actions_per_turn else []
        found = Item.find_all((row.pk, row.sk) for row in (tool, state, *limited))
        return (
            found.get((tool.pk, tool.sk)),
            found.get((state.pk, state.sk)),
            found.get((window.pk, window.sk)),
        )

    def record(self, status: str, result: ToolResult, effect: Change | None = None) -> ToolResult:
        """Store the audit row, with the effect if there is one. Raises _Lost when the effect's condition
        failed.
        """
        self.row.status, self.row.result = status, to_json(result).decode()
        self.row.duration_ms = round((time.perf_counter() - self.started) * 1000)
        if effect is None:
            self.row.save()
        elif not write_together([effect], [self.row]):
            raise _Lost
        return result


class _Lost(Exception):
    """Another call has changed the state meanwhile."""


def _count(call: _Call, window: RateRow | None) -> None:
    """Take a place in the session's window, or raise TooManyRequests."""
    mine = f"{call.started_ms}-{call.row.execution_id}"
    empty = RateRow.of(call.app.slug, call.request.session_id)
    for attempt in range(_ATTEMPTS):
        hits = recent(window.hits if window else [], now_ms())
        if mine in hits:  # the write went through, its answer was lost
            return
        if len(hits) >= call.app.max_actions_per_turn:
            raise TooManyRequests("Max actions per turn exceeded")
        actions = [
            RateRow.hits.set([*hits, mine]),
            RateRow.version.add(1),
            RateRow.expires_at.set((now_ms() + 2 * WINDOW_MS) // 1000),
        ]
        if empty.change(actions, RateRow.unchanged(window)):
            return
        back_off(attempt)
        window = empty.stored()
    raise Busy("Too many tool calls of this session at once: try again")


def _run_demo(call: _Call, state: StateRow | None) -> ToolResult:
    """Pure function on the state, then state and audit together; from the start when another call was
    first.
    """
    name, slug = call.request.tool_name, call.app.slug
    known = demos.has_tool(name)
    unknown: ToolResult = {"success": False, "error": f'Tool "{name}" has no endpoint configured'}
    for attempt in range(_ATTEMPTS):
        data, effect = demos.run(name if known else None, call.request.parameters, slug, state)
        result: ToolResult = {"success": True, "data": data} if known else unknown
        try:
            return call.record("success" if known else "error", result, effect)
        except _Lost:
            back_off(attempt)
            state = StateRow.of(slug).stored()
    raise Busy("Too many tool calls change this scenario at once: try again")


def _view(app: str, row: ExecutionRow) -> ExecutionView:
    view: ExecutionView = {
        "_id": row.execution_id,
        "_creationTime": row.created_at or 0,
        "appSlug": app,
        "sessionId": row.session_id,
        "toolName": row.tool_name,
        "parameters": row.parameters,
        "result": row.result,
        "status": row.status,
        "executedAt": row.created_at or 0,
        "durationMs": row.duration_ms,
        "source": row.source,
    }
    if row.trace_id is not None:
        view["traceId"] = row.trace_id
    if row.span_id is not None:
        view["spanId"] = row.span_id
    return view
