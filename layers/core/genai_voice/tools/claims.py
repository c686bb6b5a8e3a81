"""Carry out a tool call that the client has named (`toolCallId`) once, however often it is sent.

    nobody has begun ──> leased to one process for 30 s ──> done: the execution that came of it, for 24 h
            │                        ├── it died ──> leased to the next that asks
            │                        └── nothing was sent ──> forgotten
            └── the tool changes nothing but our table ──────^

What changes our own table is done in the write that says so: exactly once. An endpoint is called between the
two: at least once, where the process that called it died before it could say so. It sees the same
`Idempotency-Key` then.
"""

import json
import time

from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import Busy, Conflict
from genai_voice.foundation.keys import digest
from genai_voice.foundation.table import Action
from genai_voice.foundation.transactions import Change
from genai_voice.tools.model import ExecuteRequest, ToolResult
from genai_voice.tools.rows import CallRow, ExecutionRow

_LEASE_MS = 30_000  # no process outlives it: a function has 29 s
_KEPT_S = 24 * 3600
_PATIENCE_MS = 13_000  # for a call of 10 s; then there is time for one of our own
_POLL_S = (0.05, 0.1, 0.2, 0.4, 0.8)  # the last again and again


class Claim:
    """The claim of one execution to a call."""

    def __init__(self, app: str, request: ExecuteRequest, call_id: str, execution_id: str) -> None:
        self.key = digest(app, request.session_id, call_id)
        """Stands for this call among those of all apps and sessions: what an endpoint is told."""
        self.row = CallRow.of(app, request.session_id, call_id)
        self._app, self._execution_id = app, execution_id
        self._fingerprint = digest(request.tool_name, json.dumps(request.parameters, sort_keys=True))

    def await_first_result(self, stored: CallRow | None) -> ToolResult | None:
        """Find what the call has answered before, and wait for it where it is in flight. Answers None where
        the call is to be carried out.

        Raises Conflict when it was another call, Busy when it takes too long.
        """
        deadline, attempt = get_now_ms() + _PATIENCE_MS, 0
        while stored is not None and not stored.has_expired(get_now_ms()):
            if stored.fingerprint != self._fingerprint:
                raise Conflict("toolCallId belongs to another call: the tool or its parameters differ")
            if stored.leased_until is None:
                return _load_result(self._app, stored.execution_id)
            is_own = stored.execution_id == self._execution_id  # the table did not take what came of it
            if is_own or stored.leased_until < get_now_ms():
                return None
            if get_now_ms() > deadline:
                raise Busy("This tool call is still running: try again")
            time.sleep(_POLL_S[min(attempt, len(_POLL_S) - 1)])
            attempt += 1
            stored = self.row.find_stored()
        return None

    def lease_changes(self) -> Change:
        """Lease the call before its tool is called. The condition fails when another has it or is done."""
        return self._claim_changes(CallRow.leased_until.set(get_now_ms() + _LEASE_MS))

    def completion_changes(self) -> Change:
        """Mark the call as done, in the write that stores its execution. Its condition fails when another has
        the call or is done.
        """
        return self._claim_changes(CallRow.leased_until.remove())

    def release_changes(self) -> Change:
        """Forget the call, of which its endpoint knows nothing, in the write that stores its execution. The
        condition fails as that of its completion does.
        """
        return self._claim_changes(CallRow.leased_until.remove(), kept_s=-1)

    def _claim_changes(self, lease: Action, kept_s: int = _KEPT_S) -> Change:
        identity = [
            CallRow.fingerprint.set(self._fingerprint),
            CallRow.execution_id.set(self._execution_id),
            CallRow.expires_at.set(get_now_ms() // 1000 + kept_s),
        ]
        return Change(self.row, [*identity, lease], CallRow.is_open_to(self._execution_id, get_now_ms()))


def _load_result(app: str, execution_id: str) -> ToolResult:
    execution = ExecutionRow.find_by_id(app, execution_id)
    if execution is None or execution.result is None:
        raise Conflict("This tool call was carried out, and its result is no longer kept")
    result: ToolResult = json.loads(execution.result)
    return result
