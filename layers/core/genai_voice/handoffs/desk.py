"""The desk where people take over: handoffs are requested, claimed, resolved, put back, and expire.

    request ──> pending ──> claimed ──> resolved
                   │  ^────────┘ ^          ^
                   │  └── put back          │
                   └──> expired ────────────┘

Each step is one transaction with all that must agree: the handoff, the conversation (which is with a person
from the request on), who has claimed the handoff, and the webhooks that the app asks for.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from pydantic_core import to_json

from genai_voice.conversations.handover import handover_changes, return_changes
from genai_voice.conversations.saving import BUSY
from genai_voice.conversations.segment_rows import write_name
from genai_voice.conversations.segment_writes import Segments, build_copy
from genai_voice.conversations.transcripts import count_reply_bytes
from genai_voice.foundation.clock import get_now_ms, make_time_ordered_id
from genai_voice.foundation.errors import Conflict, NotFound
from genai_voice.foundation.model import Created, Ok
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import Action, Item
from genai_voice.foundation.transactions import Change, put_all, write, write_together
from genai_voice.handoffs.lifecycle import is_move
from genai_voice.handoffs.model import HandoffRequest, HandoffUpdate
from genai_voice.handoffs.rows import AssignmentRow, HandoffRow
from genai_voice.tenancy.model import App, WebhookEvent
from genai_voice.tenancy.rows import AppRow
from genai_voice.webhooks.outbox import WEBHOOKS, make_deliveries
from genai_voice.webhooks.rows import WebhookRow

_EVENTS: Mapping[str, WebhookEvent] = {
    "claimed": "handoff.claimed",
    "resolved": "handoff.resolved",
    "expired": "handoff.expired",
}


def request_handoff(app: App, request: HandoffRequest) -> Created:
    """Queue a conversation for a person. In the same transaction the conversation becomes `handed_off`,
    whatever it was (contract 5.1); one that nothing was saved of yet is created.

    What of a transcript does not fit its segment is stored before. Raises Busy when other writers of the
    conversation win every time.
    """
    row, copy = _build_row(app, request)
    deliveries = _make_deliveries(app, "handoff.created", row)
    put_all(copy.pieces if copy else ())
    inserts: list[Item] = [row, *([copy.head] if copy else ()), *deliveries]
    # A conversation has nearly always begun and takes part in no experiment: the first try reads nothing.
    retry_lost_races(
        partial(_hand_over, app, request, inserts, is_read=False),
        after_loss=partial(_hand_over, app, request, inserts, is_read=True),
        busy=BUSY,
    )
    WEBHOOKS.notify_sender(deliveries)
    return {"id": row.handoff_id}


def update_handoff(app: App, request: HandoffUpdate) -> Ok:
    """Claim, resolve or put back a handoff, and keep what people say about it.

    One person wins a claim; the same person asking again changes nothing. Raises NotFound, for another app's
    handoff too; Conflict when somebody else was first or the handoff is over; Busy when others win every
    time.
    """
    return retry_lost_races(
        partial(_try_update, app, request), busy="Too many changes of this handoff at once: try again"
    )


def expire_due_handoffs(places: Iterable[HandoffRow]) -> None:
    """Expire those of these handoffs that are due and that nobody has claimed until now. The sweep calls it
    with rows of which only the keys are known.
    """
    for place in places:
        stored = place.find_stored()
        if stored and stored.due_at is not None and stored.due_at <= get_now_ms():
            _expire_one(stored)


def has_handoff(app: str, session: str) -> bool:
    """Whether a person was asked to take over this session, whatever came of it."""
    return bool(HandoffRow.list_latest("gsi1", HandoffRow.make_session_key(app, session), None, 1))


# -- a new handoff -----------------------------------------------------------------------------------------


def _build_row(app: App, request: HandoffRequest) -> tuple[HandoffRow, Segments | None]:
    """Build the row of a new handoff, and the segment of its transcript."""
    now = get_now_ms()
    row = HandoffRow.of(app.slug, make_time_ordered_id(now))
    row.session_id, row.channel, row.reason = request.session_id, request.channel, request.reason
    row.transcript_bytes = count_reply_bytes(to_json(request.transcript))
    copy = build_copy(row.shelf, request.transcript)
    if copy:
        row.sealed = write_name(copy.name)
    row.reason_detail, row.priority, row.ai_summary = (
        request.reason_detail,
        request.priority,
        request.ai_summary,
    )
    if request.customer_data is not None:
        row.customer_data = to_json(request.customer_data).decode()
    row.status, row.created_at = "pending", now
    row.gsi1pk, row.gsi1sk = row.make_session_key(app.slug, request.session_id), row.sk
    row.gsi2pk, row.gsi2sk = row.make_list_key(app.slug, "pending"), row.sk
    if app.handoff_expiration_s:
        row.set_due(now + app.handoff_expiration_s * 1000)
    return row, copy


def _hand_over(app: App, request: HandoffRequest, inserts: Sequence[Item], *, is_read: bool) -> bool | None:
    """Write the handoff together with its conversation. Answers None where that was refused."""
    handover = handover_changes(app, request.session_id, request.channel, request.transcript, is_read=is_read)
    return write_together(handover.changes, puts=handover.puts, inserts=inserts) or None


def _make_deliveries(app: App, event: WebhookEvent, row: HandoffRow, **more: str) -> list[WebhookRow]:
    """Make the deliveries that tell the app of a handoff, where it asks for this event."""
    return make_deliveries(
        app,
        event,
        handoffId=row.handoff_id,
        sessionId=row.session_id,
        reason=row.reason,
        priority=row.priority,
        **more,
    )


# -- what happens to it ------------------------------------------------------------------------------------


def _try_update(app: App, request: HandoffUpdate) -> Ok | None:
    """Read the handoff and write what the request makes of it. Answers None where it was changed between."""
    stored = HandoffRow.of(app.slug, request.handoff_id).find_stored()
    if stored is None:
        raise NotFound("Handoff not found")
    is_changed = is_move(stored.status, stored.assigned_agent, request.status, request.assigned_agent)
    is_written = _move(app, stored, request) if is_changed else _write_judgements(app, stored, request)
    return {"ok": True} if is_written else None


def _write_judgements(app: App, stored: HandoffRow, request: HandoffUpdate) -> bool:
    """Write what does not depend on a change of the status. A conversation that was given back goes back once
    more, as the first reply may have been lost, unless another handoff of it is open by then.
    """
    judgements = _judgement_changes(request)
    changes = [Change(stored, judgements, stored.is_unchanged())] if judgements else []
    if request.return_to_agent and not _has_others(stored, "pending", "claimed"):
        changes += return_changes(app.slug, stored.session_id)
    return not changes or write(changes)


def _move(app: App, stored: HandoffRow, request: HandoffUpdate) -> bool:
    """Write the new status with all that goes with it."""
    actions = [
        *_judgement_changes(request),
        *_status_changes(stored, request.status),
        *_step_changes(app, stored, request),
    ]
    changes = [Change(stored, actions, stored.is_unchanged())]
    if request.return_to_agent:
        if _has_others(stored, "claimed"):
            raise Conflict("Another handoff of this conversation is claimed: resolve without returnToAgent")
        changes += return_changes(app.slug, stored.session_id)
    agent = request.assigned_agent if request.status == "claimed" else stored.assigned_agent
    claims = [AssignmentRow.of(app.slug, agent, stored.handoff_id)] if agent else []
    if request.status == "pending":
        return write(changes, removals=claims)
    named = {"assignedAgent": agent} if agent else {}
    deliveries = _make_deliveries(app, _EVENTS[request.status], stored, **named)
    puts = claims if request.status == "claimed" else ()
    if not write(changes, puts=puts, inserts=deliveries):
        return False
    WEBHOOKS.notify_sender(deliveries)
    return True


def _has_others(stored: HandoffRow, *statuses: str) -> bool:
    """Whether the session has another handoff of these statuses."""
    rows = HandoffRow.list_in_session(stored.app, stored.session_id)
    return any(row.status in statuses for row in rows if row.handoff_id != stored.handoff_id)


def _expire_one(stored: HandoffRow) -> None:
    """Expire one handoff. Whoever claims it at the same time wins."""
    owner = AppRow.find_by_slug(stored.app)
    deliveries = _make_deliveries(owner.as_app(), "handoff.expired", stored) if owner else []
    actions = [*_status_changes(stored, "expired"), *HandoffRow.clear_due_changes()]
    if write([Change(stored, actions, stored.is_unchanged())], inserts=deliveries):
        WEBHOOKS.notify_sender(deliveries)


def _judgement_changes(request: HandoffUpdate) -> list[Action]:
    """Write what people say about the handoff."""
    row, score, quality = HandoffRow, request.necessity_score, request.resolution_quality
    return [
        *([row.necessity_score.set(score)] if score is not None else ()),
        *([row.resolution_quality.set(quality)] if quality else ()),
        *([row.agent_feedback.set(request.agent_feedback)] if request.agent_feedback else ()),
    ]


def _status_changes(stored: HandoffRow, status: str) -> list[Action]:
    """Set the status and the list in which the handoff is found, together."""
    return [
        HandoffRow.status.set(status),
        HandoffRow.gsi2pk.set(HandoffRow.make_list_key(stored.app, status)),
    ]


def _step_changes(app: App, stored: HandoffRow, request: HandoffUpdate) -> list[Action]:
    """Write what comes with the new status: only a pending handoff waits for its expiry."""
    row, now = HandoffRow, get_now_ms()
    if request.status == "pending":
        expiry_ms = now + app.handoff_expiration_s * 1000
        due = stored.set_due_changes(expiry_ms) if app.handoff_expiration_s else []
        return [row.assigned_agent.remove(), row.claimed_at.remove(), *due]
    if request.status == "claimed":
        holder = [row.assigned_agent.set(request.assigned_agent)] if request.assigned_agent else []
        return [row.claimed_at.set(now), *holder, *row.clear_due_changes()]
    resolved = [row.resolved_at.set(now)] if request.status == "resolved" else []
    return [*resolved, *row.clear_due_changes()]
