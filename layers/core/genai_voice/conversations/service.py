"""A conversation is saved again and again while it goes on; conversations are listed."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial, reduce
from operator import and_
from typing import NamedTuple, cast

from pydantic_core import from_json, to_json

from genai_voice.conversations import tallies
from genai_voice.conversations.lifecycle import ENDED, ends, is_agents, next_status, refusing
from genai_voice.conversations.model import (
    ConversationFacts,
    ConversationPage,
    ConversationQuery,
    ConversationSave,
    ConversationView,
    TranscriptItem,
)
from genai_voice.conversations.outcomes import Outcome, outcome
from genai_voice.conversations.rows import ConversationRow, MessageRow, TranscriptPart
from genai_voice.conversations.transcripts import pack, reply_bytes, unpack
from genai_voice.foundation.clock import back_off, now_ms, time_ordered_id
from genai_voice.foundation.errors import Busy, NotFound
from genai_voice.foundation.keys import digest, time_key
from genai_voice.foundation.model import Ok
from genai_voice.foundation.pages import REPLY_BYTES, fill, read_cursor, sign_cursor, take_fitting
from genai_voice.foundation.table import Action, Condition
from genai_voice.foundation.transactions import Change, put_all, write
from genai_voice.tenancy.model import App
from genai_voice.webhooks import outbox

PAGE = 100
LAST_MESSAGES = 100
"""Messages in which the agent's last answer is looked for, where there is no transcript."""
MAX_EXPERIMENTS = 20
"""That a session takes part in: each adds an item to the transaction in which its conversation ends."""

_ROW_BYTES = 1_000  # of a listed conversation besides its transcript, about
_ATTEMPTS = 12
_KEPT_S = 3600  # of a replaced transcript's parts: whoever has just read where they are can still read them


def save(app: App, request: ConversationSave) -> Ok:
    """Create or update the conversation with what was sent, in one conditional write that also decides the
    status.

    A status that may not follow the stored one is kept silently, and the rest is saved (contract 5.1). Only a
    refused write is followed by a read, to say what stands in its way; an end that the app is told of comes
    after one. What a conversation comes to that takes part in experiments is counted in the same write. The
    parts of a transcript over 300 KB (compressed) are stored before the write that points at them; parts that
    nothing points at any more expire. Raises Busy when other writers win a dozen times running.
    """
    row = ConversationRow.of(app.slug, request.session_id)
    transcript = Transcript() if request.messages is None else store_transcript(row, request.messages)
    stored: ConversationRow | None = None
    ending = request.status in ENDED and "conversation.ended" in app.webhook_events
    for attempt in range(_ATTEMPTS):
        if attempt or ending:
            stored = row.find_stored()
        ended = ending and ends(stored.status if stored else None, request.status)
        if ended or (_tells_outcome(request) and stored and stored.exposures):
            written = _save_together(app, request, transcript, stored, announced=ended)
        else:
            written = _save(app, request, transcript, stored)
        if written:
            return {"ok": True}
        back_off(attempt)
    if transcript.revision:
        expire_parts(row.pk, transcript.revision)
    raise Busy("Too many saves of this conversation at once: try again")


def find(app: str, query: ConversationQuery) -> ConversationPage:
    """Newest created first, at most 100 and 5 MB; `cursor` where more are left."""
    if not query.is_for(app):
        return {"conversations": []}
    scope = (app, "conversations", query.status or "")
    before = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else None
    listed = ConversationRow.newest(app, query.status or None, before, PAGE + 1)
    first = take_fitting(listed, _size, PAGE)
    found = list(ConversationRow.load_full(first))
    parts = TranscriptPart.find_all(key for each in found if _shown(each) for key in each.part_keys())
    views, last = fill(found, partial(_view, app, parts))
    if last is None and len(first) < len(listed):
        last = first[-1]
    page: ConversationPage = {"conversations": views}
    if last is not None:
        page["cursor"] = sign_cursor([last.gsi2sk if query.status else last.gsi1sk], *scope)
    return page


