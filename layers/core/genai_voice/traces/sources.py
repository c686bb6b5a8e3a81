"""The sources of a timeline: which rows belong to a trace, and what is shown of each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from genai_voice.conversations.message_rows import MessageRow
from genai_voice.foundation.keys import digest
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import count_wire_bytes
from genai_voice.foundation.table import Item
from genai_voice.foundation.trace_items import TraceItem
from genai_voice.guardrails.rows import ViolationRow
from genai_voice.handoffs.rows import HandoffRow
from genai_voice.telemetry.rows import EventsRow
from genai_voice.tools.rows import ExecutionRow
from genai_voice.traces.model import (
    EventData,
    HandoffData,
    MessageData,
    TimelineData,
    TimelineEntry,
    ToolExecutionData,
    TraceQuery,
    ViolationData,
)
from genai_voice.traces.timeline import (
    Candidate,
    FoundEntry,
    Places,
    ReadRow,
    TimelinePosition,
    count_units,
    find_time,
    parse_if_json,
)


def _view_events(row: EventsRow) -> Iterator[tuple[float, EventData]]:
    """View the events of a batch. An event's id is made of its session, time, type and data, so that one that
    was sent again in a batch that has grown has the same id; and of which of several equal ones of its batch
    it is. Under two sessions it is two events.
    """
    for event in from_json(row.events):
        text = event.get("data")
        identity = [row.session_id, repr(float(event["ts"])), event["eventType"]]
        identity += [] if text is None else [text]
        identity += [str(event["nth"]), "NTH"] if "nth" in event else []
        yield (
            event["ts"],
            {
                "id": digest(*identity),
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
    list_rows: Callable[[str, str, str], Iterable[Any]],
) -> Callable[[str, TraceQuery, str], Iterable[Any]]:
    """Make the `list_rows` of a source whose rows belong to no trace but to a session. There are none unless
    the query names a session.
    """
    return lambda app, query, start: (
        list_rows(app, query.session_id, start or "ID#") if query.session_id else ()
    )


def _list_by_trace(kind: type[TraceItem], prefix: str) -> Callable[[str, TraceQuery, str], Iterable[Any]]:
    return lambda app, query, start: kind.list_in_trace(app, query.trace_id, prefix, start)


class Source(NamedTuple):
    """A source of entries of one type."""

    type: str
    list_rows: Callable[[str, TraceQuery, str], Iterable[Any]]
    """Lists what the index knows of the app's rows that belong to the trace, from a place in it on ("": from
    the first).
    """
    place: str
    """The attribute that is the place of a row in the index."""
    view: Callable[[Any], Iterable[tuple[float, TimelineData]]]
    """Views the entries of a row, each with its timestamp."""
    most_bytes: int
    """Of a row whose size is not in the index: that of the largest."""


_LARGEST_ITEM = 400 * 1024  # DynamoDB's limit
_NAMES = 32 * 1024  # what names and labels of 1,000 characters take in a row, with 10 KB besides

SOURCES: Final = (
    Source("event", _list_by_trace(EventsRow, "EVENTS#"), "gsi2sk", _view_events, _LARGEST_ITEM),
    Source("message", _list_by_trace(MessageRow, "MESSAGE#"), "gsi2sk", _view_message, _NAMES),
    Source(
        "tool_execution",
        _list_by_trace(ExecutionRow, "ID#"),
        *("gsi2sk", _view_tool_execution, _LARGEST_ITEM),
    ),
    Source(
        "guardrail_violation",
        _list_by_session(ViolationRow.list_by_session),
        *("gsi1sk", _view_violation, _NAMES),
    ),
    Source(
        "handoff",
        _list_by_session(HandoffRow.list_places_in_session),
        *("gsi1sk", _view_handoff, _LARGEST_ITEM),
    ),
)
"""In the order in which entries of the same moment are shown."""


def list_candidates(app: str, query: TraceQuery, places: Sequence[Places]) -> Iterator[Candidate]:
    """List the rows of all sources that a page may show, in the order of time, without their content."""
    return merge(*(_list_of_source(app, query, rank, places[rank]) for rank in range(len(SOURCES))))


def _list_of_source(app: str, query: TraceQuery, rank: int, places: Places) -> Iterator[Candidate]:
    source = SOURCES[rank]
    for row in source.list_rows(app, query, places.start):
        place, size = getattr(row, source.place), getattr(row, "trace_bytes", None)
        units = count_units(source.most_bytes if size is None else int(size))
        yield Candidate(find_time(place), rank, place, units, (row.pk, row.sk))


def load_rows(candidates: Sequence[Candidate]) -> Iterator[ReadRow]:
    """Load rows in one call, at most 100, those that are gone left out: an index knows them for a moment
    longer. What the replica that was asked does not have yet is asked for again.
    """
    keys = [each.key for each in candidates]
    found = {(row.pk, row.sk): row for row in Item.batch_get(keys)}
    if missing := [key for key in keys if key not in found]:
        found |= Item.find_all(missing)
    for each in candidates:
        row = found.get(each.key)
        yield ReadRow(each, tuple(_view_entries(each.rank, row)) if row else (), _count_row_units(row))


def _view_entries(rank: int, row: Any) -> Iterator[FoundEntry]:
    source = SOURCES[rank]
    for timestamp, data in source.view(row):
        view: TimelineEntry = {"type": source.type, "timestamp": timestamp, "data": data}
        yield FoundEntry(TimelinePosition(timestamp, rank, data["id"]), view, count_wire_bytes(view))


def _count_row_units(row: Any) -> float:
    if row is None:
        return count_units(0)
    values = row.attribute_values
    return count_units(sum(len(name) + len(str(each).encode()) for name, each in values.items()))
