"""POST /api/token: a client gets a token for one session with Gemini, locked to what its app says."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
import time_machine
from genai_voice.foundation import secret
from genai_voice.foundation.caches import forget_all
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields

from tests.support.gemini import WORDS, Gemini, make_failure, make_raw_answer, make_token_answer
from tests.support.service import Client, Reply, call, create_app, read_rows, record_calls
from tests.support.wire import answer_calls

NOON = datetime(2026, 11, 25, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def ask(app: Client, **body: Any) -> Reply:
    return app.post("/api/token", body)


def change(app: Client, **fields: Any) -> None:
    """As an operator does."""
    apps.update_app(app.slug, AppFields.model_validate(fields))


def conversations(app: Client) -> list[dict[str, Any]]:
    return list(app.get("/api/conversations").json["conversations"])


def test_a_token_opens_one_session_that_is_locked_to_the_app(
    gemini: Gemini, clock: time_machine.Traveller
) -> None:
    app = create_app(token_expire_minutes=10)
    reply = ask(app)
    assert reply.status == 200
    assert reply.json["token"] == "auth_tokens/a-token"
    assert reply.json["expiresAt"] == "2026-11-25T12:10:30.000Z"
    (asked,) = gemini.requests
    assert asked.body["expireTime"] == "2026-11-25T12:10:30+00:00"
    assert asked.body["newSessionExpireTime"] == "2026-11-25T12:02:30+00:00"
    assert asked.body["uses"] == 1
    locked = asked.body["bidiGenerateContentSetup"]
    assert locked["model"] == "models/a-model"
    assert locked["systemInstruction"]["parts"] == [{"text": "Be kind."}]
    assert locked["generationConfig"] == {"responseModalities": ["AUDIO"]}


def test_without_a_time_of_its_own_it_lives_for_half_an_hour(
    gemini: Gemini, clock: time_machine.Traveller
) -> None:
    assert ask(create_app()).json["expiresAt"] == "2026-11-25T12:30:30.000Z"


@pytest.mark.parametrize(("minutes", "ends"), [(0.5, "12:01:00.000Z"), (1440, "12:00:30.000Z")])
def test_its_life_may_be_a_part_of_a_minute_and_a_day(
    gemini: Gemini, clock: time_machine.Traveller, minutes: float, ends: str
) -> None:
    assert ask(create_app(token_expire_minutes=minutes)).json["expiresAt"].endswith(f"T{ends}")


def test_the_apps_own_prompt_is_locked_also_where_it_links_a_persona(gemini: Gemini) -> None:
    app = create_app()
    persona = app.post("/api/personas", {"name": "Calm", "systemPrompt": "Speak slowly."}).json["id"]
    app.patch("/api/personas/assign", {"personaId": persona, "targetAppSlug": app.slug})
    assert ask(app).status == 200
    assert gemini.requests[0].body["bidiGenerateContentSetup"]["systemInstruction"]["parts"] == [
        {"text": "Be kind."}
    ]


def test_a_changed_prompt_is_in_the_next_token(gemini: Gemini) -> None:
    app = create_app()
    before = ask(app).json["configHash"]
    change(app, systemPrompt="Be brief.")
    with record_calls() as calls:
        after = ask(app).json["configHash"]
    assert calls.operations[-1] == "GetItem", "also where the caller is remembered"
    assert gemini.requests[1].body["bidiGenerateContentSetup"]["systemInstruction"]["parts"] == [
        {"text": "Be brief."}
    ]
    assert before != after


def test_a_browser_may_ask_with_its_session_token_in_the_body(gemini: Gemini) -> None:
    app = create_app(browser_scope="runtime")
    reply = call("POST", "/api/token", body={"sessionToken": app.open_session()})
    assert reply.status == 200


def test_who_is_nobody_is_told_so_and_gemini_is_not_asked(gemini: Gemini) -> None:
    for body in ({}, {"sessionId": 5}, {"sessionToken": "gvs_x"}):
        assert call("POST", "/api/token", body=body).json == {"error": "Unauthorized"}
    assert gemini.requests == []


@pytest.mark.parametrize("session", [5, "x" * 1_001, {}])
def test_a_session_that_is_none_is_refused_and_gemini_is_not_asked(gemini: Gemini, session: Any) -> None:
    reply = ask(create_app(), sessionId=session)
    assert reply.status == 400
    assert reply.json["error"].startswith("Invalid field: sessionId")
    assert gemini.requests == []


# -- what fails --------------------------------------------------------------------------------------------


def failed(reply: Reply) -> str:
    """The details of a reply that says that there is no token."""
    assert (reply.status, set(reply.json)) == (500, {"error", "details"})
    assert reply.json["error"] == "Token creation failed"
    return str(reply.json["details"])


def test_without_a_key_it_is_told_which_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_all()
    assert failed(ask(create_app())) == "Gemini is not set up: GEMINI_API_KEY is missing"


@pytest.mark.parametrize(
    ("answer", "details"),
    [
        (make_failure(400, "INVALID_ARGUMENT"), "Gemini refused the request"),
        (make_failure(429, "RESOURCE_EXHAUSTED"), "Gemini takes no more requests for now: try again later"),
        (make_failure(503, "UNAVAILABLE"), "Gemini is not available: try again later"),
        (make_raw_answer(f"<html>{WORDS}</html>".encode()), "Gemini gave no usable answer"),
    ],
    ids=["refused", "too many", "down", "broken"],
)
def test_nothing_that_gemini_says_of_itself_is_in_a_reply_or_in_the_log(
    gemini: Gemini, log: StringIO, capsys: pytest.CaptureFixture[str], answer: Any, details: str
) -> None:
    gemini.answer_always(answer)
    app = create_app()
    capsys.readouterr()
    reply = ask(app, sessionId="s")
    assert failed(reply) == details
    written = reply.text + log.getvalue() + "".join(capsys.readouterr())
    for unsaid in (WORDS, "project 42", "a-key", "Be kind."):
        assert unsaid not in written
    assert '"upstream":"gemini"' in log.getvalue()
    assert [row for row in read_rows(app.slug, "s") if row["kind"] == "conversation"] == []


def test_a_token_is_in_no_line_of_the_log(
    gemini: Gemini, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    app = create_app()
    capsys.readouterr()
    assert ask(app).status == 200
    written = log.getvalue() + "".join(capsys.readouterr())
    assert '"route":"POST /api/token"' in written
    for unsaid in ("auth_tokens", "a-key", "Be kind."):
        assert unsaid not in written


def test_a_failure_that_passes_is_not_seen(gemini: Gemini) -> None:
    gemini.answer_next(make_failure(503), make_failure(429), make_token_answer("auth_tokens/third"))
    assert ask(create_app()).json["token"] == "auth_tokens/third"


# -- keys of a deployment ----------------------------------------------------------------------------------


def test_deployed_the_key_comes_from_the_provider_secret(deployed: Any) -> None:
    deployed('{"GEMINI_API_KEY": " the key \\n", "GOOGLE_API_KEY": ""}')
    assert secret.find_provider_key("GEMINI_API_KEY") == "the key"
    assert secret.find_provider_key("GOOGLE_API_KEY") is None


def test_a_variable_comes_before_the_provider_secret(deployed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed('{"GEMINI_API_KEY": "of the secret"}')
    monkeypatch.setenv("GEMINI_API_KEY", "of the variable")
    forget_all()
    assert secret.find_provider_key("GEMINI_API_KEY") == "of the variable"


def test_a_new_key_counts_within_five_minutes(deployed: Any) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        deployed('{"GEMINI_API_KEY": "old"}')
        assert secret.find_provider_key("GEMINI_API_KEY") == "old"
        deployed('{"GEMINI_API_KEY": "new"}')
        clock.shift(299)
        assert secret.find_provider_key("GEMINI_API_KEY") == "old"
        clock.shift(1)
        assert secret.find_provider_key("GEMINI_API_KEY") == "new"


@pytest.mark.parametrize("document", ["no JSON", "[]", '"x"'])
def test_a_damaged_provider_secret_is_told_in_a_sentence(deployed: Any, document: str) -> None:
    deployed(document)
    with pytest.raises(Exception, match="PROVIDER_SECRET_ARN cannot be read"):
        secret.find_provider_key("GEMINI_API_KEY")


# -- the hash ----------------------------------------------------------------------------------------------


def test_the_hash_is_that_of_the_locked_configuration_and_stays_the_same(gemini: Gemini) -> None:
    app = create_app(token_expire_minutes=5)
    locked = {
        "inputAudioTranscription": {},
        "model": "a-model",
        "outputAudioTranscription": {},
        "responseModalities": ["AUDIO"],
        "sessionResumption": {},
        "systemInstruction": "Be kind.",
    }
    canonical = json.dumps(locked, separators=(",", ":"))
    expected = hashlib.sha256(canonical.encode()).hexdigest()
    assert {ask(each).json["configHash"] for each in (app, app, create_app())} == {expected}


@pytest.mark.parametrize(
    "changed", [{"systemPrompt": "Be kind. "}, {"modelId": "another"}, {"replyAsAudio": False}]
)
def test_whatever_is_locked_changes_the_hash(gemini: Gemini, changed: dict[str, Any]) -> None:
    app = create_app()
    before = ask(app).json["configHash"]
    change(app, **changed)
    assert ask(app).json["configHash"] != before


def test_what_is_not_locked_does_not_change_the_hash(gemini: Gemini) -> None:
    app = create_app()
    before = ask(app).json["configHash"]
    change(app, temperature=1, voice="Kore", name="x")
    assert ask(app).json["configHash"] == before


# -- on the conversation -----------------------------------------------------------------------------------


def test_a_conversation_that_is_saved_later_says_which_configuration_it_ran(gemini: Gemini) -> None:
    app = create_app()
    fingerprint = ask(app, sessionId="s").json["configHash"]
    assert conversations(app) == []
    assert app.post("/api/conversations", {"sessionId": "s", "messages": []}).status == 200
    (shown,) = conversations(app)
    assert shown["configHash"] == fingerprint
    assert (shown["status"], shown["messageCount"]) == ("active", 0)


def test_a_conversation_that_was_saved_before_says_it_too(gemini: Gemini) -> None:
    app = create_app()
    app.post("/api/conversations", {"sessionId": "s", "status": "resolved", "channel": "web"})
    (before,) = conversations(app)
    assert "configHash" not in before
    fingerprint = ask(app, sessionId="s").json["configHash"]
    assert conversations(app) == [before | {"configHash": fingerprint}]


def test_of_several_tokens_for_a_conversation_the_last_counts(gemini: Gemini) -> None:
    app = create_app()
    ask(app, sessionId="s")
    change(app, systemPrompt="Be brief.")
    app.post("/api/conversations", {"sessionId": "s"})
    last = ask(app, sessionId="s").json["configHash"]
    assert [each["configHash"] for each in conversations(app)] == [last]


@pytest.mark.parametrize("session", [None, ""])
def test_without_a_session_nothing_is_written(gemini: Gemini, session: str | None) -> None:
    app = create_app()
    ask(app)
    with record_calls() as calls:
        assert ask(app, sessionId=session).status == 200
    assert calls.written == []


def test_a_session_of_another_app_keeps_its_own(gemini: Gemini) -> None:
    mine, other = create_app(), create_app()
    other.post("/api/conversations", {"sessionId": "s"})
    ask(mine, sessionId="s")
    assert ["configHash" in each for each in conversations(other)] == [False]


SAVES: dict[str, dict[str, Any]] = {
    "an end that is announced": {"status": "resolved"},
    "a status that others may refuse": {"status": "handed_off"},
    "a long transcript": {
        "messages": [
            {"role": "user", "content": hashlib.sha256(b"%d" % n).hexdigest(), "ts": n} for n in range(9_000)
        ]
    },
}


@pytest.mark.parametrize("body", SAVES.values(), ids=SAVES.keys())
def test_a_conversation_begins_as_without_a_token(gemini: Gemini, body: dict[str, Any]) -> None:
    """What is stored before it begins is no conversation that a save would have to respect."""
    app = create_app(handoff_webhook_url="https://desk.example/in", webhook_events=["conversation.ended"])
    begun = []
    for session in ("with", "without"):
        if session == "with":
            ask(app, sessionId=session)
        assert app.post("/api/conversations", {"sessionId": session, **body}).status == 200
        shown = next(each for each in conversations(app) if each["sessionId"] == session)
        begun.append(
            {name: shown[name] for name in shown if not re.fullmatch(r".*(Id|At|Time|Hash|_id)", name)}
        )
    assert begun[0] == begun[1]
    announced = [row for row in read_rows(app.slug) if row["kind"] == "delivery"]
    assert len(announced) == (2 if body.get("status") == "resolved" else 0)


def test_a_handoff_may_be_the_first_that_is_saved(gemini: Gemini) -> None:
    app = create_app()
    fingerprint = ask(app, sessionId="s").json["configHash"]
    handoff = {"sessionId": "s", "reason": "user_requested", "transcript": [], "channel": "web"}
    assert app.post("/api/handoffs", handoff).status == 200
    (shown,) = conversations(app)
    assert (shown["status"], shown["configHash"]) == ("handed_off", fingerprint)


def test_a_tool_may_run_before_the_first_save(gemini: Gemini) -> None:
    app = create_app(mute_agent_after_handoff=True)
    ask(app, sessionId="s")
    reply = app.post("/api/tools/execute", {"sessionId": "s", "toolName": "unknown"})
    assert (reply.status, reply.json["success"]) == (200, False)
    assert app.get("/api/messages", sessionId="s").json["messages"] == []


# -- how many ----------------------------------------------------------------------------------------------


def test_an_app_may_limit_its_tokens_of_a_minute(gemini: Gemini, clock: time_machine.Traveller) -> None:
    app = create_app(tokens_per_minute=2)
    assert [ask(app).status for _ in range(4)] == [200, 200, 429, 429]
    assert ask(app).json == {"error": "Too many tokens requested"}
    assert len(gemini.requests) == 2
    clock.shift(29.999)
    assert ask(app).status == 429
    clock.shift(0.001)
    assert [ask(app).status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("limit", [{}, {"tokens_per_minute": 0}], ids=["absent", "zero"])
def test_without_a_limit_none_is_counted(gemini: Gemini, limit: dict[str, Any]) -> None:
    app = create_app(**limit)
    ask(app)
    with record_calls() as calls:
        assert [ask(app).status for _ in range(5)] == [200] * 5
    assert calls.written == []


def test_a_limit_is_the_apps_own_and_counts_what_gemini_has_refused(
    gemini: Gemini, clock: time_machine.Traveller
) -> None:
    one, other = create_app(tokens_per_minute=1), create_app(tokens_per_minute=1)
    gemini.answer_next(make_failure(400))
    assert ask(one).status == 500
    assert ask(one).status == 429
    assert ask(other).status == 200


def test_a_new_limit_counts_at_once(gemini: Gemini, clock: time_machine.Traveller) -> None:
    app = create_app()
    assert ask(app).status == 200
    change(app, tokensPerMinute=1)
    assert [ask(app).status for _ in range(2)] == [200, 429]


def test_what_was_counted_goes_by_ttl(gemini: Gemini, clock: time_machine.Traveller) -> None:
    app = create_app(tokens_per_minute=1)
    ask(app)
    (window,) = [row for row in read_rows(app.slug) if row["kind"] == "token_minute"]
    assert NOON.timestamp() < window["expires_at"] < NOON.timestamp() + 86_400


@pytest.mark.usefixtures("strict")
def test_of_twenty_tokens_at_the_same_time_exactly_as_many_pass_as_the_limit_says(gemini: Gemini) -> None:
    app = create_app(tokens_per_minute=7)
    ask(create_app())  # loads the SDK
    with time_machine.travel(NOON, tick=False), ThreadPoolExecutor(20) as people:
        statuses = list(people.map(lambda _: ask(app).status, range(20)))
    assert Counter(statuses) == {200: 7, 429: 13}
    assert len(gemini.requests) == 1 + 7


def test_a_busy_table_is_told_before_gemini_is_asked(gemini: Gemini) -> None:
    app = create_app(tokens_per_minute=1)
    app.get("/api/tools")
    throttled = {"__type": "x#ThrottlingException", "message": "slow down"}
    with answer_calls(None, *[(400, throttled)] * 20):
        assert ask(app).status == 503
    assert gemini.requests == []