def last_answer(app: str, session_id: str) -> str:
    """What the agent said last: by the transcript, or by the newest final messages where the transcript has
    nothing of the agent. "" where it said nothing. Raises NotFound where nothing was saved of the
    conversation.
    """
    row = ConversationRow.of(app, session_id).find_stored()
    if row is None or not row.status:
        raise NotFound("Conversation not found")
    pieces = transcript_pieces(row, TranscriptPart.find_all(row.part_keys()))
    items = from_json(unpack(pieces)) if pieces else []
    said = [str(item["content"]) for item in items if is_agents(item["role"])]
    if said:
        return said[-1]
    newest = MessageRow.newest_of_session(app, session_id, LAST_MESSAGES)
    return next((each.content for each in newest if each.is_final and is_agents(each.role)), "")


# -- handing over and back ---------------------------------------------------------------------------------


def handed_over(app: App, session_id: str, stored: ConversationRow | None = None) -> list[Change]:
    """Passes a conversation that exists to a person, whatever its status is: refused where there is none. One
    that takes part in experiments has to be read before, and be unchanged.
    """
    row = ConversationRow
    actions = _status(app.slug, "handed_off", None)
    if stored is None or not stored.exposures:
        present: Condition = row.status.exists() & row.exposures.does_not_exist()
        return [Change(row.of(app.slug, session_id), actions, present)]
    counts_for = comes_to(stored, "handed_off", stored.ended_at)
    change = Change(row.of(app.slug, session_id), actions, _still(stored) & _not_saved_since(stored))
    return tallies.counting(app.slug, change, stored, counts_for)


def begun_with_person(
    app: App,
    session_id: str,
    channel: str,
    messages: Sequence[TranscriptItem],
    stored: ConversationRow | None,
) -> tuple[list[Change], str | None]:
    """Creates a conversation that nothing was saved of yet, with a person: refused where there is one. And
    the revision of its transcript, to be expired when it is refused.
    """
    row, now = ConversationRow.of(app.slug, session_id), now_ms()
    transcript = store_transcript(row, messages)
    begun = [
        *_beginning(app, session_id, now),
        ConversationRow.ended_at.set(now),
        ConversationRow.channel.set(channel),
        *_status(app.slug, "handed_off", None),
    ]
    change = Change(row, [*begun, *transcript.actions], _still(stored))
    counts_for = comes_to(stored, "handed_off", now, messages=len(messages))
    return tallies.counting(app.slug, change, stored, counts_for), transcript.revision


def given_back(app: str, session_id: str) -> Change | None:
    """Makes a conversation its agent's again: refused unless it is still handed over as it is now. None where
    it is not with a person.
    """
    row = ConversationRow.of(app, session_id).find_stored()
    if row is None or row.status != "handed_off":
        return None
    since = row.handed_off_since
    span = [] if since is None else [*(row.with_person or ()), since, max(since, now_ms())]
    actions = [
        ConversationRow.status.set("active"),
        ConversationRow.gsi2pk.set(row.list_key(app, "active")),
        ConversationRow.handed_off_since.remove(),
        *([ConversationRow.with_person.set(span)] if span else []),
    ]
    return Change(row, actions, _still(row))


def end_together(app: App, session_id: str, status: str, changes: Sequence[Change]) -> bool:
    """Write what ends a conversation, with the announcement where the app asks for it. Answers False when it
    was refused.
    """
    announced = outbox.make_deliveries(
        app,
        "conversation.ended",
        sessionId=session_id,
        conversationId=digest(app.slug, session_id),
        status=status,
    )
    if not write(changes, inserts=announced):
        return False
    outbox.WEBHOOKS.notify_sender(announced)
    return True


# -- before the first save ---------------------------------------------------------------------------------


def keep_config(app: str, session_id: str, config_hash: str) -> None:
    """Have the conversation say which configuration its model was last given. There may be none yet: what has
    no status is no conversation, is in no list, and becomes one with its first save.
    """
    ConversationRow.of(app, session_id).change([ConversationRow.config_hash.set(config_hash)])


