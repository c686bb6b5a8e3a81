"""Promises of the contract that no other test holds to: each was found by breaking the code at one place."""

import json
import os
import random
import re
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from genai_voice.conversations.rows import ConversationRow
from genai_voice.foundation import secret
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import Conflict
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.transactions import put_all
from genai_voice.guardrails import rules as guardrails
from genai_voice.guardrails.rows import RuleRow
from genai_voice.telemetry.rows import EventsRow
from genai_voice.tenancy import apps

from tests.support.samples import build_tool
from tests.support.service import Client, Reply, call, create_app, handle, make_event
from tests.support.wire import act_before_call, answer_calls

WRONG = "a wrong guess"


def listed(app: Client, **query: str) -> list[str]:
    found = app.get("/api/conversations", **query).json["conversations"]
    return [conversation["sessionId"] for conversation in found]


# -- credentials -------------------------------------------------------------------------------------------


def test_the_session_token_of_the_query_beats_that_of_the_body() -> None:
    app, other = create_app(), create_app()
    body = {"sessionId": "s", "sessionToken": other.open_session()}
    reply = call("POST", "/api/conversations", body=body, query={"sessionToken": app.open_session()})
    assert reply.status == 200
    assert (listed(app), listed(other)) == (["s"], [])


def test_an_unreadable_body_opens_a_session_by_its_headers() -> None:
    app = create_app()
    opened = call("POST", "/api/auth/session", raw=b"{oops", headers=app.headers)
    assert opened.status == 200
    assert opened.json["sessionToken"]
    refused = call("POST", "/api/auth/session", raw=b"{oops")
    assert (refused.status, refused.json["error"]) == (400, "Missing appSlug or appSecret")


@pytest.mark.parametrize("in_query", ["appSlug", "appSecret"])
def test_no_half_of_a_credential_for_a_session_comes_from_the_query(in_query: str) -> None:
    app = create_app()
    both = {"appSlug": app.slug, "appSecret": app.secret}
    query = {in_query: both.pop(in_query)}
    reply = call("POST", "/api/auth/session", body=both, query=query)
    assert (reply.status, reply.json["error"]) == (400, "Missing appSlug or appSecret")


def test_a_token_cannot_be_guessed() -> None:
    app = create_app()
    tokens = {app.open_session() for _ in range(20)}
    assert len(tokens) == 20
    characters = {len(token.removeprefix("gvs_")) for token in tokens}
    assert min(characters) >= 22  # of 64 kinds: 128 bits and more


def guess(app: Client, source: str, secret: str = WRONG) -> int:
    headers = {"authorization": f"Bearer {secret}", "x-app-slug": app.slug}
    return call("GET", "/api/tools", headers=headers, source=source).status


def test_two_first_wrong_secrets_at_the_same_time_both_count() -> None:
    app, address = create_app(), "198.51.100.11"
    beside: list[int] = []
    with act_before_call("UpdateItem", lambda _: beside.append(guess(app, address)), at=(1,)):
        assert guess(app, address) == 401
    assert beside == [401]
    assert [guess(app, address) for _ in range(8)] == [401] * 8
    assert guess(app, address) == 429


def test_a_wrong_secret_beside_the_tenth_is_slowed_already() -> None:
    app, address = create_app(), "198.51.100.12"
    assert [guess(app, address) for _ in range(9)] == [401] * 9
    beside: list[int] = []
    with act_before_call("UpdateItem", lambda _: beside.append(guess(app, address)), at=(1,)):
        assert guess(app, address) == 429
    assert beside == [401]


def test_a_blocked_address_stays_blocked_while_others_are_known() -> None:
    app, address = create_app(), "198.51.100.13"
    assert [guess(app, address) for _ in range(10)] == [401] * 10
    assert guess(app, "198.51.100.14", app.secret) == 200
    assert guess(app, address, app.secret) == 429


def test_wrong_secrets_of_one_minute_count_together_and_block_for_all_of_30_s() -> None:
    app, address = create_app(), "198.51.100.16"
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        assert [guess(app, address) for _ in range(5)] == [401] * 5
        clock.shift(59)
        assert [guess(app, address) for _ in range(5)] == [401] * 5
        clock.shift(29)
        assert guess(app, address, app.secret) == 429
        clock.shift(1)
        assert guess(app, address, app.secret) == 200


def test_without_the_pepper_a_stored_hash_proves_nothing() -> None:
    """Another deployment secret of the same id: what a thief of the table would have to make up."""
    app = create_app()
    file = Path(os.environ["DEPLOYMENT_SECRET_FILE"])
    before = file.read_text()
    statuses = []
    try:
        for content in (json.dumps(json.loads(before) | {"key": "made up"}), before):
            file.write_text(content)
            forget_all()
            statuses.append(guess(app, "198.51.100.17", app.secret))
    finally:
        file.write_text(before)
        forget_all()
    assert statuses == [401, 200]


