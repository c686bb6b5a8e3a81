"""The plainest handlers that store what the service stores: through pynamodb, and by hand through botocore.

They read the body with json and pydantic and make the same call, with the same kinds of item and
content-derived keys of the same length. A transcript is laid out by the service's own pure functions. They
check no credentials, log nothing and add no CORS headers.
"""

import hashlib
import json
import time
import zlib
from collections.abc import Mapping
from functools import cache, reduce
from operator import and_
from typing import Any, NamedTuple, cast

from botocore.session import get_session
from genai_voice.conversations.message_rows import MessageRow
from genai_voice.conversations.model import TranscriptItem
from genai_voice.conversations.packing import pack
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.segment_rows import write_name
from genai_voice.conversations.transcripts import (
    count_reply_bytes,
    count_sealed,
    digest_prefixes,
    join_lines,
    name_segment,
)
from genai_voice.foundation.table import Item
from genai_voice.telemetry.rows import EventsRow
from pydantic import BaseModel, Field

from bench.workload import APP, ENVIRONMENT, Event, Reply

_TABLE = ENVIRONMENT["TABLE_NAME"]
_PERSONA_VERSION = "own@1"
_LEAST_STEP = 16 * 1024


class Message(BaseModel):
    sessionId: str = Field(min_length=1, max_length=1000)
    participantIdentity: str = Field(min_length=1, max_length=1000)
    role: str = Field(min_length=1, max_length=1000)
    content: str
    isFinal: bool
    createdAt: int = Field(ge=0, lt=10**15)
    roomName: str | None = Field(None, max_length=1000)
    language: str | None = Field(None, max_length=1000)


class MessageBatch(BaseModel):
    messages: list[Message] = Field(min_length=1)


class Said(BaseModel):
    role: str = Field(min_length=1)
    content: str
    ts: int


class Conversation(BaseModel):
    sessionId: str = Field(min_length=1, max_length=1000)
    startedAt: int
    messages: list[Said]
    channel: str = Field(max_length=1000)


class Reported(BaseModel):
    eventType: str = Field(min_length=1, max_length=1000)
    ts: int
    data: str = Field(max_length=256 * 1024)


class EventBatch(BaseModel):
    sessionId: str = Field(min_length=1, max_length=1000)
    events: list[Reported] = Field(max_length=100)


class _Transcript(NamedTuple):
    """What a row says of one."""

    reply_bytes: int
    tail: bytes
    prefixes: list[bytes]
    sealed: bytes
    characters: int


# -- through pynamodb --------------------------------------------------------------------------------------


def save_messages(event: Event) -> Reply:
    batch = MessageBatch.model_validate(json.loads(event["body"]))
    trace_id = event["headers"]["x-trace-id"]
    with MessageRow.batch_write() as rows:
        for message in batch.messages:
            rows.save(
                MessageRow(
                    _make_pk(message.sessionId),
                    _make_message_sk(message, trace_id),
                    created_at=message.createdAt,
                    session_id=message.sessionId,
                    participant_identity=message.participantIdentity,
                    role=message.role,
                    content=message.content,
                    is_final=message.isFinal,
                    room_name=message.roomName,
                    language=message.language,
                    trace_id=trace_id,
                )
            )
    return _make_reply({"ok": True, "count": len(batch.messages)})


