"""The sources of a timeline: where rows that belong to a trace are, and what is shown of each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from genai_voice.conversations.message_rows import PLACE_LENGTH, MessageRow, join_messages
from genai_voice.conversations.rows import make_session_pk
from genai_voice.foundation.keys import digest
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import count_wire_bytes
from genai_voice.foundation.table import Item
from genai_voice.foundation.trace_sessions import make_trace_pk
from genai_voice.guardrails.rows import ViolationRow
from genai_voice.handoffs.rows import HandoffRow
from genai_voice.telemetry.rows import EventsRow
from genai_voice.tools.rows import ExecutionRow
from genai_voice.traces.lists import LARGEST_ITEM, RowList
from genai_voice.traces.model import (
    EventData,
    HandoffData,
    MessageData,
    TimelineData,
    TimelineEntry,
    ToolExecutionData,
    ViolationData,
)
from genai_voice.traces.timeline import (
    Candidate,
    FoundEntry,
    ReadRow,
    TimelinePosition,
    count_units,
    parse_if_json,
)

_View = Iterator[tuple[float, TimelineData]]


def _view_events(rows: Sequence[EventsRow], trace_id: str) -> _View:
    """View the events of a batch. An event's id is made of its session, time, type and data, so that one that
    was sent again in a batch that has grown has the same id; and of which of several equal ones of its batch
    it is. Under two sessions it is two events.
    """
    (row,) = rows
    for event in from_json(row.events):
        text = event.get("data")
        identity = [row.session_id, repr(float(event["ts"])), event["eventType"]]
        identity += [] if text is None else [text]
        identity += [str(event["nth"]), "NTH"] if "nth" in event else []
        data: EventData = {
            "id": digest(*identity),
            "eventType": event["eventType"],
            "sessionId": row.session_id,
            "data": parse_if_json(text),
        }
        yield event["ts"], data


def _view_messages(rows: Sequence[MessageRow], trace_id: str) -> _View:
    """View the final ones of the messages that these rows are of. A message belongs to every trace that any
    of its rows came with, and is final if any of them is, whatever that one came with.
    """
    for message in join_messages(rows):
        if message.is_final and trace_id in message.trace_ids:
            data: MessageData = {
                "id": message.message_id,
                "role": message.role,
                "content": message.content,
                "participantIdentity": message.participant_identity,
            }
            yield message.created_at, add_optional(data, language=message.language)


def _view_tool_execution(rows: Sequence[ExecutionRow], trace_id: str) -> _View:
    (row,) = rows
    data: ToolExecutionData = {
        "id": row.execution_id,
        "toolName": row.tool_name,
        "parameters": parse_if_json(row.parameters),
        "result": parse_if_json(row.result),
        "status": row.status,
        "durationMs": row.duration_ms,
    }
    if row.trace_id == trace_id:
        yield row.created_at or 0, add_optional(data, spanId=row.span_id)


def _view_violation(rows: Sequence[ViolationRow], trace_id: str) -> _View:
    (row,) = rows
    data: ViolationData = {
        "id": row.violation_id,
        "ruleId": row.rule_id,
        "violationType": row.type,
        "direction": row.direction,
        "content": row.content,
        "action": row.action,
    }
    yield row.created_at or 0, add_optional(data, shadow=row.shadow or None)


def _view_handoff(rows: Sequence[HandoffRow], trace_id: str) -> _View:
    (row,) = rows
    data: HandoffData = {
        "id": row.handoff_id,
        "reason": row.reason,
        "status": row.status,
        "priority": row.priority,
    }
    add_optional(data, assignedAgent=row.assigned_agent, claimedAt=row.claimed_at, resolvedAt=row.resolved_at)
    yield row.created_at or 0, data


@dataclass(frozen=True, slots=True)
class Source:
    """A source of entries of one type."""

    shown_as: str
    kind: type[Item]
    view: Callable[[Sequence[Any], str], Iterable[tuple[float, TimelineData]]]
    """Views the entries of rows that lie at one place, each with its timestamp."""
    make_partition: Callable[[str, str], str]
    """Makes the key of the partition that has the rows of a session, of an app and the session."""
    index: str | None
    """The index that this partition is in; None: the table itself."""
    prefix: str
    """What the sort keys of the rows begin with there."""
    has_traces: bool = True
    """Whether its rows belong to traces. Others belong to the session that a query names."""
    place_length: int | None = None
    most_bytes: int = LARGEST_ITEM

    def make_list(self, app: str, session: str) -> RowList:
        """Make the list of a session's rows."""
        partition, rank = self.make_partition(app, session), SOURCES.index(self)
        return RowList(rank, partition, self.prefix, self.index, self.place_length, self.most_bytes)

    def make_list_of_before(self, app: str, trace_id: str) -> RowList:
        """Make the list of the rows that were stored when each row of a trace had an entry in its index."""
        rank = SOURCES.index(self)
        return RowList(rank, make_trace_pk(app, trace_id), self.prefix, "gsi2", None, self.most_bytes)


