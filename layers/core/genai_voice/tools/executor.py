"""Execute a tool: rate limit, look-up, validation, the tool itself, audit. At most four calls to the table,
and one more where a trace does not know the session yet.

read tool, state, window, claim ── done before ──────> its result, for a `toolCallId` that is sent again
          │                    └── in flight ────────> its result once it is there, or Busy
          │
    over the limit ──> TooManyRequests, nothing written
    count in the window  (only where the app has a limit; one conditional write)
          │
    with a person ──> audit, {success: false}, in an app that mutes its agent after a handoff
          │
    unknown tool, bad parameters, no implementation ──> audit, {success: false}
          │
    demo tool on the state ──> new state and audit in one transaction, while the state is the one that was
          │                    read; else from the start
          │
    endpoint that is left alone ──> audit, {success: false}
          │
    endpoint ──> lease the claim, call, audit

The claim, where there is one, and the count of calls without an answer, where it changes, are part of the
transaction that writes the audit; where their conditions fail it goes from the start, where the result of who
was first is waiting.
"""

import time
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from pydantic_core import to_json

from genai_voice.conversations.rows import ConversationRow
from genai_voice.demos import service as demos
from genai_voice.demos.rows import StateRow, StoredState
from genai_voice.foundation.clock import get_now_ms, make_time_ordered_id
from genai_voice.foundation.errors import TooManyRequests
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import find_together
from genai_voice.foundation.trace_sessions import tie_sessions
from genai_voice.foundation.transactions import Change, write, write_together
from genai_voice.tenancy.model import App
from genai_voice.tools import circuit, endpoint
from genai_voice.tools.claims import Claim
from genai_voice.tools.model import ExecuteRequest, ToolResult
from genai_voice.tools.rate import WINDOW_MS, has_hit, select_recent
from genai_voice.tools.rows import CallRow, ExecutionRow, RateRow, ToolRow
from genai_voice.tools.validation import find_fault

_SOURCE = "http"


def execute_tool(app: App, request: ExecuteRequest, trace_id: str | None) -> ToolResult:
    """Run the tool once and record it. Whatever happens to the tool is in the result, not in the status.

    Raises TooManyRequests above the app's `maxActionsPerTurn` in 60 s, Conflict when the `toolCallId` was
    another call's, Busy when too many calls race for one state or the first with this id takes too long.
    """
    call = _Call(app, request, trace_id or None)
    tie_sessions(app.slug, call.row.trace_id, [request.session_id])
    return retry_lost_races(partial(_try_call, call), busy=demos.BUSY)


def _try_call(call: "_Call") -> ToolResult | None:
    """Carry the call out on what is stored now. Answers None when another call came between."""
    found = call.read()
    first = call.claim.await_first_result(found.claim) if call.claim else None
    if first is not None:
        return first
    if call.app.max_actions_per_turn:
        _take_place(call, found.window)
    is_muted = found.conversation is not None and found.conversation.status == "handed_off"
    if is_muted and call.reply is None:
        return call.refuse("Conversation is with a person")
    return _run(call, found)


class _StoredRows(NamedTuple):
    tool: ToolRow | None
    state: StoredState
    window: RateRow | None
    claim: CallRow | None
    conversation: ConversationRow | None
    """Read only where the app mutes its agent after a handoff."""


@dataclass
class _Call:
    """One execution and the row that will tell of it."""

    app: App
    request: ExecuteRequest
    trace_id: str | None
    started_ms: int = field(default_factory=get_now_ms)
    started: float = field(default_factory=time.perf_counter)
    reply: endpoint.EndpointReply | None = None
    """What came of calling the endpoint. It is not called again when the table refuses to store it."""

    def __post_init__(self) -> None:
        slug, request = self.app.slug, self.request
        self.row = ExecutionRow.of_new(slug, request.session_id, make_time_ordered_id())
        call_id, execution_id = request.tool_call_id, self.row.execution_id
        self.claim = Claim(slug, request, call_id, execution_id) if call_id else None
        self.row.created_at, self.row.source = self.started_ms, _SOURCE
        self.row.tool_name, self.row.parameters = request.tool_name, to_json(request.parameters).decode()
        self.row.trace_id, self.row.span_id = request.trace_id or self.trace_id, request.span_id

    def read(self) -> _StoredRows:
        """Read all that decides what happens, in one call to the table."""
        slug, request = self.app.slug, self.request
        window = RateRow.of(slug, request.session_id) if self.app.max_actions_per_turn else None
        claim = self.claim.row if self.claim else None
        muted = self.app.mute_agent_after_handoff
        conversation = ConversationRow.of(slug, request.session_id) if muted else None
        has_state = demos.may_have_state(slug, request.tool_name)
        first, second = (StateRow.of(slug), StateRow.of_second(slug)) if has_state else (None, None)
        tool = ToolRow.of(slug, request.tool_name)
        found = find_together(tool, first, second, window, claim, conversation)
        return _StoredRows(found[0], StoredState.of(slug, found[1], found[2]), *found[3:])

    def refuse(self, error: str) -> ToolResult | None:
        """Record that nothing was carried out. The claim stays open, so that the call can be sent again."""
        self.claim = None
        return self.record("error", {"success": False, "error": error})

    def record(self, status: str, result: ToolResult, effect: Change | None = None) -> ToolResult | None:
        """Store the audit row, with the effect if there is one, and with the claim if there is one. Answers
        the result, or None when a condition of these failed: another call came between.
        """
        self.row.status, self.row.result = status, to_json(result).decode()
        self.row.duration_ms = round((time.perf_counter() - self.started) * 1000)
        changes = [change for change in (effect, self._claim_changes()) if change]
        if not changes:
            self.row.save()
        elif not write_together(changes, [self.row]):
            return None
        return result

    def _claim_changes(self) -> Change | None:
        if self.claim is None:
            return None
        is_forgotten = self.reply is not None and not self.reply.may_have_arrived
        return self.claim.release_changes() if is_forgotten else self.claim.completion_changes()


