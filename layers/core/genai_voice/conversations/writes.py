"""The plan of a save: what it writes of a conversation's row, and what it requires of it.

The first write reads nothing and requires that nothing stands in its way: for a start, that what is stored is
the beginning of what is sent. Where the table refuses it, it answers the row as it is, and the next write
requires that the row is still like that.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import and_

from genai_voice.conversations.lifecycle import decide_status, find_refusing_statuses
from genai_voice.conversations.model import ConversationSave
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.segment_rows import read_name, write_name
from genai_voice.conversations.transcripts import Transcript, digest_prefixes, name_segment
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.keys import digest, make_time_key
from genai_voice.foundation.table import Action, Condition
from genai_voice.tenancy.model import App


def save_changes(
    app: App,
    request: ConversationSave,
    transcript: Sequence[Action],
    stored: ConversationRow | None,
    now: int,
) -> list[Action]:
    """Write all that a save brings: facts, status, and these changes of the transcript."""
    counted = [] if transcript else [ConversationRow.message_count.set(ConversationRow.message_count | 0)]
    return [
        *_fact_changes(app, request, now),
        *status_changes(app.slug, request.status, stored),
        *(transcript or counted),
    ]


def creation_changes(app: App, session_id: str, now: int, started_at: float | None = None) -> list[Action]:
    """Write what the first save of a conversation decides, and no later one: its times (epoch ms), its place
    in lists, and the version of the persona in force.
    """
    row, place = ConversationRow, make_time_key(now, digest(session_id)[:16])
    return [
        row.session_id.set(session_id),
        row.started_at.set(row.started_at | (started_at or now)),
        row.created_at.set(row.created_at | now),
        row.persona_version.set(row.persona_version | app.persona_version),
        row.gsi1pk.set(row.make_list_key(app.slug)),
        row.gsi1sk.set(row.gsi1sk | place),
        row.gsi2sk.set(row.gsi2sk | place),
    ]


def _fact_changes(app: App, request: ConversationSave, now: int) -> list[Action]:
    """Write the facts of a save; what it leaves out stays as it is stored."""
    row = ConversationRow
    given = (
        (row.channel, request.channel),
        (row.resolution, request.resolution),
        (row.agent_modes, request.agent_modes),
    )
    return [
        *creation_changes(app, request.session_id, now, request.started_at),
        row.ended_at.set(request.ended_at or now),
        *(attribute.set(value) for attribute, value in given if value is not None),
    ]


def status_changes(app: str, requested: str | None, stored: ConversationRow | None) -> list[Action]:
    """Set the status and the list in which the conversation is found, together."""
    row = ConversationRow
    if stored is None and requested in (None, "active"):  # never overrides what is there
        return [
            row.status.set(row.status | "active"),
            row.gsi2pk.set(row.gsi2pk | row.make_list_key(app, "active")),
        ]
    status = decide_status(stored.status if stored else None, requested)
    since = [row.handed_off_since.set(row.handed_off_since | get_now_ms())] if status == "handed_off" else []
    return [row.status.set(status), row.gsi2pk.set(row.make_list_key(app, status)), *since]


def require_as_read(stored: ConversationRow | None) -> Condition:
    """Require that the row is as it was read, or that there is none yet."""
    if stored is None:
        nothing: Condition = (
            ConversationRow.status.does_not_exist() & ConversationRow.exposures.does_not_exist()
        )
        return nothing
    return stored.is_unchanged("status", "handed_off_since", "exposures", "counted")


def require_no_save_since(stored: ConversationRow) -> Condition:
    """Require that nothing was saved of the conversation since it was read."""
    return stored.is_unchanged(
        "ended_at", "message_count", "line_keys", "sealed", "said", "transcript_revision"
    )


def require_for_save(
    request: ConversationSave, sent: Transcript | None, *, is_sealed_ahead: bool = False
) -> Condition | None:
    """Require that nothing stands in the way of a save that has read nothing. `is_sealed_ahead`: the segment
    that ends the sealed part is stored, whether the row points at it or at the one before.
    """
    row = ConversationRow
    required = [
        row.status.does_not_exist() | (row.status != status) for status in _find_refused_statuses(request)
    ]
    if has_outcome(request):
        required.append(row.exposures.does_not_exist())  # nothing to be counted
    if sent is not None:
        required.append(_require_growth(sent, is_sealed_ahead))
    return reduce(and_, required) if required else None


def _require_growth(sent: Transcript, is_sealed_ahead: bool) -> Condition:
    """Require that what is stored is the beginning of what was sent and says no more than that, the sealed
    part being the same, or one of those that are stored; or that nothing is stored, where there is no sealed
    part. What is stored is not shorter than its sealed part.
    """
    row = ConversationRow
    names = [name for name in (sent.sealed, sent.sealed_before if is_sealed_ahead else None) if name]
    sealed = row.sealed.is_in(*map(write_name, names)) if names else row.sealed.does_not_exist()
    longer = len(sent.lines) - (names[-1].lines if names else 0)
    grows = row.line_keys.is_in(*sent.prefixes[-longer - 1 :]) & sealed & (row.said <= sent.said)
    is_of_now = row.transcript.does_not_exist() & row.transcript_revision.does_not_exist()
    required: Condition = is_of_now & (grows if sent.sealed else row.line_keys.does_not_exist() | grows)
    return required


def is_growth(stored: ConversationRow, sent: Transcript) -> bool:
    """Whether what is stored is the beginning of what was sent, however much was added, its sealed part is
    the same, and what was sent says no less.
    """
    if stored.line_keys is None or stored.transcript is not None or stored.transcript_revision is not None:
        return False
    count = int(stored.message_count)
    if count > len(sent.lines) or stored.said > sent.said:
        return False
    if digest_prefixes(sent.lines[:count], 1)[-1] != stored.line_keys:
        return False
    if stored.sealed is None:
        return True
    sealed = read_name(stored.sealed)
    return sealed.lines <= sent.sealed_count and name_segment(sent.lines, sealed.lines) == sealed


def has_outcome(request: ConversationSave) -> bool:
    """Whether a save may change what the conversation counts for. `active` is no outcome: such a save, one
    every few seconds, counts nothing.
    """
    return request.status not in (None, "active")


def _find_refused_statuses(request: ConversationSave) -> Iterable[str]:
    """Find the stored statuses that refuse the save. `active` is never refused: it is written only where
    there is no status.
    """
    return find_refusing_statuses(str(request.status)) if has_outcome(request) else ()
