"""The plainest handlers that store what the service stores: through pynamodb, and by hand through botocore.

They read the body with json and pydantic and make the same call, with the same kinds of item and
content-derived keys of the same length. They check no credentials, log nothing and add no CORS headers.
"""

import hashlib
import json
import time
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from botocore.session import get_session
from genai_voice.conversations.rows import ConversationRow, MessageRow
from genai_voice.foundation.table import Item
from genai_voice.telemetry.rows import EventsRow
from pydantic import BaseModel, Field

from bench.workload import APP, ENVIRONMENT, Event, Reply

_TABLE = ENVIRONMENT["TABLE_NAME"]
_PERSONA_VERSION = "own@1"


class Message(BaseModel):
    sessionId: str = Field(min_length=1, max_length=1000)
    participantIdentity: str = Field(min_length=1, max_length=1000)
    role: str = Field(min_length=1, max_length=1000)
    content: str = Field(max_length=10 * 1024)
    isFinal: bool
    createdAt: int = Field(ge=0, lt=10**15)
    roomName: str | None = Field(None, max_length=1000)
    language: str | None = Field(None, max_length=1000)


class MessageBatch(BaseModel):
    messages: list[Message] = Field(min_length=1, max_length=500)


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


# -- through pynamodb --------------------------------------------------------------------------------------


def messages(event: Event) -> Reply:
    batch = MessageBatch.model_validate(json.loads(event["body"]))
    trace_id = event["headers"]["x-trace-id"]
    with MessageRow.batch_write() as rows:
        for message in batch.messages:
            message_id = _message_id(message)
            sk = f"MESSAGE#{message_id}#"
            rows.save(
                MessageRow(
                    _pk(message.sessionId),
                    sk,
                    gsi2pk=_trace(trace_id),
                    gsi2sk=sk,
                    created_at=message.createdAt,
                    session_id=message.sessionId,
                    participant_identity=message.participantIdentity,
                    role=message.role,
                    content=message.content,
                    is_final=message.isFinal,
                    room_name=message.roomName,
                    language=message.language,
                    trace_id=trace_id,
                    message_id=message_id,
                )
            )
    return _reply({"ok": True, "count": len(batch.messages)})


def conversation(event: Event) -> Reply:
    save = Conversation.model_validate(json.loads(event["body"]))
    row, now = ConversationRow, _now_ms()
    text = _transcript(save)
    place, everything = _place(now, save.sessionId), f"APP#{APP}#CONVERSATIONS"
    Item._get_connection().update_item(
        _pk(save.sessionId),
        "CONVERSATION",
        actions=[
            row.kind.set(row),
            row.session_id.set(save.sessionId),
            row.started_at.set(row.started_at | save.startedAt),
            row.created_at.set(row.created_at | now),
            row.persona_version.set(row.persona_version | _PERSONA_VERSION),
            row.ended_at.set(now),
            row.gsi1pk.set(everything),
            row.gsi1sk.set(row.gsi1sk | place),
            row.gsi2pk.set(row.gsi2pk | f"{everything}#active#"),
            row.gsi2sk.set(row.gsi2sk | place),
            row.status.set(row.status | "active"),
            row.channel.set(save.channel),
            row.message_count.set(len(save.messages)),
            row.transcript_bytes.set(len(text) + 3 * text.count('"')),
            row.transcript.set(zlib.compress(text.encode(), 6)),
            row.transcript_revision.remove(),
        ],
        condition=row.transcript_revision.does_not_exist(),
        return_values="NONE",
    )
    return _reply({"ok": True})


def events(event: Event) -> Reply:
    batch = EventBatch.model_validate(json.loads(event["body"]))
    trace_id = event["headers"]["x-trace-id"]
    text = _events_text(batch)
    sk = _events_sk(batch, text)
    EventsRow(
        _pk(batch.sessionId),
        sk,
        gsi2pk=_trace(trace_id),
        gsi2sk=sk,
        created_at=_now_ms(),
        session_id=batch.sessionId,
        events=text,
        event_count=len(batch.events),
        trace_id=trace_id,
    ).save()
    return _reply({"inserted": len(batch.events)})


# -- by hand through botocore ------------------------------------------------------------------------------


