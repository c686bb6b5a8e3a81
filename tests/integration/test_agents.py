"""Agent sessions: opened, prompted, told of their runs (contract 3.17)."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import Any

import pytest
import time_machine
from genai_voice.agents.rows import AgentRunRow, AgentSessionRow
from genai_voice.foundation.retries import ATTEMPTS

from tests.support.service import Client, Reply, call, create_app, read_pages, read_partition, record_calls
from tests.support.wire import Cut, answer_calls, cut, lose_answer

MEGABYTE = 1024 * 1024
TAKEN = (
    400,
    {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "taken"},
)
NOT_FOUND = {"error": "Agent session not found"}


def opened(app: Client, **fields: Any) -> str:
    reply = app.post("/api/agents/session", {"runtime": "pi", **fields})
    assert reply.status == 201, reply.text
    return str(reply.json["sessionId"])


def ran(run_id: str = "run-1", **fields: Any) -> dict[str, Any]:
    return {"runId": run_id, "provider": "google", "model": "m-1", "status": "success", **fields}


def post_run(app: Client, session: str, run: Any) -> Reply:
    return app.post("/api/agents/session/run", {"sessionId": session, "run": run})


def report(app: Client, session: str, run_id: str = "run-1", **fields: Any) -> None:
    reply = post_run(app, session, ran(run_id, **fields))
    assert (reply.status, reply.json) == (200, {"ok": True, "sessionId": session, "runId": run_id}), (
        reply.text
    )


def read(app: Client, session: str) -> dict[str, Any]:
    reply = app.get("/api/agents/session", sessionId=session)
    assert reply.status == 200, reply.text
    return dict(reply.json)


def runs(app: Client, session: str, **query: str) -> list[dict[str, Any]]:
    reply = app.get("/api/agents/session/runs", sessionId=session, **query).json
    assert reply["sessionId"] == session
    return list(reply["runs"])


# -- sessions ----------------------------------------------------------------------------------------------


def test_a_session_is_opened_under_an_id_of_its_own() -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False):
        reply = app.post("/api/agents/session", {"runtime": "pi"})
    session = reply.json["sessionId"]
    assert re.fullmatch(r"pi-1800000000000-[0-9a-z]{6}", session)
    assert (reply.status, reply.json) == (201, {"sessionId": session, "runtime": "pi", "status": "active"})
    assert opened(app) != opened(app)


def test_a_session_is_read_as_a_bare_row() -> None:
    app = create_app()
    given = {"provider": "google", "model": "m-1", "branchId": "b", "threadId": "t", "cwd": "/srv"}
    with time_machine.travel(1_800_000_000, tick=False):
        session = opened(app, **given)
    row = read(app, session)
    assert row.pop("_id")
    assert row == {
        "_creationTime": 1_800_000_000_000,
        "appSlug": app.slug,
        "sessionId": session,
        "runtime": "pi",
        "status": "active",
        **given,
        "runCount": 0,
        "createdAt": 1_800_000_000_000,
    }


def test_what_is_absent_is_left_out() -> None:
    app = create_app()
    session = opened(app, provider=None)
    assert not {"provider", "model", "branchId", "cwd", "lastRunAt", "endedAt"} & set(read(app, session))


@pytest.mark.parametrize("runtime", [None, "", "PI", "node", 5, ["pi"]], ids=str)
def test_another_runtime_is_refused(runtime: object) -> None:
    reply = create_app().post("/api/agents/session", {"runtime": runtime})
    assert (reply.status, reply.json["error"]) == (400, "Invalid runtime. Must be 'pi'.")


def test_an_id_that_is_taken_is_not_given_again() -> None:
    app = create_app()
    opened(app)
    with answer_calls(TAKEN, TAKEN) as sent:
        session = opened(app)
    assert len({str(body["Item"]["pk"]) for body in sent}) == 3
    assert read(app, session)["sessionId"] == session


def test_when_every_id_is_taken_the_caller_is_told_to_try_again() -> None:
    app = create_app()
    opened(app)
    with answer_calls(*[TAKEN] * ATTEMPTS) as sent:
        reply = app.post("/api/agents/session", {"runtime": "pi"})
    assert (reply.status, len(sent)) == (503, ATTEMPTS)


def test_a_session_whose_answer_was_lost_can_be_read() -> None:
    app = create_app()
    opened(app)
    with lose_answer(1):
        session = opened(app)
    assert read(app, session)["status"] == "active"


@pytest.mark.parametrize("path", ["/api/agents/session", "/api/agents/session/runs"])
@pytest.mark.parametrize("query", [{}, {"sessionId": ""}], ids=str)
def test_reading_needs_a_session(path: str, query: dict[str, str]) -> None:
    reply = create_app().get(path, **query)
    assert (reply.status, reply.json["error"]) == (400, "sessionId query parameter is required")


def test_a_session_of_another_app_is_no_session() -> None:
    mine, theirs = create_app(), create_app()
    session = opened(theirs)
    for reply in (
        mine.get("/api/agents/session", sessionId=session),
        mine.get("/api/agents/session", sessionId=session, appSlug=theirs.slug, all="true"),
        theirs.get("/api/agents/session", sessionId=session, appSlug=mine.slug),
        mine.post("/api/agents/prompt", {"sessionId": session, "text": "x"}),
        post_run(mine, session, ran()),
    ):
        assert (reply.status, reply.json) == (404, NOT_FOUND)
    assert read(theirs, session)["runCount"] == 0
    assert runs(mine, session) == runs(theirs, session) == []
    report(theirs, session)
    assert runs(mine, session) == runs(mine, session, appSlug=theirs.slug, all="true") == []
    assert runs(theirs, session, appSlug=mine.slug) == []
    assert len(runs(theirs, session, appSlug=theirs.slug, all="true")) == 1


def test_credentials_come_before_the_input() -> None:
    for method, path in [
        ("POST", "session"),
        ("POST", "prompt"),
        ("POST", "session/run"),
        ("GET", "session"),
    ]:
        assert call(method, f"/api/agents/{path}", body=None if method == "GET" else {}).status == 401


def test_the_one_runtime_is_told_with_its_providers() -> None:
    (runtime,) = create_app().get("/api/agents/runtimes").json["runtimes"]
    assert (runtime["id"], runtime["name"]) == ("pi", "Pi")
    assert runtime["description"]
    providers = ["google", "anthropic", "openai", "deepseek", "mistral", "xai", "groq"]
    assert runtime["providers"] == providers


# -- prompts -----------------------------------------------------------------------------------------------


def test_a_prompt_is_acknowledged_and_nothing_is_stored() -> None:
    app = create_app()
    session = opened(app)
    with record_calls() as calls:
        reply = app.post("/api/agents/prompt", {"sessionId": session, "text": "Run the tests."})
    assert reply.status == 200
    assert sorted(reply.json) == ["message", "sessionId", "status"]
    assert (reply.json["sessionId"], reply.json["status"]) == (session, "queued")
    assert not calls.written


@pytest.mark.parametrize(
    "body", [{}, {"sessionId": "x"}, {"sessionId": "x", "text": ""}, {"text": "x"}], ids=str
)
def test_a_prompt_needs_both_fields(body: dict[str, str]) -> None:
    reply = create_app().post("/api/agents/prompt", body)
    assert (reply.status, reply.json["error"]) == (400, "sessionId and text are required")


def test_a_prompt_is_for_an_active_session() -> None:
    app = create_app()
    session = opened(app)
    reply = app.post("/api/agents/prompt", {"sessionId": "unknown", "text": "x"})
    assert (reply.status, reply.json) == (404, NOT_FOUND)
    AgentSessionRow.of(app.slug, session).change(
        [AgentSessionRow.status.set("ended"), AgentSessionRow.ended_at.set(5)]
    )
    reply = app.post("/api/agents/prompt", {"sessionId": session, "text": "x"})
    assert (reply.status, reply.json["error"]) == (400, "Agent session is not active")
    assert (read(app, session)["status"], read(app, session)["endedAt"]) == ("ended", 5)


# -- runs --------------------------------------------------------------------------------------------------


def test_a_run_comes_back_as_it_was_reported() -> None:
    app = create_app()
    session = opened(app)
    sent = ran(
        runtime="pi",
        status="error",
        startedAt=1_799_999_990_000.5,
        endedAt=1_799_999_999_000,
        durationMs=9_000,
        attemptCount=3,
        fallbackCount=1,
        contextRecoveryCount=2,
        toolOutputTruncatedChars=12_000,
        promptChars=500,
        responseChars=0,
        authProfileId="profile",
        failureReason="rate_limit",
        errorMessage="429",
    )
    with time_machine.travel(1_800_000_000, tick=False):
        report(app, session, **sent | {"metadata": {"tags": ["a", None], "n": 1.5}, "run_id": "run-1"})
    (run,) = runs(app, session)
    assert run.pop("_id")
    assert json.loads(run.pop("metadata")) == {"tags": ["a", None], "n": 1.5}
    assert run == {**sent, "_creationTime": 1_800_000_000_000, "appSlug": app.slug, "sessionId": session}


@pytest.mark.parametrize(
    "absent", [{}, dict.fromkeys(["runtime", "startedAt", "attemptCount", "metadata"])], ids=str
)
def test_what_is_absent_has_its_default_or_is_left_out(absent: dict[str, Any]) -> None:
    app = create_app()
    session = opened(app)
    with time_machine.travel(1_800_000_000, tick=False):
        report(app, session, **absent)
    (run,) = runs(app, session)
    assert run.pop("_id")
    counts = ["durationMs", "fallbackCount", "contextRecoveryCount", "toolOutputTruncatedChars"]
    assert run == {
        **ran(runtime="pi", attemptCount=1, appSlug=app.slug, sessionId=session),
        **dict.fromkeys([*counts, "promptChars", "responseChars"], 0),
        **dict.fromkeys(["_creationTime", "startedAt", "endedAt"], 1_800_000_000_000),
    }


INCOMPLETE = "sessionId, runId, provider, model, and status are required"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, INCOMPLETE),
    "no run": ({"sessionId": "x"}, INCOMPLETE),
    "null": ({"sessionId": "x", "run": None}, INCOMPLETE),
    "no session": ({"run": ran()}, INCOMPLETE),
    **{
        f"{what} {field}": ({"sessionId": "x", "run": ran() | {field: value}}, INCOMPLETE)
        for field in ran()
        for what, value in (("null", None), ("empty", ""))
    },
    "an empty run": ({"sessionId": "x", "run": {}}, INCOMPLETE),
    "incomplete before invalid": ({"sessionId": 5, "run": {"provider": 5}}, INCOMPLETE),
    "a run that is no object": ({"sessionId": "x", "run": [ran()]}, "Invalid field: run"),
    "an id that is no text": ({"sessionId": "x", "run": ran() | {"runId": 5}}, "Invalid field: run.runId"),
    "a count that is text": (
        {"sessionId": "x", "run": ran(attemptCount="3")},
        "Invalid field: run.attemptCount",
    ),
    "a count that is true": (
        {"sessionId": "x", "run": ran(promptChars=True)},
        "Invalid field: run.promptChars",
    ),
    "a number beyond": ({"sessionId": "x", "run": ran(durationMs=10**15)}, "Invalid field: run.durationMs"),
    "a time before 1970": ({"sessionId": "x", "run": ran(endedAt=-1)}, "Invalid field: run.endedAt"),
    "metadata as text": ({"sessionId": "x", "run": ran(metadata="{}")}, "Invalid field: run.metadata"),
    "much metadata": (
        {"sessionId": "x", "run": ran(metadata={"x": "y" * 50_000})},
        "Invalid field: run.metadata (over 50,000 bytes)",
    ),
    "a long error": (
        {"sessionId": "x", "run": ran(errorMessage="x" * 10_001)},
        "Invalid field: run.errorMessage (over 10,000 characters)",
    ),
}


@pytest.mark.parametrize(("body", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_wrong_is_told_before_the_session_is_looked_for(body: dict[str, Any], error: str) -> None:
    reply = create_app().post("/api/agents/session/run", body)
    assert (reply.status, reply.json["error"]) == (400, error)


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_metadata_that_is_no_json_again_is_refused(number: str) -> None:
    app = create_app()
    body = json.dumps({"sessionId": "x", "run": ran(metadata={"x": "N"})}).replace('"N"', number)
    reply = call("POST", "/api/agents/session/run", raw=body.encode(), headers=app.headers)
    assert (reply.status, reply.json["error"]) == (400, "Invalid field: run.metadata")


def test_a_run_of_an_unknown_session_is_not_stored() -> None:
    app = create_app()
    reply = post_run(app, "unknown", ran())
    assert (reply.status, reply.json) == (404, NOT_FOUND)
    assert not list(read_partition(f"APP#{app.slug}#SESSION#unknown#"))


def test_runs_come_latest_start_first_within_the_limit() -> None:
    app = create_app()
    session = opened(app)
    for number in (3, 1, 5, 2, 4):
        report(app, session, f"run-{number}", startedAt=number)
    ids = [f"run-{number}" for number in (5, 4, 3, 2, 1)]
    assert [run["runId"] for run in runs(app, session)] == ids
    assert [run["runId"] for run in runs(app, session, limit="2")] == ids[:2]
    found = list(read_pages(app, "/api/agents/session/runs", "runs", sessionId=session, limit="2"))
    assert [[run["runId"] for run in page] for page in found] == [ids[:2], ids[2:4], ids[4:]]


def test_without_a_limit_50_runs_are_listed() -> None:
    app = create_app()
    session = opened(app)
    for number in range(51):
        report(app, session, f"run-{number}", startedAt=number)
    for limit in ({}, {"limit": "0"}, {"limit": "1.5"}, {"limit": "x"}):
        with record_calls() as calls:
            assert len(runs(app, session, **limit)) == 50
        assert calls.operations == ["Query", "BatchGetItem"]
    assert len(runs(app, session, limit="500")) == 51


def test_a_list_of_large_runs_ends_before_a_reply_is_larger_than_lambda_takes() -> None:
    app = create_app()
    session = opened(app)
    for number in range(60):
        report(app, session, f"run-{number:02}", startedAt=number, metadata={"x": '"' * 24_000})
    found = list(read_pages(app, "/api/agents/session/runs", "runs", sessionId=session))
    assert len(found) > 1
    assert [run["startedAt"] for page in found for run in page] == list(range(60))[::-1]
    for page in found:
        assert len(json.dumps({"body": json.dumps({"sessionId": session, "runs": page})})) < 6 * MEGABYTE


def test_a_cursor_of_one_session_opens_no_other() -> None:
    app = create_app()
    first, second = opened(app), opened(app)
    for number in range(2):
        report(app, first, f"run-{number}")
    cursor = app.get("/api/agents/session/runs", sessionId=first, limit="1").json["cursor"]
    assert app.get("/api/agents/session/runs", sessionId=second, cursor=cursor).status == 400


# -- the session's summary ---------------------------------------------------------------------------------


def summary(app: Client, session: str) -> tuple[Any, ...]:
    row = read(app, session)
    return tuple(
        row.get(name) for name in ("runCount", "lastRunAt", "provider", "model", "lastFailureReason")
    )


def test_a_run_is_counted_and_told_of_in_its_session() -> None:
    app = create_app()
    session = opened(app, provider="mistral", model="m-0")
    report(app, session, "a", endedAt=10, status="error", failureReason="timeout")
    assert summary(app, session) == (1, 10, "google", "m-1", "timeout")
    report(app, session, "b", endedAt=20, provider="openai", model="m-2")
    assert summary(app, session) == (2, 20, "openai", "m-2", None)


@pytest.mark.parametrize("arrival", list(permutations(range(3))), ids=str)
def test_the_last_run_is_the_one_that_ended_last_in_whatever_order_they_arrive(
    arrival: tuple[int, ...],
) -> None:
    app = create_app()
    session = opened(app)
    for number in arrival:
        failed = {"status": "error", "failureReason": f"reason {number}"} if number != 1 else {}
        report(app, session, f"run-{number}", endedAt=10 + number, model=f"m-{number}", **failed)
    assert summary(app, session) == (3, 12, "google", "m-2", "reason 2")
    assert len(runs(app, session)) == 3


def test_a_run_that_is_reported_again_stays_and_counts_once() -> None:
    app = create_app()
    session = opened(app)
    for number in range(3):
        report(app, session, startedAt=number, endedAt=number, model=f"m-{number}")
    assert summary(app, session) == (1, 0, "google", "m-0", None)
    assert [run["model"] for run in runs(app, session)] == ["m-0"]


def test_the_same_run_id_in_two_sessions_is_two_runs() -> None:
    app = create_app()
    first, second = opened(app), opened(app)
    report(app, first)
    report(app, second)
    (one,), (other,) = runs(app, first), runs(app, second)
    assert one["_id"] != other["_id"]


def test_an_id_that_would_climb_into_another_session_does_not() -> None:
    app = create_app()
    session = opened(app)
    for run_id in ("a", "a#", "a%23", "é", "a" * 1000, "a" * 999):
        report(app, session, run_id)
    assert summary(app, session)[0] == 6
    assert {run["runId"] for run in runs(app, session)} >= {"a", "a#", "a%23"}


@pytest.mark.parametrize("number", [1, 2])
def test_a_run_whose_answer_was_lost_counts_once(number: int) -> None:
    app = create_app()
    session = opened(app)
    with lose_answer(number):
        report(app, session)
        report(app, session)
    assert (summary(app, session)[0], len(runs(app, session))) == (1, 1)


@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_leaves_run_and_summary_or_neither(after: bool) -> None:
    app = create_app()
    session = opened(app)
    with cut(1, after=after), pytest.raises(Cut):
        report(app, session)
    assert (summary(app, session)[0], len(runs(app, session))) == ((1, 1) if after else (0, 0))
    report(app, session)
    assert (summary(app, session)[0], len(runs(app, session))) == (1, 1)


def cancelled(*codes: str) -> tuple[int, dict[str, Any]]:
    reasons = [{"Code": code, "Message": None if code == "None" else "why"} for code in codes]
    kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
    return 400, {"__type": kind, "Message": "cancelled", "CancellationReasons": reasons}


def test_a_run_that_only_loses_races_is_stored_in_the_end() -> None:
    app = create_app()
    session = opened(app)
    with answer_calls(*[cancelled("TransactionConflict", "None")] * 6):
        report(app, session)
    assert summary(app, session)[0] == 1


def test_runs_that_are_reported_at_once_are_all_counted_and_the_last_is_told_of(strict: None) -> None:
    app = create_app()
    session = opened(app)
    numbers = [each for each in range(24) for _ in range(2)]  # and each of them twice
    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda n: report(app, session, f"run-{n}", endedAt=n, model=f"m-{n}"), numbers))
    assert summary(app, session) == (24, 23, "google", "m-23", None)
    assert len(runs(app, session)) == 24
    pk = f"APP#{app.slug}#SESSION#{session}#"
    assert (
        len(list(AgentRunRow.query(pk, AgentRunRow.sk.startswith("AGENT_RUN#"), consistent_read=True))) == 24
    )
