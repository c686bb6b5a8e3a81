"""The desk where people take over: a conversation is handed over, claimed, resolved, given back or expires.

    request ──> pending ──> claimed ──> resolved
                   │  ^────────┘ ^          ^
                   │  └── put back          │
                   └──> expired ────────────┘

Each step is one transaction with all that must agree: the handoff, the conversation that is with a person
from the first moment on, who has claimed it, and the announcements the app asks for.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice

from pydantic_core import to_json

from genai_voice.conversations import service as conversations
from genai_voice.conversations.rows import ConversationRow, TranscriptPart
from genai_voice.conversations.transcripts import pack, reply_bytes, unpack
from genai_voice.foundation.clock import back_off, now_ms, time_ordered_id
from genai_voice.foundation.errors import Busy, Conflict, NotFound
from genai_voice.foundation.model import Created, Ok
from genai_voice.foundation.pages import REPLY_BYTES, read_cursor, sign_cursor, take_fitting
from genai_voice.foundation.table import Action, Item
from genai_voice.foundation.transactions import Change, put_all, write, write_together
from genai_voice.handoffs.lifecycle import moves
from genai_voice.handoffs.model import HandoffPage, HandoffQuery, HandoffRequest, HandoffUpdate, HandoffView
from genai_voice.handoffs.rows import AssignmentRow, HandoffRow
from genai_voice.tenancy.model import App, WebhookEvent
from genai_voice.tenancy.rows import AppRow
from genai_voice.webhooks import outbox
from genai_voice.webhooks.rows import WebhookRow

PAGE = 50
LOOKED_AT = 500
"""Handoffs that a request with two filters looks at; `cursor` goes on after them."""

_ROW_BYTES = 2_000  # of a listed handoff besides its transcript and what is told of the customer, about
_ATTEMPTS = 12
_EVENTS: Mapping[str, WebhookEvent] = {
    "claimed": "handoff.claimed",
    "resolved": "handoff.resolved",
    "expired": "handoff.expired",
}


def request(app: App, request: HandoffRequest) -> Created:
    """Queue a conversation for a person. In the same transaction the conversation becomes `handed_off`,
    whatever it was (contract 5.1); one that nothing was saved of yet is created.

    The parts of a transcript over 300 KB (compressed) are stored before. Raises Busy when other writers of
    the conversation win a dozen times running.
    """
    row, parts = _new(app, request)
    announced = _announced(app, "handoff.created", row)
    if len(parts) > 1:
        put_all(parts)
    inserts: list[Item] = [row, *(parts if len(parts) == 1 else ()), *announced]
    for attempt in range(_ATTEMPTS):
        if _taken(app, request, inserts, looking=attempt > 0):
            outbox.WEBHOOKS.notify_sender(announced)
            return {"id": row.handoff_id}
        back_off(attempt)
    conversations.expire_parts(row.pk, row.transcript_revision)
    raise Busy("Too many saves of this conversation at once: try again")


def update(app: App, request: HandoffUpdate) -> Ok:
    """Claim, resolve or put back, and keep what people think of it.

    One person wins a claim; asked again by the same person it changes nothing. Raises NotFound for another
    app's handoff too, Conflict when somebody else was first or it is over, Busy when others win a dozen times
    running.
    """
    for attempt in range(_ATTEMPTS):
        stored = HandoffRow.of(app.slug, request.handoff_id).find_stored()
        if stored is None:
            raise NotFound("Handoff not found")
        if _updated(app, stored, request):
            return {"ok": True}
        back_off(attempt)
    raise Busy("Too many changes of this handoff at once: try again")


def expire(places: Iterable[HandoffRow]) -> None:
    """What the sweep does with handoffs that have fallen due, of which only the keys are known: those that
    nobody has claimed until now expire.
    """
    for place in places:
        stored = place.find_stored()
        if stored and stored.due_at is not None and stored.due_at <= now_ms():
            _expire(stored)


def was_requested(app: str, session: str) -> bool:
    """Whether a person was asked to take over this session, whatever came of it."""
    return bool(HandoffRow.list_latest("gsi1", HandoffRow.session_key(app, session), None, 1))


def find(app: str, query: HandoffQuery) -> HandoffPage:
    """Newest first, at most 50 and 5 MB; `cursor` where more are left. With more than one filter, of the last
    LOOKED_AT.
    """
    if not query.is_for(app):
        return {"handoffs": []}
    scope = (app, "handoffs", query.status or "", query.session_id or "", query.assigned_agent or "")
    before = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else None
    looked_at = LOOKED_AT if sum(map(bool, scope[2:])) > 1 else PAGE
    listed = _listed(app, query, before, looked_at + 1)
    rows = listed[:looked_at] if not any(scope[2:]) else HandoffRow.load_full(listed[:looked_at])
    matching = list(islice(filter(partial(_matches, query), rows), PAGE + 1))
    first = take_fitting(matching, _size, PAGE)
    parts = TranscriptPart.find_all(place for row in first for place in _part_keys(row))
    page: HandoffPage = {"handoffs": [_view(app, parts, row) for row in first]}
    if len(first) < len(matching):
        page["cursor"] = sign_cursor([first[-1].sk], *scope)
    elif len(listed) > looked_at:
        page["cursor"] = sign_cursor([listed[looked_at - 1].sk], *scope)
    return page


# -- a new one ---------------------------------------------------------------------------------------------


def _new(app: App, request: HandoffRequest) -> tuple[HandoffRow, list[TranscriptPart]]:
    now = now_ms()
    row = HandoffRow.of(app.slug, time_ordered_id(now))
    text = to_json(request.transcript).decode()
    row.transcript_revision, parts = TranscriptPart.of(row.pk, row.handoff_id, pack(text))
    row.transcript_bytes = reply_bytes(text)
    row.session_id, row.channel, row.reason = request.session_id, request.channel, request.reason
    row.reason_detail, row.priority, row.ai_summary = (
        request.reason_detail,
        request.priority,
        request.ai_summary,
    )
    if request.customer_data is not None:
        row.customer_data = to_json(request.customer_data).decode()
    row.status, row.created_at = "pending", now
    row.gsi1pk, row.gsi1sk = row.session_key(app.slug, request.session_id), row.sk
    row.gsi2pk, row.gsi2sk = row.list_key(app.slug, "pending"), row.sk
    if app.handoff_expiration_s:
        row.set_due(now + app.handoff_expiration_s * 1000)
    return row, parts


def _taken(app: App, request: HandoffRequest, inserts: Sequence[Item], *, looking: bool) -> bool:
    """Together with its conversation: at first as if that had begun and took part in no experiment, which it
    nearly always is; after a refusal as it is found.
    """
    stored = ConversationRow.of(app.slug, request.session_id).find_stored() if looking else None
    if looking and (stored is None or stored.status is None):
        return _begun(app, request, inserts, stored)
    return write_together(conversations.handed_over(app, request.session_id, stored), inserts=inserts)


def _begun(
    app: App, request: HandoffRequest, inserts: Sequence[Item], stored: ConversationRow | None
) -> bool:
    """Together with a conversation that begins by it."""
    begun, revision = conversations.begun_with_person(
        app, request.session_id, request.channel, request.transcript, stored
    )
    if write_together(begun, inserts=inserts):
        return True
    if revision:
        conversations.expire_parts(ConversationRow.of(app.slug, request.session_id).pk, revision)
    return False


def _announced(app: App, event: WebhookEvent, row: HandoffRow, **more: str) -> list[WebhookRow]:
    return outbox.make_deliveries(
        app,
        event,
        handoffId=row.handoff_id,
        sessionId=row.session_id,
        reason=row.reason,
        priority=row.priority,
        **more,
    )


# -- what happens to it ------------------------------------------------------------------------------------


def _updated(app: App, stored: HandoffRow, request: HandoffUpdate) -> bool:
    """Answers False when it was changed meanwhile."""
    kept = _judgements(request)
    if not moves(stored.status, stored.assigned_agent, request.status, request.assigned_agent):
        changes = [Change(stored, kept, stored.unchanged())] if kept else []
        if request.return_to_agent and not _others(stored, "pending", "claimed"):
            changes += _back(app, stored)
        return not changes or write(changes)
    actions = [*kept, *_status(stored, request.status), *_step(app, stored, request)]
    changes = [Change(stored, actions, stored.unchanged())]
    if request.return_to_agent:
        if _others(stored, "claimed"):
            raise Conflict("Another handoff of this conversation is claimed: resolve without returnToAgent")
        changes += _back(app, stored)
    agent = request.assigned_agent if request.status == "claimed" else stored.assigned_agent
    event = _EVENTS.get(request.status)
    announced = _announced(app, event, stored, **({"assignedAgent": agent} if agent else {})) if event else []
    claims = [AssignmentRow.of(app.slug, agent, stored.handoff_id)] if agent else []
    if request.status == "pending":
        written = write(changes, removals=claims)
    else:
        written = write(changes, puts=claims if request.status == "claimed" else (), inserts=announced)
    if written:
        outbox.WEBHOOKS.notify_sender(announced)
    return written


def _back(app: App, stored: HandoffRow) -> list[Change]:
    """Gives the conversation back, where it is with a person."""
    back = conversations.given_back(app.slug, stored.session_id)
    return [back] if back else []


def _others(stored: HandoffRow, *statuses: str) -> bool:
    """Whether the session has another handoff of these statuses: somebody has it, or a reply that was lost is
    asked for again, and by then it waits for another person.
    """
    rows = HandoffRow.in_session(stored.app, stored.session_id)
    return any(row.status in statuses for row in rows if row.handoff_id != stored.handoff_id)


def _expire(stored: HandoffRow) -> None:
    """Loses to whoever claims it at the same time."""
    owner = AppRow.find_by_slug(stored.app)
    announced = _announced(owner.as_app(), "handoff.expired", stored) if owner else []
    actions = [*_status(stored, "expired"), *HandoffRow.clear_due_changes()]
    if write([Change(stored, actions, stored.unchanged())], inserts=announced):
        outbox.WEBHOOKS.notify_sender(announced)


def _judgements(request: HandoffUpdate) -> list[Action]:
    row, score, quality = HandoffRow, request.necessity_score, request.resolution_quality
    return [
        *([row.necessity_score.set(score)] if score is not None else ()),
        *([row.resolution_quality.set(quality)] if quality else ()),
        *([row.agent_feedback.set(request.agent_feedback)] if request.agent_feedback else ()),
    ]


def _status(stored: HandoffRow, status: str) -> list[Action]:
    """Sets the status and the list it is found in, together."""
    return [HandoffRow.status.set(status), HandoffRow.gsi2pk.set(HandoffRow.list_key(stored.app, status))]


def _step(app: App, stored: HandoffRow, request: HandoffUpdate) -> list[Action]:
    """What comes with the new status: only a pending handoff waits for its expiry."""
    row, now = HandoffRow, now_ms()
    if request.status == "pending":
        waiting = (
            stored.set_due_changes(now + app.handoff_expiration_s * 1000) if app.handoff_expiration_s else []
        )
        return [row.assigned_agent.remove(), row.claimed_at.remove(), *waiting]
    if request.status == "claimed":
        holder = [row.assigned_agent.set(request.assigned_agent)] if request.assigned_agent else []
        return [row.claimed_at.set(now), *holder, *row.clear_due_changes()]
    resolved = [row.resolved_at.set(now)] if request.status == "resolved" else []
    return [*resolved, *row.clear_due_changes()]


# -- listing -----------------------------------------------------------------------------------------------


def _listed(app: str, query: HandoffQuery, before: str | None, limit: int) -> list[HandoffRow]:
    """By the filter that leaves the fewest."""
    if query.session_id:
        return HandoffRow.list_latest("gsi1", HandoffRow.session_key(app, query.session_id), before, limit)
    if query.assigned_agent:
        return AssignmentRow.newest(app, query.assigned_agent, before, limit)
    if query.status:
        return HandoffRow.list_latest("gsi2", HandoffRow.list_key(app, query.status), before, limit)
    return HandoffRow.newest(app, before, limit)


def _matches(query: HandoffQuery, row: HandoffRow) -> bool:
    """An index may still know a status that has changed."""
    wanted = (
        (query.status, row.status),
        (query.session_id, row.session_id),
        (query.assigned_agent, row.assigned_agent),
    )
    return all(asked in (None, "", is_) for asked, is_ in wanted)


def _shown(row: HandoffRow) -> bool:
    return row.transcript_bytes <= REPLY_BYTES - _room(row)


def _room(row: HandoffRow) -> int:
    """Bytes of a reply that a handoff takes besides its transcript: texts are escaped twice at worst."""
    texts = (row.reason_detail, row.ai_summary, row.customer_data, row.agent_feedback)
    return _ROW_BYTES + sum(reply_bytes(text) for text in texts if text)


def _size(row: HandoffRow) -> int:
    return _room(row) + (int(row.transcript_bytes) if _shown(row) else 0)


def _part_keys(row: HandoffRow) -> list[tuple[str, str]]:
    return TranscriptPart.keys_of(row.pk, row.transcript_revision) if _shown(row) else []


def _view(app: str, parts: Mapping[tuple[str, str], TranscriptPart], row: HandoffRow) -> HandoffView:
    view: HandoffView = {
        "_id": row.handoff_id,
        "_creationTime": row.created_at or 0,
        "appSlug": app,
        "sessionId": row.session_id,
        "channel": row.channel,
        "reason": row.reason,
        "status": row.status,
        "priority": row.priority,
        "createdAt": row.created_at or 0,
    }
    pieces = conversations.pieces_at(_part_keys(row), parts)
    if pieces:
        view["transcript"] = unpack(pieces)
    else:
        view["transcriptOmitted"] = True
    optional = (
        ("reasonDetail", row.reason_detail),
        ("aiSummary", row.ai_summary),
        ("assignedAgent", row.assigned_agent),
        ("customerData", row.customer_data),
        ("necessityScore", row.necessity_score),
        ("resolutionQuality", row.resolution_quality),
        ("agentFeedback", row.agent_feedback),
        ("claimedAt", row.claimed_at),
        ("resolvedAt", row.resolved_at),
    )
    view.update({name: value for name, value in optional if value is not None})  # type: ignore[typeddict-item]
    return view
