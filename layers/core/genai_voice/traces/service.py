"""What happened under one trace id: rows of several features, in the order of time."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from genai_voice.conversations.rows import MessageRow
from genai_voice.foundation.keys import digest
from genai_voice.foundation.pages import REPLY_BYTES, count_wire_bytes, read_cursor, sign_cursor
from genai_voice.guardrails.rows import ViolationRow
from genai_voice.handoffs.rows import HandoffRow
from genai_voice.telemetry.rows import EventsRow
from genai_voice.tools.rows import ExecutionRow
from genai_voice.traces.model import (
    MAX_ROWS,
    EventData,
    HandoffData,
    MessageData,
    TimelineData,
    TimelineEntry,
    TimelinePage,
    ToolExecutionData,
    TraceQuery,
    ViolationData,
)
from genai_voice.traces.timeline import Entry, First, Place, earliest, parsed

_HEAD_BYTES = 10_000  # of a reply around its entries, the trace id in it


def find(app: str, query: TraceQuery) -> TimelinePage:
    """All that the sources have of this trace, ascending by time, as much as fits 5 MB; `cursor` where more
    is left. At the same moment the order is that of SOURCES, then of ids. Reads at most MAX_ROWS of each
    source.
    """
    page: TimelinePage = {"traceId": query.trace_id, "timeline": []}
    if not query.is_for(app):
        return page
    scope = (app, "traces", query.trace_id, query.session_id or "")
    after = Place(*read_cursor(query.cursor, *scope)) if query.cursor else None
    bound = First(MAX_ROWS)
    entries, more = earliest(_entries(app, query, bound), REPLY_BYTES - _HEAD_BYTES, after)
    page["timeline"] = [entry.shown for entry in entries]
    if more:
        page["cursor"] = sign_cursor(list(entries[-1].place), *scope)
    if bound.exceeded:
        page["truncated"] = True
    return page


def _entries(app: str, query: TraceQuery, bound: First) -> Iterator[Entry]:
    """Of all sources, in no order."""
    for rank, source in enumerate(SOURCES):
        for row in bound.of(source.rows(app, query)):
            for timestamp, data in source.shown(row):
                shown: TimelineEntry = {"type": source.type, "timestamp": timestamp, "data": data}
                yield Entry(Place(timestamp, rank, data["id"]), shown, count_wire_bytes(shown))


# -- sources -----------------------------------------------------------------------------------------------


def _events(row: EventsRow) -> Iterator[tuple[float, EventData]]:
    """An event is known by its session, time, type and data, so one that was sent again in a batch that has
    grown has the same id. Under two sessions it is two events.
    """
    for event in from_json(row.events):
        text = event.get("data")
        identity = [row.session_id, repr(float(event["ts"])), event["eventType"]]
        yield (
            event["ts"],
            {
                "id": digest(*identity, *([] if text is None else [text])),
                "eventType": event["eventType"],
                "sessionId": row.session_id,
                "data": parsed(text),
            },
        )


def _message(row: MessageRow) -> Iterator[tuple[float, MessageData]]:
    if not row.is_final:
        return
    data: MessageData = {
        "id": row.message_id,
        "role": row.role,
        "content": row.content,
        "participantIdentity": row.participant_identity,
    }
    if row.language is not None:
        data["language"] = row.language
    yield row.created_at or 0, data


def _tool_execution(row: ExecutionRow) -> Iterator[tuple[float, ToolExecutionData]]:
    data: ToolExecutionData = {
        "id": row.execution_id,
        "toolName": row.tool_name,
        "parameters": parsed(row.parameters),
        "result": parsed(row.result),
        "status": row.status,
        "durationMs": row.duration_ms,
    }
    if row.span_id is not None:
        data["spanId"] = row.span_id
    yield row.created_at or 0, data


def _handoff(row: HandoffRow) -> Iterator[tuple[float, HandoffData]]:
    data: HandoffData = {
        "id": row.handoff_id,
        "reason": row.reason,
        "status": row.status,
        "priority": row.priority,
    }
    if row.assigned_agent is not None:
        data["assignedAgent"] = row.assigned_agent
    if row.claimed_at is not None:
        data["claimedAt"] = row.claimed_at
    if row.resolved_at is not None:
        data["resolvedAt"] = row.resolved_at
    yield row.created_at or 0, data


def _of_session(rows: Callable[[str, str], Iterable[Any]]) -> Callable[[str, TraceQuery], Iterable[Any]]:
    """Of rows that belong to no trace but to a session: only where one is given."""
    return lambda app, query: rows(app, query.session_id) if query.session_id else ()


def _violation(row: ViolationRow) -> Iterator[tuple[float, ViolationData]]:
    data: ViolationData = {
        "id": row.violation_id,
        "ruleId": row.rule_id,
        "violationType": row.type,
        "direction": row.direction,
        "content": row.content,
        "action": row.action,
    }
    if row.shadow:
        data["shadow"] = True
    yield row.created_at or 0, data


class Source(NamedTuple):
    """Where entries of one type come from."""

    type: str
    rows: Callable[[str, TraceQuery], Iterable[Any]]
    """The app's rows that belong to what is asked for."""
    shown: Callable[[Any], Iterable[tuple[float, TimelineData]]]
    """The entries of one row, each with its timestamp."""


SOURCES: Final = (
    Source("event", lambda app, query: EventsRow.list_in_trace(app, query.trace_id, "EVENTS#"), _events),
    Source("message", lambda app, query: MessageRow.list_in_trace(app, query.trace_id, "MESSAGE#"), _message),
    Source(
        "tool_execution",
        lambda app, query: ExecutionRow.list_in_trace(app, query.trace_id, "ID#"),
        _tool_execution,
    ),
    Source("guardrail_violation", _of_session(ViolationRow.list_by_session), _violation),
    Source("handoff", _of_session(HandoffRow.in_session), _handoff),
)
"""In the order in which entries of the same moment are shown."""