def save_conversation(event: Event) -> Reply:
    save = Conversation.model_validate(json.loads(event["body"]))
    row, now, said = ConversationRow, _read_now_ms(), _read_transcript(save)
    place, everything = _make_list_place(now, save.sessionId), f"APP#{APP}#CONVERSATIONS"
    required = [
        row.transcript.does_not_exist(),
        row.transcript_revision.does_not_exist(),
        row.line_keys.is_in(*said.prefixes) & row.sealed.is_in(said.sealed) & (row.said <= said.characters),
    ]
    request = row(_make_pk(save.sessionId), "CONVERSATION").get_update_kwargs_from_instance(
        actions=[
            row.session_id.set(save.sessionId),
            row.started_at.set(row.started_at | save.startedAt),
            row.created_at.set(row.created_at | now),
            row.persona_version.set(row.persona_version | _PERSONA_VERSION),
            row.gsi1pk.set(everything),
            row.gsi1sk.set(row.gsi1sk | place),
            row.gsi2sk.set(row.gsi2sk | place),
            row.ended_at.set(now),
            row.channel.set(save.channel),
            row.status.set(row.status | "active"),
            row.gsi2pk.set(row.gsi2pk | f"{everything}#active#"),
            row.message_count.set(len(save.messages)),
            row.transcript_bytes.set(_LEAST_STEP),
            row.reply_bytes.set(said.reply_bytes),
            row.tail.set(said.tail),
            row.line_keys.set(said.prefixes[-1]),
            row.said.set(said.characters),
            row.sealed.set(said.sealed),
            row.transcript.remove(),
            row.transcript_revision.remove(),
            row.kind.set(row),
        ],
        condition=reduce(and_, required),
        return_values_on_condition_failure="ALL_OLD",
    )
    Item._get_connection().connection.dispatch("UpdateItem", request)
    return _make_reply({"ok": True})


def insert_events(event: Event) -> Reply:
    batch = EventBatch.model_validate(json.loads(event["body"]))
    trace_id = event["headers"]["x-trace-id"]
    text = _make_events_text(batch)
    EventsRow(
        _make_pk(batch.sessionId),
        _make_events_sk(batch, text),
        created_at=_read_now_ms(),
        session_id=batch.sessionId,
        events=text,
        event_count=len(batch.events),
        trace_id=trace_id,
    ).save()
    return _make_reply({"inserted": len(batch.events)})


# -- by hand through botocore ------------------------------------------------------------------------------


def save_messages_by_hand(event: Event) -> Reply:
    batch = MessageBatch.model_validate(json.loads(event["body"]))
    trace_id = event["headers"]["x-trace-id"]
    puts = []
    for message in batch.messages:
        item: dict[str, Any] = {
            "pk": {"S": _make_pk(message.sessionId)},
            "sk": {"S": _make_message_sk(message, trace_id)},
            "kind": {"S": "message"},
            "created_at": {"N": str(message.createdAt)},
            "session_id": {"S": message.sessionId},
            "participant_identity": {"S": message.participantIdentity},
            "role": {"S": message.role},
            "content": {"S": message.content},
            "is_final": {"BOOL": message.isFinal},
            "room_name": {"S": message.roomName},
            "language": {"S": message.language},
            "trace_id": {"S": trace_id},
        }
        puts.append({"PutRequest": {"Item": item}})
    _find_client().batch_write_item(RequestItems={_TABLE: puts}, ReturnConsumedCapacity="TOTAL")
    return _make_reply({"ok": True, "count": len(batch.messages)})


def save_conversation_by_hand(event: Event) -> Reply:
    save = Conversation.model_validate(json.loads(event["body"]))
    now, said = _read_now_ms(), _read_transcript(save)
    place, everything = _make_list_place(now, save.sessionId), f"APP#{APP}#CONVERSATIONS"
    values: dict[str, Any] = {
        "kind": {"S": "conversation"},
        "session_id": {"S": save.sessionId},
        "started_at": {"N": str(save.startedAt)},
        "created_at": {"N": str(now)},
        "persona_version": {"S": _PERSONA_VERSION},
        "ended_at": {"N": str(now)},
        "gsi1pk": {"S": everything},
        "gsi1sk": {"S": place},
        "gsi2pk": {"S": f"{everything}#active#"},
        "gsi2sk": {"S": place},
        "status": {"S": "active"},
        "channel": {"S": save.channel},
        "message_count": {"N": str(len(save.messages))},
        "transcript_bytes": {"N": str(_LEAST_STEP)},
        "reply_bytes": {"N": str(said.reply_bytes)},
        "tail": {"B": said.tail},
        "line_keys": {"B": said.prefixes[-1]},
        "said": {"N": str(said.characters)},
        "sealed": {"B": said.sealed},
    }
    beginnings = {f":begun{number}": {"B": each} for number, each in enumerate(said.prefixes)}
    kept = {"started_at", "created_at", "persona_version", "gsi1sk", "gsi2pk", "gsi2sk", "status"}
    sets = [
        f"#{name} = if_not_exists(#{name}, :{name})" if name in kept else f"#{name} = :{name}"
        for name in values
    ]
    _find_client().update_item(
        TableName=_TABLE,
        Key={"pk": {"S": _make_pk(save.sessionId)}, "sk": {"S": "CONVERSATION"}},
        UpdateExpression=f"SET {', '.join(sets)} REMOVE transcript, transcript_revision",
        ConditionExpression="attribute_not_exists(transcript) AND attribute_not_exists(transcript_revision)"
        f" AND #line_keys IN ({', '.join(beginnings)}) AND #sealed = :sealed AND #said <= :said",
        ExpressionAttributeNames={f"#{name}": name for name in values},
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()} | beginnings,
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
        ReturnConsumedCapacity="TOTAL",
    )
    return _make_reply({"ok": True})


