"""DynamoDB answered at the wire: botocore builds, signs and parses everything, and nothing is sent.

It imports botocore only, for it is part of a cold start that is measured.
"""

import json
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.handlers import BUILTIN_HANDLERS

Calls = list[tuple[str, bytes]]
"""Operations and the bodies that were sent."""

_heard: Calls | None = None
_CONSUMED = {"TableName": "genai-voice", "CapacityUnits": 10.0}
_REPLIES = {
    "BatchWriteItem": json.dumps({"UnprocessedItems": {}, "ConsumedCapacity": [_CONSUMED]}).encode(),
    "PutItem": json.dumps({"ConsumedCapacity": _CONSUMED}).encode(),
    "UpdateItem": json.dumps({"ConsumedCapacity": _CONSUMED}).encode(),
}


class _Raw:
    """A body that has arrived."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def answer_everything() -> None:
    """Every client that is made from now on is answered here."""
    BUILTIN_HANDLERS.append(("before-send.dynamodb", _answer))


@contextmanager
def record_calls() -> Iterator[Calls]:
    """The calls that are made meanwhile."""
    global _heard
    calls: Calls = []
    _heard = calls
    yield calls
    _heard = None


def _answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    operation = cast(bytes, request.headers["X-Amz-Target"]).decode().partition(".")[2]
    sent = cast(bytes, request.body)
    if _heard is not None:
        _heard.append((operation, sent))
    body = _REPLIES.get(operation) or _make_item(sent)
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "Content-Length": str(len(body)),
        "x-amzn-RequestId": "00000000000000000000000000000000000000000000000000AA",
        "x-amz-crc32": str(zlib.crc32(body)),
    }
    return AWSResponse(request.url, 200, cast(Any, headers), _Raw(body))


def _make_item(body: bytes) -> bytes:
    """Of GetItem: what proves a caller."""
    key = json.loads(body)["Key"]
    facts = _make_session() if key["sk"]["S"] == "TOKEN" else _make_app()
    return json.dumps({"Item": {**key, **facts}, "ConsumedCapacity": _CONSUMED}).encode()


def _make_session() -> dict[str, Any]:
    expires_ms = str(int(time.time() * 1000) + 3_600_000)
    return {"kind": {"S": "session"}, "app": {"S": "demo-dentist"}, "expires_ms": {"N": expires_ms}}


def _make_app() -> dict[str, Any]:
    return {
        "kind": {"S": "app"},
        "slug": {"S": "demo-dentist"},
        "is_active": {"BOOL": True},
        "secrets": {"L": []},
        "name": {"S": "Dentist"},
        "model_id": {"S": "gemini-live"},
        "reply_as_audio": {"BOOL": True},
        "system_prompt": {"S": "You answer the telephone of a dental practice. " * 40},
        "updated_at": {"N": "1760000000000"},
    }
