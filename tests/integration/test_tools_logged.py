"""Agents log what they ran themselves: `POST /api/tools/log`, contract 3.4."""

import random
from typing import Any

import pytest
import time_machine
from genai_voice.foundation.trace_sessions import TraceSessionRow

from tests.support.service import Client, Reply, call, create_app

LEAST = {"sessionId": "s", "toolName": "wave", "status": "success"}


def log(app: Client, **fields: Any) -> Reply:
    return app.post("/api/tools/log", LEAST | fields)


def executions(app: Client) -> list[Any]:
    return list(app.get("/api/tools/executions").json["executions"])


def test_what_an_agent_says_is_in_the_audit() -> None:
    app = create_app()
    said = {
        "toolName": "wave",
        "status": "timeout",
        "parameters": '{"times": 2}',
        "result": "no JSON",
        "durationMs": 840.5,
        "executedAt": 1767225603000.25,
        "traceId": "t",
        "spanId": "p",
        "source": "livekit_dispatch",
    }

    reply = log(app, **said)

    assert (reply.status, reply.json) == (200, {"ok": True})
    [execution] = executions(app)
    assert execution.pop("_id")
    assert execution.pop("_creationTime") == 1767225603000.25
    assert execution == said | {"appSlug": app.slug, "sessionId": "s"}
    [known] = TraceSessionRow.list_in_trace(app.slug, "t", "", "", limit=2)
    assert known.session_id == "s"


def test_what_is_absent_has_the_contracts_defaults() -> None:
    app = create_app()
    absent = ("parameters", "result", "durationMs", "executedAt", "traceId", "spanId", "source")
    with time_machine.travel(1_800_000_000, tick=False):
        log(app)
        log(app, **dict.fromkeys(absent))
    for execution in executions(app):
        assert execution.pop("_id")
        assert execution == LEAST | {
            "appSlug": app.slug,
            "_creationTime": 1_800_000_000_000,
            "executedAt": 1_800_000_000_000,
            "parameters": "{}",
            "durationMs": 0,
            "source": "agent_datachannel",
        }
    assert len(executions(app)) == 2


@pytest.mark.parametrize("field", ["sessionId", "toolName", "status"])
def test_an_incomplete_log_is_refused_before_the_caller_is_known(field: str) -> None:
    body = {name: value for name, value in LEAST.items() if name != field}
    reply = call("POST", "/api/tools/log", body=body)
    assert (reply.status, reply.json["error"]) == (400, "Missing required fields")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"parameters": {}}, "parameters", id="parameters are a text"),
        pytest.param({"result": {}}, "result", id="the result is a text"),
        pytest.param({"durationMs": -1}, "durationMs", id="negative duration"),
        pytest.param({"durationMs": "5"}, "durationMs", id="text for a duration"),
        pytest.param({"executedAt": -1}, "executedAt", id="negative time"),
        pytest.param({"parameters": "x" * 131_073}, "parameters (over 131,072 bytes)", id="long parameters"),
        pytest.param({"result": "x" * 131_073}, "result (over 131,072 bytes)", id="long result"),
    ],
)
def test_a_malformed_log_is_refused(fields: dict[str, Any], field: str) -> None:
    app = create_app()
    reply = log(app, **fields)
    assert (reply.status, reply.json) == (400, {"error": f"Invalid field: {field}"})
    assert executions(app) == []


def test_logs_do_not_count_in_the_rate_limit() -> None:
    app = create_app(max_actions_per_turn=1)
    for _ in range(3):
        assert log(app).status == 200
    act = {"sessionId": "s", "toolName": "t"}
    assert [app.post("/api/tools/execute", act).status for _ in range(2)] == [200, 429]
    assert log(app).status == 200


def test_a_log_that_is_sent_again_is_stored_once() -> None:
    app = create_app()
    for number in range(3):
        log(app, executedAt=1767225603000, unknown=number)
    assert len(executions(app)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"sessionId": "t"},
        {"toolName": "nod"},
        {"status": "error"},
        {"parameters": "[]"},
        {"result": "x"},
        {"durationMs": 1},
        {"executedAt": 1767225603001},
        {"traceId": "t"},
        {"spanId": "p"},
        {"source": "x"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_log_that_says_something_else_is_another(other: dict[str, Any]) -> None:
    app = create_app()
    log(app, executedAt=1767225603000)
    log(app, **{"executedAt": 1767225603000} | other)
    assert len(executions(app)) == 2


def test_logs_stand_among_executions_by_when_they_were_executed() -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False):
        app.post("/api/tools/execute", {"sessionId": "s", "toolName": "in the middle"})
    log(app, toolName="first", executedAt=1_799_999_999_999)
    log(app, toolName="last", executedAt=1_800_000_000_000.5)
    log(app, toolName="very first", executedAt=0)
    log(app, toolName="very last", executedAt=999_999_999_999_999)
    assert [each["toolName"] for each in executions(app)] == [
        "very last",
        "last",
        "in the middle",
        "first",
        "very first",
    ]


def test_the_largest_log_fits_its_row() -> None:
    chance = random.Random(3)  # noqa: S311 - only has to be incompressible
    text = "".join(
        chr(chance.choice([chance.randint(0, 127), chance.randint(128, 2047)])) for _ in range(80_000)
    )
    longest = "\U0001f50e" * 1_000
    while len(text.encode()) > 131_072:
        text = text[:-1]
    names = ("sessionId", "toolName", "status", "traceId", "spanId", "source")
    app = create_app()

    reply = log(app, parameters=text, result=text[::-1], **dict.fromkeys(names, longest))

    assert reply.status == 200, reply.text
    [execution] = executions(app)
    assert (execution["parameters"], execution["result"]) == (text, text[::-1])