# -- experiments -------------------------------------------------------------------------------------------


def exposed(
    app: str, session_id: str, experiment_id: str, variant_id: str, stored: ConversationRow | None = None
) -> list[Change]:
    """Lets a session take part in an experiment: its conversation carries the variant, also one that begins
    later, and what it has come to or comes to is counted for it.

    One that has come to something or takes part in MAX_EXPERIMENTS has to be read before, and be unchanged:
    else it is refused.
    """
    row = ConversationRow
    actions = [
        row.experiment_variant.set(variant_id),
        row.exposures.set((row.exposures | []).append([[experiment_id, variant_id]])),
    ]
    came_to = tallies.counted(stored) or _came_to(stored)
    if stored is None or came_to is None:
        goes_on = row.status.does_not_exist() | (row.status == "active")
        has_come_to_nothing = goes_on & row.counted.does_not_exist() & row.with_person.does_not_exist()
        has_room = row.exposures[MAX_EXPERIMENTS - 1].does_not_exist()
        change = Change(row.of(app, session_id), actions, has_come_to_nothing & has_room)
        return [change, tallies.exposing(app, experiment_id, variant_id, None)]
    actions.append(row.counted.set(list(came_to)))
    change = Change(row.of(app, session_id), actions, _still(stored) & _not_saved_since(stored))
    return [change, tallies.exposing(app, experiment_id, variant_id, came_to)]


def _came_to(stored: ConversationRow | None) -> Outcome | None:
    """What a conversation that was read has come to."""
    return comes_to(stored, stored.status, stored.ended_at) if stored and stored.status else None


def comes_to(
    stored: ConversationRow | None,
    status: str,
    ended_at: float,
    *,
    started_at: float | None = None,
    messages: int | None = None,
) -> Outcome | None:
    """What a conversation counts for with this status and this last save: what is stored, and what a save
    says besides. Times in epoch ms.
    """
    had = stored or ConversationRow()
    return outcome(
        status,
        was_handed_off=had.handed_off_since is not None or bool(had.with_person),
        started_at=had.started_at if had.started_at is not None else started_at or ended_at,
        ended_at=ended_at,
        created_at=had.created_at if had.created_at is not None else ended_at,
        messages=messages if messages is not None else had.message_count or 0,
    )


def _tells_outcome(request: ConversationSave) -> bool:
    """`active` is no outcome: such a save, one every few seconds, counts nothing."""
    return request.status not in (None, "active")


# -- saving ------------------------------------------------------------------------------------------------


def _save(
    app: App, request: ConversationSave, transcript: "Transcript", stored: ConversationRow | None
) -> bool:
    """One write, at first without knowing what is stored. Answers False when that was refused."""
    row = ConversationRow.of(app.slug, request.session_id)
    replaced = row.change_and_return(
        _saving(app, request, transcript, stored, now_ms()),
        _unchanged(request, transcript, stored),
        returning="UPDATED_OLD" if transcript.revision else "NONE",
    )
    if replaced is None:
        return False
    if transcript.actions:
        _let_go(row, replaced if transcript.revision else stored, transcript.revision)
    return True


def _save_together(
    app: App,
    request: ConversationSave,
    transcript: "Transcript",
    stored: ConversationRow | None,
    *,
    announced: bool,
) -> bool:
    """The same together with what it counts for, and with the announcement of an end, on the row that was
    read.
    """
    row, now = ConversationRow.of(app.slug, request.session_id), now_ms()
    status = next_status(stored.status if stored else None, request.status)
    messages = None if request.messages is None else len(request.messages)
    counts_for = comes_to(stored, status, now, started_at=request.started_at, messages=messages)
    unchanged = _still(stored)
    if stored and messages is None:
        unchanged &= stored.unchanged("message_count")
    change = Change(row, _saving(app, request, transcript, stored, now), unchanged)
    changes = tallies.counting(app.slug, change, stored, counts_for)
    written = end_together(app, request.session_id, status, changes) if announced else write(changes)
    if written and transcript.actions:
        _let_go(row, stored, transcript.revision)
    return written