def messages_by_hand(event: Event) -> Reply:
    batch = MessageBatch.model_validate(json.loads(event["body"]))
    trace_id = event["headers"]["x-trace-id"]
    puts = []
    for message in batch.messages:
        message_id = _message_id(message)
        sk = {"S": f"MESSAGE#{message_id}#"}
        item: dict[str, Any] = {
            "pk": {"S": _pk(message.sessionId)},
            "sk": sk,
            "kind": {"S": "message"},
            "gsi2pk": {"S": _trace(trace_id)},
            "gsi2sk": sk,
            "created_at": {"N": str(message.createdAt)},
            "session_id": {"S": message.sessionId},
            "participant_identity": {"S": message.participantIdentity},
            "role": {"S": message.role},
            "content": {"S": message.content},
            "is_final": {"BOOL": message.isFinal},
            "room_name": {"S": message.roomName},
            "language": {"S": message.language},
            "trace_id": {"S": trace_id},
            "message_id": {"S": message_id},
        }
        puts.append({"PutRequest": {"Item": item}})
    _client().batch_write_item(RequestItems={_TABLE: puts}, ReturnConsumedCapacity="TOTAL")
    return _reply({"ok": True, "count": len(batch.messages)})


def conversation_by_hand(event: Event) -> Reply:
    save = Conversation.model_validate(json.loads(event["body"]))
    now, text = _now_ms(), _transcript(save)
    place, everything = _place(now, save.sessionId), f"APP#{APP}#CONVERSATIONS"
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
        "transcript_bytes": {"N": str(len(text) + 3 * text.count('"'))},
        "transcript": {"B": zlib.compress(text.encode(), 6)},
    }
    kept = {"started_at", "created_at", "persona_version", "gsi1sk", "gsi2pk", "gsi2sk", "status"}
    sets = [
        f"#{name} = if_not_exists(#{name}, :{name})" if name in kept else f"#{name} = :{name}"
        for name in values
    ]
    _client().update_item(
        TableName=_TABLE,
        Key={"pk": {"S": _pk(save.sessionId)}, "sk": {"S": "CONVERSATION"}},
        UpdateExpression=f"SET {', '.join(sets)} REMOVE transcript_revision",
        ConditionExpression="attribute_not_exists(transcript_revision)",
        ExpressionAttributeNames={f"#{name}": name for name in values},
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
        ReturnValues="NONE",
        ReturnConsumedCapacity="TOTAL",
    )
    return _reply({"ok": True})


def events_by_hand(event: Event) -> Reply:
    batch = EventBatch.model_validate(json.loads(event["body"]))
    trace_id = event["headers"]["x-trace-id"]
    text = _events_text(batch)
    sk = {"S": _events_sk(batch, text)}
    item: dict[str, Any] = {
        "pk": {"S": _pk(batch.sessionId)},
        "sk": sk,
        "kind": {"S": "events"},
        "gsi2pk": {"S": _trace(trace_id)},
        "gsi2sk": sk,
        "created_at": {"N": str(_now_ms())},
        "session_id": {"S": batch.sessionId},
        "events": {"B": zlib.compress(text.encode(), 6)},
        "event_count": {"N": str(len(batch.events))},
        "trace_id": {"S": trace_id},
    }
    _client().put_item(TableName=_TABLE, Item=item, ReturnConsumedCapacity="TOTAL")
    return _reply({"inserted": len(batch.events)})


@cache
def _client() -> Any:
    return cast(Any, get_session().create_client("dynamodb", region_name=ENVIRONMENT["AWS_REGION"]))


# -- what both need ----------------------------------------------------------------------------------------


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _pk(session: str) -> str:
    return f"APP#{APP}#SESSION#{session}#"


def _trace(trace_id: str) -> str:
    return f"APP#{APP}#TRACE#{trace_id}#"


def _place(ms: float, *tie: str) -> str:
    return f"{ms:019.3f}-{hashlib.sha256('|'.join(tie).encode()).hexdigest()[:32]}"


def _message_id(message: Message) -> str:
    return _place(message.createdAt, APP, message.sessionId, message.participantIdentity, message.content)


def _transcript(save: Conversation) -> str:
    return _json([message.model_dump() for message in save.messages])


def _events_text(batch: EventBatch) -> str:
    return _json([event.model_dump() for event in batch.events])


def _events_sk(batch: EventBatch, text: str) -> str:
    return f"EVENTS#{_place(batch.events[0].ts, APP, batch.sessionId, text)}#"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _reply(body: Mapping[str, object]) -> Reply:
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(body),
    }
