"""The sources of a timeline: which rows belong to a trace, and what is shown of each."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from genai_voice.conversations.rows import MessageRow
from genai_voice.foundation.keys import digest
from genai_voice.foundation.model import add_optional
from genai_voice.guardrails.rows import ViolationRow
from genai_voice.handoffs.rows import HandoffRow
from genai_voice.telemetry.rows import EventsRow
from genai_voice.tools.rows import ExecutionRow
from genai_voice.traces.model import (
    EventData,
    HandoffData,
    MessageData,
    TimelineData,
    ToolExecutionData,
    TraceQuery,
    ViolationData,
)
from genai_voice.traces.timeline import parse_if_json


def _view_events(row: EventsRow) -> Iterator[tuple[float, EventData]]:
    """View the events of a batch. An event's id is made of its session, time, type and data, so that one that
    was sent again in a batch that has grown has the same id. Under two sessions it is two events.
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
                "data": parse_if_json(text),
            },
        )


def _view_message(row: MessageRow) -> Iterator[tuple[float, MessageData]]:
    if not row.is_final:
        return
    data: MessageData = {
        "id": row.message_id,
        "role": row.role,
        "content": row.content,
        "participantIdentity": row.participant_identity,
    }
    yield row.created_at or 0, add_optional(data, language=row.language)


def _view_tool_execution(row: ExecutionRow) -> Iterator[tuple[float, ToolExecutionData]]:
    data: ToolExecutionData = {
        "id": row.execution_id,
        "toolName": row.tool_name,
        "parameters": parse_if_json(row.parameters),
        "result": parse_if_json(row.result),
        "status": row.status,
        "durationMs": row.duration_ms,
    }
    yield row.created_at or 0, add_optional(data, spanId=row.span_id)


def _view_violation(row: ViolationRow) -> Iterator[tuple[float, ViolationData]]:
    data: ViolationData = {
        "id": row.violation_id,
        "ruleId": row.rule_id,
        "violationType": row.type,
        "direction": row.direction,
        "content": row.content,
        "action": row.action,
    }
    yield row.created_at or 0, add_optional(data, shadow=row.shadow or None)


def _view_handoff(row: HandoffRow) -> Iterator[tuple[float, HandoffData]]:
    data: HandoffData = {
        "id": row.handoff_id,
        "reason": row.reason,
        "status": row.status,
        "priority": row.priority,
    }
    add_optional(data, assignedAgent=row.assigned_agent, claimedAt=row.claimed_at, resolvedAt=row.resolved_at)
    yield row.created_at or 0, data


def _list_by_session(
    list_rows: Callable[[str, str], Iterable[Any]],
) -> Callable[[str, TraceQuery], Iterable[Any]]:
    """Make the `list_rows` of a source whose rows belong to no trace but to a session. There are none unless
    the query names a session.
    """
    return lambda app, query: list_rows(app, query.session_id) if query.session_id else ()


class Source(NamedTuple):
    """A source of entries of one type."""

    type: str
    list_rows: Callable[[str, TraceQuery], Iterable[Any]]
    """Lists the app's rows that belong to the trace."""
    view: Callable[[Any], Iterable[tuple[float, TimelineData]]]
    """Views the entries of a row, each with its timestamp."""


SOURCES: Final = (
    Source("event", lambda app, query: EventsRow.list_in_trace(app, query.trace_id, "EVENTS#"), _view_events),
    Source(
        "message", lambda app, query: MessageRow.list_in_trace(app, query.trace_id, "MESSAGE#"), _view_message
    ),
    Source(
        "tool_execution",
        lambda app, query: ExecutionRow.list_in_trace(app, query.trace_id, "ID#"),
        _view_tool_execution,
    ),
    Source("guardrail_violation", _list_by_session(ViolationRow.list_by_session), _view_violation),
    Source("handoff", _list_by_session(HandoffRow.list_in_session), _view_handoff),
)
"""In the order in which entries of the same moment are shown."""