def _saving(
    app: App,
    request: ConversationSave,
    transcript: "Transcript",
    stored: ConversationRow | None,
    now: int,
) -> list[Action]:
    return [*_facts(app, request, now), *_status(app.slug, request.status, stored), *transcript.actions]


class Transcript(NamedTuple):
    """What a save says of the transcript: nothing without messages."""

    actions: Sequence[Action] = ()
    revision: str | None = None
    """Of the parts that were stored beside the row."""


def store_transcript(row: ConversationRow, items: Sequence[TranscriptItem]) -> Transcript:
    """Packs the transcript, for the write of the row. The parts of a long one are stored here, before
    anything points at them: when that write is refused for good, they are to be expired.
    """
    text = to_json(items).decode()
    pieces = pack(text)
    about = [
        ConversationRow.message_count.set(len(items)),
        ConversationRow.transcript_bytes.set(reply_bytes(text)),
    ]
    if len(pieces) == 1:
        inline = [ConversationRow.transcript.set(pieces[0]), ConversationRow.transcript_revision.remove()]
        return Transcript([*about, *inline])
    revision, parts = TranscriptPart.of(row.pk, time_ordered_id(), pieces)
    put_all(parts)
    beside = [ConversationRow.transcript.remove(), ConversationRow.transcript_revision.set(revision)]
    return Transcript([*about, *beside], revision)


def _beginning(app: App, session_id: str, now: int, started_at: float | None = None) -> list[Action]:
    """What whoever creates a conversation writes of it, and nobody changes later: times in epoch ms, its
    place in lists, the version of the persona in force.
    """
    row, place = ConversationRow, time_key(now, digest(session_id))
    return [
        row.session_id.set(session_id),
        row.started_at.set(row.started_at | (started_at or now)),
        row.created_at.set(row.created_at | now),
        row.persona_version.set(row.persona_version | app.persona_version),
        row.gsi1pk.set(row.list_key(app.slug)),
        row.gsi1sk.set(row.gsi1sk | place),
        row.gsi2sk.set(row.gsi2sk | place),
    ]


def _facts(app: App, request: ConversationSave, now: int) -> list[Action]:
    row = ConversationRow
    given = (
        (row.channel, request.channel),
        (row.resolution, request.resolution),
        (row.agent_modes, request.agent_modes),
    )
    counted = [] if request.messages is not None else [row.message_count.set(row.message_count | 0)]
    return [
        *_beginning(app, request.session_id, now, request.started_at),
        row.ended_at.set(now),
        *counted,
        *(attribute.set(value) for attribute, value in given if value is not None),
    ]


def _status(app: str, requested: str | None, stored: ConversationRow | None) -> list[Action]:
    """Sets the status and the list it is found in, together."""
    row = ConversationRow
    if stored is None and requested in (None, "active"):  # never overrides what is there
        return [
            row.status.set(row.status | "active"),
            row.gsi2pk.set(row.gsi2pk | row.list_key(app, "active")),
        ]
    status = next_status(stored.status if stored else None, requested)
    since = [row.handed_off_since.set(row.handed_off_since | now_ms())] if status == "handed_off" else []
    return [row.status.set(status), row.gsi2pk.set(row.list_key(app, status)), *since]


def _still(stored: ConversationRow | None) -> Condition:
    """That the row is the one that was read, or that there is none yet."""
    if stored is None:
        nothing: Condition = (
            ConversationRow.status.does_not_exist() & ConversationRow.exposures.does_not_exist()
        )
        return nothing
    return stored.unchanged("status", "transcript_revision", "handed_off_since", "exposures", "counted")


def _not_saved_since(stored: ConversationRow) -> Condition:
    """That nothing was saved of it since it was read."""
    return stored.unchanged("ended_at", "message_count")