def test_a_rotation_that_meets_another_is_refused_and_forgets_no_secret() -> None:
    app = create_app()
    with (
        act_before_call(
            "TransactWriteItems", lambda _: apps.rotate_secret(app.slug, "the first one", 60_000), at=(1,)
        ),
        pytest.raises(Conflict),
    ):
        apps.rotate_secret(app.slug, "the second one", 60_000)
    wanted = {app.secret: 200, "the first one": 200, "the second one": 401}
    assert {secret: guess(app, "198.51.100.15", secret) for secret in wanted} == wanted


# -- bodies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("beyond", "status"), [(0, 200), (1, 413)])
@pytest.mark.parametrize(
    ("path", "megabytes", "body"),
    [
        ("/api/events", 1, {"sessionId": "s", "events": []}),
        ("/api/conversations", 5, {"sessionId": "s"}),
    ],
    ids=["events", "conversations"],
)
def test_a_body_is_taken_up_to_its_limit_to_the_byte(
    path: str, megabytes: int, body: dict[str, Any], beyond: int, status: int
) -> None:
    app = create_app()
    frame = len(json.dumps(body | {"padding": ""}).encode())
    padding = "x" * (megabytes * 1024 * 1024 - frame + beyond)
    raw = json.dumps(body | {"padding": padding}).encode()
    assert len(raw) == megabytes * 1024 * 1024 + beyond
    assert call("POST", path, raw=raw, headers=app.headers).status == status


def test_a_body_that_arrives_in_base64_is_read_as_it_was_sent() -> None:
    app = create_app()
    headers = app.headers | {"content-type": "application/webhook+json"}
    made = make_event("POST", "/api/conversations", body={"sessionId": "é"}, headers=headers)
    assert made["isBase64Encoded"]
    assert handle(made).status == 200
    assert listed(app) == ["é"]


def test_a_transcript_item_may_say_nothing_but_somebody_says_it() -> None:
    app = create_app()
    said = {"role": "agent", "content": "", "ts": 1}
    save(app, "s", messages=[said])
    [conversation] = app.get("/api/conversations").json["conversations"]
    assert json.loads(conversation["transcript"]) == [said]
    unsaid = app.post("/api/conversations", {"sessionId": "s", "messages": [said, said | {"role": ""}]})
    assert (unsaid.status, unsaid.json) == (200, {"ok": True, "ignored": 1})


@pytest.mark.parametrize(("letters", "status"), [(1_000, 200), (1_001, 400)])
def test_an_identifier_has_at_most_1000_characters_and_any_of_them_may_be_a_key(
    letters: int, status: int
) -> None:
    app, name = create_app(), "é" * letters  # six bytes of a key each
    message = {"role": "user", "content": "x", "isFinal": True, "createdAt": 1}
    for path, body in {
        "/api/conversations": {"sessionId": name},
        "/api/events": {"sessionId": name, "events": [{"eventType": "e", "ts": 1}]},
        "/api/messages": {"messages": [message | {"sessionId": name, "participantIdentity": name}]},
        "/api/tools/execute": {"sessionId": name, "toolName": name},
    }.items():
        with answer_calls() as sent:
            reply = app.post(path, body, **{"x-trace-id": name[:1_000]})
        assert reply.status == status, path
        keys = re.findall(r'"(pk|sk|gsi1pk|gsi1sk|gsi2pk|gsi2sk)": {"S": "([^"]*)"}', json.dumps(sent))
        assert bool(keys) or status == 400
        assert all(len(value) <= (2048 if place.endswith("pk") else 1024) for place, value in keys)


# -- headers and logs --------------------------------------------------------------------------------------


def test_a_caller_who_is_slowed_down_gets_the_cors_headers_too() -> None:
    app = create_app(max_actions_per_turn=1)
    action = {"sessionId": "s", "toolName": "t"}
    statuses = [app.post("/api/tools/execute", action) for _ in range(2)]
    assert [reply.status for reply in statuses] == [200, 429]
    assert statuses[1].headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("origin", [None, "https://a.example", "https://c.example"])
@pytest.mark.parametrize("path", ["/api/health", "/api/tools", "/api/nothing"])
def test_where_origins_are_listed_every_reply_depends_on_the_origin(
    monkeypatch: pytest.MonkeyPatch, origin: str | None, path: str
) -> None:
    """Else a cache hands the reply to one origin to another one, without the header that it needs."""
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example")
    forget_all()
    try:
        reply = call("GET", path, headers={"origin": origin} if origin else {})
    finally:
        monkeypatch.undo()
        forget_all()
    assert reply.headers["Vary"] == "Origin"