_NAMES = 32 * 1024  # what names and labels of 1,000 characters take in a row, with 10 KB besides

SOURCES: Final = (
    Source("event", EventsRow, _view_events, make_session_pk, None, "EVENTS#"),
    Source(
        *("message", MessageRow, _view_messages, make_session_pk, None, "MESSAGE#"),
        place_length=PLACE_LENGTH,
        most_bytes=_NAMES,
    ),
    Source(
        *("tool_execution", ExecutionRow, _view_tool_execution),
        *(ExecutionRow.make_session_key, "gsi1", "ID#"),
    ),
    Source(
        *("guardrail_violation", ViolationRow, _view_violation),
        *(ViolationRow.make_session_key, "gsi1", "ID#"),
        has_traces=False,
        most_bytes=_NAMES,
    ),
    Source(
        *("handoff", HandoffRow, _view_handoff),
        *(HandoffRow.make_session_key, "gsi1", "ID#"),
        has_traces=False,
    ),
)
"""In the order in which entries of the same moment are shown."""


def load_rows(trace_id: str, shown_key: str | None, candidates: Sequence[Candidate]) -> Iterator[ReadRow]:
    """Load what was not read with its list, in one call, at most 100 rows. Those that are gone are left out:
    an index knows them for a moment longer. What the replica that was asked does not have yet is asked for
    again. `shown_key` is that of the trace in the index of before, where all that it has was shown.
    """
    keys = [each.key for each in candidates if each.key]
    found = {(row.pk, row.sk): row for row in Item.batch_get(keys)} if keys else {}
    if missing := [key for key in keys if key not in found]:
        found |= Item.find_all(missing)
    for each in candidates:
        if each.key is None:
            yield ReadRow(each, tuple(_view_raw(each, trace_id, shown_key)), each.paid)
        else:
            row = found.get(each.key)
            entries = _view_entries(each.rank, [row], trace_id, shown_key) if row else ()
            yield ReadRow(each, tuple(entries), count_units(row.count_text_bytes() if row else 0))


def _view_raw(candidate: Candidate, trace_id: str, shown_key: str | None) -> Iterator[FoundEntry]:
    """View rows as DynamoDB has them. Those of other traces are not even unpacked."""
    if any(row.get("trace_id", {}).get("S") == trace_id for row in candidate.found):
        kind = SOURCES[candidate.rank].kind
        rows = [kind.from_raw_data(row) for row in candidate.found]
        yield from _view_entries(candidate.rank, rows, trace_id, shown_key)


def _view_entries(
    rank: int, rows: Sequence[Any], trace_id: str, shown_key: str | None
) -> Iterator[FoundEntry]:
    source = SOURCES[rank]
    if shown_key and any(row.gsi2pk == shown_key and getattr(row, "is_final", True) for row in rows):
        return
    for timestamp, data in source.view(rows, trace_id):
        view: TimelineEntry = {"type": source.shown_as, "timestamp": timestamp, "data": data}
        yield FoundEntry(TimelinePosition(timestamp, rank, data["id"]), view, count_wire_bytes(view))