def _unchanged(
    request: ConversationSave, transcript: Transcript, stored: ConversationRow | None
) -> Condition | None:
    """What must hold for the write: at first guessed, after a refusal that the row is still the one that was
    read.
    """
    row = ConversationRow
    if stored is not None:
        return _still(stored)
    wanted = [row.status.does_not_exist() | (row.status != status) for status in _refusing(request)]
    if _tells_outcome(request):
        wanted.append(row.exposures.does_not_exist())  # nothing to be counted
    if transcript.actions and not transcript.revision:
        wanted.append(row.transcript_revision.does_not_exist())
    return reduce(and_, wanted) if wanted else None


def _refusing(request: ConversationSave) -> Iterable[str]:
    """`active` is never refused: it is written as a status only where there is none."""
    return refusing(str(request.status)) if _tells_outcome(request) else ()


def _let_go(row: ConversationRow, replaced: ConversationRow | None, present: str | None) -> None:
    """The present parts stay, whatever the table said was replaced: a write that was sent again finds its
    own.
    """
    if replaced and replaced.transcript_revision not in (None, present):
        expire_parts(row.pk, replaced.transcript_revision)


def expire_parts(pk: str, revision: str) -> None:
    """Let the parts of this revision go, an hour from now: whoever has just read where they are can read
    them.
    """
    for place in TranscriptPart.keys_of(pk, revision):
        expiry = TranscriptPart.expires_at.set(now_ms() // 1000 + _KEPT_S)
        TranscriptPart(*place).change([expiry], TranscriptPart.pk.exists())


# -- listing -----------------------------------------------------------------------------------------------


def _shown(row: ConversationRow) -> bool:
    return (row.transcript_bytes or 0) <= REPLY_BYTES - _ROW_BYTES


def _size(row: ConversationRow) -> int:
    """Bytes in a reply, by what the index knows."""
    return _ROW_BYTES + (int(row.transcript_bytes or 0) if _shown(row) else 0)


def facts(app: str, row: ConversationRow) -> ConversationFacts:
    """All that is shown of a conversation but its transcript."""
    view: ConversationFacts = {
        "_id": digest(app, row.session_id),
        "_creationTime": row.created_at or 0,
        "appSlug": app,
        "sessionId": row.session_id,
        "status": row.status,
        "startedAt": row.started_at,
        "endedAt": row.ended_at,
        "messageCount": int(row.message_count),
    }
    if row.channel is not None:
        view["channel"] = row.channel
    if row.resolution is not None:
        view["resolution"] = row.resolution
    if row.agent_modes is not None:
        view["agentModes"] = row.agent_modes
    if row.persona_version is not None:
        view["personaVersion"] = row.persona_version
    if row.config_hash is not None:
        view["configHash"] = row.config_hash
    if row.experiment_variant is not None:
        view["experimentVariant"] = row.experiment_variant
    return view


def _view(
    app: str, parts: Mapping[tuple[str, str], TranscriptPart], row: ConversationRow
) -> ConversationView:
    view = cast(ConversationView, facts(app, row))
    if row.transcript is not None or row.transcript_revision:
        pieces = transcript_pieces(row, parts) if _shown(row) else []
        if pieces:
            view["transcript"] = unpack(pieces)
        else:
            view["transcriptOmitted"] = True
    return view


def transcript_pieces(row: ConversationRow, parts: Mapping[tuple[str, str], TranscriptPart]) -> list[bytes]:
    """The pieces of its transcript, or none when one is missing: a torn row must not break a list."""
    if row.transcript is not None:
        return [row.transcript]
    return pieces_at(row.part_keys(), parts)


def pieces_at(
    keys: Sequence[tuple[str, str]], parts: Mapping[tuple[str, str], TranscriptPart]
) -> list[bytes]:
    """The pieces that were found at these places, or none when one is missing."""
    return [parts[key].data for key in keys] if all(key in parts for key in keys) else []