def test_what_is_refused_is_not_logged_either(log: StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    app = create_app()
    capsys.readouterr()
    secrets = {"appSlug": app.slug, "appSecret": "in-the-query"}
    refused = [
        call("GET", "/api/tools", query=secrets),
        call("GET", "/api/tools", headers={"authorization": "Bearer in-a-header"}),
        call("GET", "/api/nothing", query=secrets),
        call("POST", "/api/messages", body={"messages": "in-a-body"}, query=secrets),
        call("POST", "/api/messages", raw=b'{"messages": "in-a-cut-body', query=secrets),
        call("POST", "/api/auth/session", body={"appSlug": app.slug, "appSecret": "in-a-field"}),
    ]
    assert [reply.status for reply in refused] == [401, 401, 404, 400, 400, 401]
    logged = log.getvalue() + capsys.readouterr().out
    assert len(logged.splitlines()) == len(refused)
    assert "in-" not in logged


# -- conversations and lists -------------------------------------------------------------------------------


def save(app: Client, session: str, **fields: Any) -> None:
    assert app.post("/api/conversations", {"sessionId": session, **fields}).status == 200


def test_a_status_that_was_read_decides_only_while_it_stands() -> None:
    """The refused save reads that the conversation is active again; before it writes, a person takes over."""
    app = create_app()
    save(app, "s", status="handed_off")
    row = ConversationRow.of(app.slug, "s")

    def becomes(status: str) -> None:
        row.change([ConversationRow.status.set(status)])

    with (
        act_before_call("GetItem", lambda _: becomes("active"), at=(1,)),
        act_before_call(
            "UpdateItem", lambda _: becomes("handed_off"), at=(3,)
        ),  # 1 is refused, 2 is that above
    ):
        save(app, "s", status="resolved")
    [conversation] = app.get("/api/conversations").json["conversations"]
    assert conversation["status"] == "handed_off"


def test_a_list_of_one_status_is_newest_created_first_whatever_was_saved_last() -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        for session in ("first", "second", "first"):
            save(app, session)
            clock.shift(1)
    assert listed(app, status="active") == ["second", "first"]


def message(session: str, number: int) -> dict[str, Any]:
    return {
        "sessionId": session,
        "participantIdentity": "user",
        "role": "user",
        "content": '"' * 10_000,  # four bytes of a reply each
        "isFinal": True,
        "createdAt": number,
    }


def refused_as_foreign(reply: Reply) -> None:
    assert reply.status == 400
    assert reply.json["error"].startswith("Invalid field: cursor")


def test_a_cursor_of_messages_serves_its_own_session_and_app_alone() -> None:
    app, other = create_app(), create_app()
    for start in range(0, 160, 40):
        batch = [message("one", number) for number in range(start, start + 40)]
        assert app.post("/api/messages", {"messages": batch}).status == 200
    cursor = app.get("/api/messages", sessionId="one").json["cursor"]

    assert app.get("/api/messages", sessionId="one", cursor=cursor).status == 200
    refused_as_foreign(app.get("/api/messages", sessionId="two", cursor=cursor))
    refused_as_foreign(other.get("/api/messages", sessionId="one", cursor=cursor))


def test_a_cursor_of_tools_serves_its_own_list_and_app_alone() -> None:
    """Only an app of before has more tools than a reply holds."""
    app, other = create_app(), create_app()
    for number in range(16):
        put_all([build_tool(app.slug, f"tool-{number}", description="x" * 350_000)])
    cursor = app.get("/api/tools").json["cursor"]

    assert app.get("/api/tools", cursor=cursor).status == 200
    refused_as_foreign(app.get("/api/tools/all", cursor=cursor))
    refused_as_foreign(other.get("/api/tools", cursor=cursor))


def test_a_cursor_of_executions_serves_its_own_app_alone() -> None:
    app, other = create_app(), create_app()
    for number in range(101):
        app.post("/api/tools/execute", {"sessionId": "s", "toolName": f"tool-{number}"})
    cursor = app.get("/api/tools/executions").json["cursor"]

    assert app.get("/api/tools/executions", cursor=cursor).status == 200
    refused_as_foreign(other.get("/api/tools/executions", cursor=cursor))


def test_a_cursor_outlives_the_rotation_of_the_deployment_secret_once() -> None:
    app = create_app()
    for number in range(101):
        app.post("/api/tools/execute", {"sessionId": "s", "toolName": f"tool-{number}"})
    cursor = app.get("/api/tools/executions").json["cursor"]
    file = Path(os.environ["DEPLOYMENT_SECRET_FILE"])
    before = file.read_text()
    statuses = []
    try:
        for previous in (json.loads(before), None):
            file.write_text(json.dumps({"id": "k2", "key": "a new root", "previous": previous}))
            secret._read_roots.cache_clear()  # and nothing else: the caller stays known
            statuses.append(app.get("/api/tools/executions", cursor=cursor).status)
    finally:
        file.write_text(before)
        forget_all()
    assert statuses == [200, 400]


# -- what the table says -----------------------------------------------------------------------------------


def test_a_write_that_dynamodb_refuses_for_another_reason_is_no_lost_race() -> None:
    app = create_app()
    save(app, "s")
    too_large = "com.amazon.coral.validate#ValidationException"
    with answer_calls((400, {"__type": too_large, "message": "Item size to update has exceeded"})) as sent:
        reply = app.post("/api/conversations", {"sessionId": "s", "channel": "web"})
    assert (reply.status, reply.json) == (500, {"error": "Internal server error"})
    assert len(sent) == 1


def test_only_what_dynamodb_left_unprocessed_is_sent_again() -> None:
    app = create_app()
    app.get("/api/tools")
    batch = [message("s", number) | {"content": "x"} for number in range(3)]
    with answer_calls() as sent:
        app.post("/api/messages", {"messages": batch})
    [(table, puts)] = sent[0]["RequestItems"].items()
    with answer_calls((200, {"UnprocessedItems": {table: puts[1:2]}})) as sent:
        assert app.post("/api/messages", {"messages": batch}).status == 200
    assert [len(asked["RequestItems"][table]) for asked in sent] == [3, 1]


# -- long transcripts --------------------------------------------------------------------------------------


def test_a_list_reads_no_transcript_that_its_reply_has_no_room_for() -> None:
    app = create_app()
    for number in range(9):
        noise = random.Random(number).randbytes(550_000).hex()  # noqa: S311 - only has to be incompressible
        save(app, f"s{number}", messages=[{"role": "user", "content": noise, "ts": 1}])
    with answer_calls() as sent:
        shown = listed(app)
    tables = [table for body in sent for table in body.get("RequestItems", {}).values()]
    read = {asked["sk"]["S"] for table in tables for asked in table["Keys"]}
    segments = {sk[: sk.rindex("-")] for sk in read if sk.startswith("SEGMENT#") and sk.count("-") == 2}
    assert len(segments) == len(shown) < 9


# -- events, executions, rules -----------------------------------------------------------------------------


def test_equal_events_of_two_traces_are_two_batches() -> None:
    app = create_app()
    for trace in ("one", "two", "one"):
        body = {"sessionId": "s", "events": [{"eventType": "e", "ts": 1}]}
        assert app.post("/api/events", body, **{"x-trace-id": trace}).json == {"inserted": 1}
    stored = EventsRow.query(make_key("APP", app.slug, "SESSION", "s"), EventsRow.sk.startswith("EVENTS#"))
    assert sorted(str(row.trace_id) for row in stored) == ["one", "two"]


def test_an_execution_says_when_it_began_and_how_long_it_took() -> None:
    app = create_app()
    app.get("/api/tools")
    with act_before_call("BatchGetItem", lambda _: time.sleep(0.03), at=(1,)):
        before = get_now_ms()
        app.post("/api/tools/execute", {"sessionId": "s", "toolName": "t"})
    [execution] = app.get("/api/tools/executions").json["executions"]
    assert execution["durationMs"] >= 30
    assert before <= execution["executedAt"] < before + 30


def test_two_operators_who_add_one_rule_at_the_same_time_add_it_once() -> None:
    app = create_app()
    rule = (app.slug, "keyword", "gun", "block", None)
    first: list[bool] = []

    with act_before_call("TransactWriteItems", lambda _: first.append(guardrails.add_if_new(*rule)), at=(1,)):
        second = guardrails.add_if_new(*rule)

    assert (first, second) == ([True], False)
    assert len(RuleRow.list_rules(app.slug)) == 1


def test_a_rule_that_somebody_made_under_another_id_is_not_added_again() -> None:
    app = create_app()
    made = RuleRow(make_key("APP", app.slug), make_key("RULE", "of-somebody"), type="keyword", pattern="gun")
    made.action, made.is_active, made.place = "warn", True, "0"
    made.save()

    assert not guardrails.add_if_new(app.slug, "keyword", "gun", "block", None)
    assert guardrails.add_if_new(app.slug, "keyword", "knife", "block", None)
