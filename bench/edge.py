"""What the service adds to a request before and after its own work: `messages` with a batch of 10.

All contestants get the same API Gateway event, read and check its body, and answer the same reply; nothing is
stored. The event's credentials are looked at, and the caller they stand for is given.

    edge       the function's own endpoint (route, limits, credentials, validation, CORS, reply)
               with its service stubbed, without its line of log
    handler    the same with it, written to nowhere
    report     the line that is both, alone
    bare       json and pydantic in the plainest handler that has the same limits on fields
    fastapi    the same endpoint in FastAPI behind Mangum, as an async function
"""

import json
from dataclasses import replace
from typing import Annotated, cast

from fastapi import Depends, FastAPI, Header, HTTPException
from genai_voice.conversations.message_model import MessageBatch, MessagesSaved
from genai_voice.foundation import http
from genai_voice.foundation.log import report_request
from genai_voice.foundation.metering import Meter
from genai_voice.tenancy import App, Caller
from mangum import Mangum
from pydantic import BaseModel

from bench import plain
from bench.contest import Contestant, find_best, leave_unreported
from bench.report import Figure
from bench.workload import (
    APP,
    SESSION,
    TRACE,
    Event,
    Handler,
    Reply,
    load_function,
    log_to_nowhere,
    make_messages,
    make_post,
)

TITLE = "The edge alone: POST /api/messages, 10 messages, nothing stored"
_CALLS = 2000


def measure() -> list[Figure]:
    event = make_post("/api/messages", make_messages(10))
    with log_to_nowhere():
        handler = _make_handler()
        contestants = {
            "edge": Contestant(lambda: handler(event, None), leave_unreported),
            "bare": Contestant(lambda: _answer_through_fastapi(event, None)),
            "fastapi": Contestant(lambda: _fastapi(event, None)),
            "handler": Contestant(lambda: handler(event, None)),
            "report": Contestant(_report),
        }
        _check(event, handler, _answer_through_fastapi, _fastapi)
        took = find_best(contestants, _CALLS)
    return [
        Figure("edge / bare json + pydantic", took["edge"] / took["bare"], "×", at_most=1.5),
        Figure("FastAPI + Mangum / edge", took["fastapi"] / took["edge"], "×", at_least=4),
        Figure("edge", took["edge"], "µs"),
        Figure("bare json + pydantic", took["bare"], "µs"),
        Figure("FastAPI + Mangum", took["fastapi"], "µs"),
        Figure("whole handler: edge and line of log", took["handler"], "µs"),
        Figure("line of log alone", took["report"], "µs"),
        Figure("whole handler / bare", took["handler"] / took["bare"], "×"),
        Figure("FastAPI + Mangum / whole handler", took["fastapi"] / took["handler"], "×"),
    ]


def _check(event: Event, *handlers: Handler) -> None:
    """All answer the same, or they are not comparable."""
    for each in handlers:
        reply = each(event, None)
        if reply["statusCode"] != 200 or json.loads(reply["body"]) != {"ok": True, "count": 10}:
            raise AssertionError(f"a contestant answered {reply}")


# -- ours --------------------------------------------------------------------------------------------------


def _make_handler() -> Handler:
    """The function's declaration of the endpoint, with a stub for what it calls."""
    caller = Caller(App(APP, 0, "own@1"), "session", frozenset({"runtime", "manage"}))
    declared = load_function("conversations_messages").api.endpoints["POST", "/api/messages"]
    api = http.Api(lambda credentials: caller)
    api.endpoints["POST", "/api/messages"] = replace(declared, call=_answer_nothing)
    return api.handle


def _answer_nothing(caller: Caller, body: MessageBatch, trace_id: str | None) -> MessagesSaved:
    return {"ok": True, "count": len(body.messages)}


def _report() -> None:
    report_request(
        "POST /api/messages",
        200,
        app=APP,
        session=SESSION,
        trace_id=TRACE,
        duration_ms=1.234,
        meter=Meter(["BatchWriteItem"], 10.0),
    )


# -- bare --------------------------------------------------------------------------------------------------


def _answer_through_fastapi(event: Event, context: object) -> Reply:
    batch = plain.MessageBatch.model_validate(json.loads(event["body"]))
    body = {"ok": True, "count": len(batch.messages)}
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(body),
    }


# -- FastAPI -----------------------------------------------------------------------------------------------


class _Saved(BaseModel):
    ok: bool
    count: int


_app = FastAPI()
_fastapi = cast(Handler, Mangum(_app, lifespan="off"))


async def _find_caller(authorization: Annotated[str, Header()], x_app_slug: Annotated[str, Header()]) -> str:
    if not authorization.startswith("Bearer "):
        raise HTTPException(401, "Unauthorized")
    return x_app_slug


@_app.post("/api/messages")
async def _insert(batch: plain.MessageBatch, app: Annotated[str, Depends(_find_caller)]) -> _Saved:
    return _Saved(ok=True, count=len(batch.messages))