def insert_events_by_hand(event: Event) -> Reply:
    batch = EventBatch.model_validate(json.loads(event["body"]))
    trace_id = event["headers"]["x-trace-id"]
    text = _make_events_text(batch)
    item: dict[str, Any] = {
        "pk": {"S": _make_pk(batch.sessionId)},
        "sk": {"S": _make_events_sk(batch, text)},
        "kind": {"S": "events"},
        "created_at": {"N": str(_read_now_ms())},
        "session_id": {"S": batch.sessionId},
        "events": {"B": zlib.compress(text.encode(), 6)},
        "event_count": {"N": str(len(batch.events))},
        "trace_id": {"S": trace_id},
    }
    _find_client().put_item(TableName=_TABLE, Item=item, ReturnConsumedCapacity="TOTAL")
    return _make_reply({"inserted": len(batch.events)})


@cache
def _find_client() -> Any:
    return cast(Any, get_session().create_client("dynamodb", region_name=ENVIRONMENT["AWS_REGION"]))


# -- what both need ----------------------------------------------------------------------------------------


def _read_now_ms() -> int:
    return time.time_ns() // 1_000_000


def _make_pk(session: str) -> str:
    return f"APP#{APP}#SESSION#{session}#"


def _make_place(ms: float, *tie: str) -> str:
    return f"{ms:019.3f}-{_make_digest(*tie)}"


def _make_list_place(ms: float, session: str) -> str:
    return f"{ms:019.3f}-{_make_short_digest(session)}"


def _make_short_digest(*parts: str) -> str:
    return _make_digest(*parts)[:16]


def _make_digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]


def _make_message_sk(message: Message, trace_id: str) -> str:
    said = (message.participantIdentity, message.content)
    role, rest = _make_short_digest(message.role), _make_short_digest(message.roomName or "", trace_id)
    return f"MESSAGE#{_make_place(message.createdAt, APP, message.sessionId, *said)}-{role}#PART#{rest}#"


def _read_transcript(save: Conversation) -> "_Transcript":
    """Lay out a transcript of 10 lines and more as the service does."""
    lines = cast(list[TranscriptItem], [message.model_dump() for message in save.messages])
    count = count_sealed(lines)
    return _Transcript(
        reply_bytes=count_reply_bytes(_to_json(lines).encode()),
        tail=pack(join_lines(lines[count:])),
        prefixes=digest_prefixes(lines, len(lines) - count + 1),
        sealed=write_name(name_segment(lines, count)),
        characters=sum(len(line["content"]) for line in lines),
    )


def _make_events_text(batch: EventBatch) -> str:
    return _to_json([event.model_dump() for event in batch.events])


def _make_events_sk(batch: EventBatch, text: str) -> str:
    return f"EVENTS#{_make_place(batch.events[0].ts, APP, batch.sessionId, text)}#"


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _make_reply(body: Mapping[str, object]) -> Reply:
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(body),
    }