def _take_place(call: _Call, window: RateRow | None) -> None:
    """Take a place in the session's window. A call has one place, however often it is sent. Raises
    TooManyRequests where none is left, and Busy when other calls win every time.
    """
    this = call.claim.key if call.claim else call.row.execution_id
    place = RateRow.of(call.app.slug, call.request.session_id)

    def try_in(stored: RateRow | None) -> bool | None:
        hits = select_recent(stored.hits if stored else [], get_now_ms())
        if has_hit(hits, this):
            return True
        if len(hits) >= call.app.max_actions_per_turn:
            raise TooManyRequests("Max actions per turn exceeded")
        actions = [
            RateRow.hits.set([*hits, f"{call.started_ms}-{this}"]),
            RateRow.version.add(1),
            RateRow.expires_at.set((get_now_ms() + 2 * WINDOW_MS) // 1000),
        ]
        return place.change(actions, RateRow.is_unchanged(stored)) or None

    retry_lost_races(
        lambda: try_in(window),
        after_loss=lambda: try_in(place.find_stored()),
        busy="Too many tool calls of this session at once: try again",
    )


def _run(call: _Call, found: _StoredRows) -> ToolResult | None:
    """Run the tool and record it. Answers None when another call came between."""
    name, tool = call.request.tool_name, found.tool
    if call.reply:
        return _record_reply(call, call.reply, tool)
    if tool is None or not tool.is_active:
        return call.record("error", {"success": False, "error": f'Tool "{name}" not found'})
    fault = find_fault(tool.parameters_schema, call.request.parameters)
    if fault:
        refused: ToolResult = {"success": False, "error": f"Parameter validation failed: {fault}"}
        return call.record("validation_error", refused)
    return _run_endpoint(call, tool) if tool.endpoint else _run_demo(call, found.state)


def _run_endpoint(call: _Call, tool: ToolRow) -> ToolResult | None:
    """Call the endpoint between two writes, since no transaction reaches that far."""
    now = get_now_ms()
    if circuit.is_open(tool, now):
        return call.refuse(f'The endpoint of "{tool.name}" is not answering')
    lease = call.claim.lease_changes() if call.claim else None
    begun = [change for change in (lease, circuit.probe_changes(tool, now)) if change]
    if begun and not write(begun):
        return None
    idempotency_key = call.claim.key if call.claim else None
    call.reply = endpoint.call_endpoint(call.app.slug, tool, call.request.parameters, idempotency_key)
    return _record_reply(call, call.reply, tool)


def _record_reply(call: _Call, reply: endpoint.EndpointReply, tool: ToolRow | None) -> ToolResult | None:
    """Record what came of the call, and what it says of the endpoint, where the tool is still at that one."""
    effect = None
    if tool and tool.endpoint == reply.endpoint and reply.is_answered is not None:
        effect = circuit.answer_changes(tool, is_answered=reply.is_answered, now=get_now_ms())
    return call.record("success" if reply.result["success"] else "error", reply.result, effect)


def _run_demo(call: _Call, state: StoredState) -> ToolResult | None:
    """Run a demo tool, which is a pure function of the state, and store state and audit together."""
    name, slug = call.request.tool_name, call.app.slug
    known = name if demos.has_tool(name) else None
    outcome, effect = demos.run_tool(known, call.request.parameters, slug, state)
    if outcome:
        result: ToolResult = {"success": True, "data": outcome.data}
        if outcome.handoff:
            result["handoff"], result["priority"] = True, outcome.handoff["priority"]
            result["reason"] = outcome.handoff["reason"]
        return call.record("success", result, effect)
    error = f'Tool "{name}" has no endpoint configured'
    return call.record("error", {"success": False, "error": error}, effect)
