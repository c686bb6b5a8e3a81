"""The list of handoffs with their transcripts."""

from collections.abc import Mapping
from functools import partial
from itertools import islice

from genai_voice.conversations.segment_rows import TranscriptPart
from genai_voice.conversations.stored_transcripts import KeptTranscript, read_transcripts
from genai_voice.conversations.transcripts import count_reply_bytes
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import REPLY_BYTES, PageRows, read_page, take_fitting
from genai_voice.handoffs.model import HandoffPage, HandoffQuery, HandoffView
from genai_voice.handoffs.rows import AssignmentRow, HandoffRow

PAGE = 50
MAX_CANDIDATES = 500
"""How many handoffs a request with two filters looks at; `cursor` goes on after them."""

_ROW_BYTES = 2_000  # of a listed handoff besides its transcript and what is told of the customer, about


def list_handoffs(app: str, query: HandoffQuery) -> HandoffPage:
    """List handoffs, newest first, at most 50 and 5 MB; `cursor` where more are left. With more than one
    filter, MAX_CANDIDATES are looked at.
    """
    filters = (query.status or "", query.session_id or "", query.assigned_agent or "")
    candidate_limit = MAX_CANDIDATES if sum(map(bool, filters)) > 1 else PAGE

    def read(before: str | None) -> PageRows[HandoffRow, HandoffView]:
        listed = _list_candidates(app, query, before, candidate_limit + 1)
        candidates = listed[:candidate_limit]
        rows = HandoffRow.load_full(candidates) if any(filters) else candidates
        matching = list(islice(filter(partial(_is_match, query), rows), PAGE + 1))
        first = take_fitting(matching, _estimate_bytes, PAGE)
        shown = [row for row in first if _may_be_shown(row)]
        texts = read_transcripts([_locate_transcript(row) for row in shown])
        transcripts = {row.sk: text for row, text in zip(shown, texts, strict=True)}
        last = None
        if len(first) < len(matching):
            last = first[-1]
        elif len(listed) > candidate_limit:
            last = listed[candidate_limit - 1]
        return PageRows(first, partial(_view_handoff, app, transcripts), last)

    views, cursor = read_page(app, query, ("handoffs", *filters), read)
    return add_optional(HandoffPage(handoffs=views), cursor=cursor)


def _list_candidates(app: str, query: HandoffQuery, before: str | None, limit: int) -> list[HandoffRow]:
    """List handoffs by the filter that leaves the fewest."""
    if query.session_id:
        return HandoffRow.list_latest(
            "gsi1", HandoffRow.make_session_key(app, query.session_id), before, limit
        )
    if query.assigned_agent:
        return AssignmentRow.list_newest(app, query.assigned_agent, before, limit)
    if query.status:
        return HandoffRow.list_latest("gsi2", HandoffRow.make_list_key(app, query.status), before, limit)
    return HandoffRow.list_newest(app, before, limit)


def _is_match(query: HandoffQuery, row: HandoffRow) -> bool:
    """Whether a handoff matches every filter: an index may still know a status that has changed."""
    filters = (
        (query.status, row.status),
        (query.session_id, row.session_id),
        (query.assigned_agent, row.assigned_agent),
    )
    return all(asked in (None, "", present) for asked, present in filters)


def _may_be_shown(row: HandoffRow) -> bool:
    """Whether a reply can hold the transcript."""
    return row.transcript_bytes <= REPLY_BYTES - _estimate_other_bytes(row)


def _estimate_other_bytes(row: HandoffRow) -> int:
    """Estimate the bytes of a reply that a handoff takes besides its transcript: texts are escaped twice at
    worst.
    """
    texts = (row.reason_detail, row.ai_summary, row.customer_data, row.agent_feedback)
    return _ROW_BYTES + sum(count_reply_bytes(text.encode()) for text in texts if text)


def _estimate_bytes(row: HandoffRow) -> int:
    return _estimate_other_bytes(row) + (int(row.transcript_bytes) if _may_be_shown(row) else 0)


def _locate_transcript(row: HandoffRow) -> KeptTranscript:
    parts = TranscriptPart.list_part_keys(row.pk, row.transcript_revision)
    return KeptTranscript(row.shelf, row.sealed, parts=parts)


def _view_handoff(app: str, transcripts: Mapping[str, str | None], row: HandoffRow) -> HandoffView:
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
    transcript = transcripts.get(row.sk)
    return add_optional(
        view,
        transcript=transcript,
        transcriptOmitted=True if transcript is None else None,
        reasonDetail=row.reason_detail,
        aiSummary=row.ai_summary,
        assignedAgent=row.assigned_agent,
        customerData=row.customer_data,
        necessityScore=row.necessity_score,
        resolutionQuality=row.resolution_quality,
        agentFeedback=row.agent_feedback,
        claimedAt=row.claimed_at,
        resolvedAt=row.resolved_at,
    )
