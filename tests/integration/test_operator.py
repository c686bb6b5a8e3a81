"""What operators do with conversations, tokens and figures (contract 3.18), through their command line."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import Any

import pytest
import time_machine
from genai_voice.conversations import operations
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.segment_rows import SegmentRow
from genai_voice.foundation.clock import get_now_ms
from genai_voice.tenancy.credential_rows import SessionRow
from genai_voice.tenancy.hashing import hash_token
from genai_voice.tenancy.rows import AppRow
from genai_voice.tools.rows import EXECUTION_SHARDS

from tests.support.operator import run, run_for_lines
from tests.support.service import Client, Reply, call, create_app, read_rows, record_calls
from tests.support.wire import act_before_call, lose_answer

NOW = 1_795_000_000  # 2026-11-18 in epoch seconds
MINUTE = 60_000


def save(app: Client, session: str = "s", **fields: Any) -> None:
    reply = app.post("/api/conversations", {"sessionId": session, **fields})
    assert reply.status == 200, reply.text


def say(app: Client, session: str, *contents: str, final: bool = True, since: int = 1) -> None:
    message = {"sessionId": session, "participantIdentity": "u", "role": "user", "isFinal": final}
    batch = [message | {"content": content, "createdAt": since + n} for n, content in enumerate(contents)]
    assert app.post("/api/messages", {"messages": batch}).status == 200


def said(*contents: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content, "ts": ts} for ts, content in enumerate(contents, 1)]


def incompressible(size: int, seed: int = 1) -> str:
    return random.Random(seed).randbytes(size // 2).hex()[:size]  # noqa: S311 - only has to be incompressible


def listed(app: Client) -> dict[str, dict[str, Any]]:
    return {each["sessionId"]: each for each in app.get("/api/conversations").json["conversations"]}


def dumped(app: Client, *options: str) -> dict[str, dict[str, Any]]:
    return {
        each["sessionId"]: each
        for each in run_for_lines("conversations", "dump", "--app", app.slug, *options)
    }


# -- dump --------------------------------------------------------------------------------------------------


def test_a_dump_has_what_the_list_has_with_the_transcript_parsed_newest_first() -> None:
    app = create_app()
    save(app, "first", messages=said("hello", "“grüezi”"), channel="web")
    save(app, "second", status="resolved")
    printed = run_for_lines("conversations", "dump", "--app", app.slug)
    assert [each["sessionId"] for each in printed] == ["second", "first"]
    expected = listed(app)["first"]
    assert printed[1] == expected | {"transcript": json.loads(expected["transcript"])}
    assert "transcript" not in printed[0]


def test_a_dump_is_readable_without_json() -> None:
    app = create_app()
    with time_machine.travel(NOW, tick=False):
        save(app, messages=said("hello"))
    output = run("conversations", "dump", "--app", app.slug).output
    assert output == "s  2026-11-18 11:06:40Z  active\n  user: hello\n\n"


def test_what_callers_say_does_not_steer_the_terminal_of_operators() -> None:
    app = create_app()
    save(app, messages=said("a\x1b[2Jb\x9bc\r\nd\te"))
    assert (
        "  user: a\ufffd[2Jb\ufffdc\ufffd\nd\te\n" in run("conversations", "dump", "--app", app.slug).stdout
    )
    output = run("conversations", "dump", "--app", app.slug, "--json").stdout
    assert "\x1b" not in output
    assert "\x9b" not in output
    assert json.loads(output)["transcript"] == said("a\x1b[2Jb\x9bc\r\nd\te")


def test_a_long_transcript_is_dumped_whole_also_beyond_what_a_reply_holds() -> None:
    app = create_app()
    long = said(*(incompressible(1_200_000, seed) for seed in range(4)))
    save(app, messages=long)
    assert [row["kind"] for row in read_rows(app.slug, "s")].count("segment") > 1
    assert dumped(app)["s"]["transcript"] == long


def test_a_transcript_that_lacks_a_part_is_said_to_and_stops_nothing() -> None:
    app = create_app()
    save(app, "torn", messages=said(incompressible(900_000)))
    save(app, "whole", messages=said("hello"))
    segment = next(row for row in read_rows(app.slug, "torn") if row["kind"] == "segment")
    SegmentRow(segment["pk"], segment["sk"]).delete()
    found = dumped(app)
    assert (found["torn"]["transcriptOmitted"], "transcript" in found["torn"]) == (True, False)
    assert found["whole"]["transcript"] == said("hello")
    assert "a part of the transcript is missing" in run("conversations", "dump", "--app", app.slug).output


def test_a_dump_is_of_a_status_of_a_time_and_of_so_many() -> None:
    app = create_app()
    with time_machine.travel("2026-10-31T23:59:59Z", tick=False):
        save(app, "old")
    with time_machine.travel("2026-11-01T00:00:00Z", tick=False) as clock:
        save(app, "new")
        clock.shift(1)
        save(app, "done", status="resolved")
        assert list(dumped(app, "--since", "1s")) == ["done", "new"]
    assert list(dumped(app)) == ["done", "new", "old"]
    assert list(dumped(app, "--status", "active")) == ["new", "old"]
    assert list(dumped(app, "--since", "2026-11-01")) == ["done", "new"]
    assert list(dumped(app, "--status", "active", "--since", "2026-11-01")) == ["new"]
    assert list(dumped(app, "--status", "active", "--limit", "1")) == ["new"]


def test_a_dump_is_of_its_app_alone() -> None:
    app, other = create_app(), create_app()
    save(other, "theirs", messages=said("theirs"))
    assert dumped(app) == {}


@pytest.mark.parametrize(
    "options",
    [
        ("--since", "yesterday"),
        ("--since", "2026-13-01"),
        ("--since", "2026-1-1"),
        ("--since", "31d"),
        ("--limit", "0"),
        ("--status", "done"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_refused_in_a_sentence(options: tuple[str, str]) -> None:
    result = run("conversations", "dump", "--app", create_app().slug, *options)
    assert result.exit_code == 2
    assert options[0] in result.output


# -- stats, usage ------------------------------------------------------------------------------------------


def test_stats_count_every_kind_of_row_of_each_app() -> None:
    app, other = create_app(), create_app()
    save(app, "a", messages=said("x"))
    save(app, "b", status="resolved")
    say(app, "a", "one", "two")
    say(app, "b", "three")
    batch = [{"eventType": "e", "ts": 1}]
    assert app.post("/api/events", {"sessionId": "a", "events": batch}).status == 200
    app.post("/api/tools/execute", {"sessionId": "a", "toolName": "none", "parameters": {}})
    save(other, "c")
    (counted,) = run_for_lines("conversations", "stats", "--app", app.slug)
    assert counted == {
        "app": app.slug,
        "conversations": {"active": 1, "handed_off": 0, "resolved": 1, "abandoned": 0},
        "messages": 3,
        "eventBatches": 1,
        "executions": 1,
        "tools": 0,
        "rules": 0,
        "personas": 0,
        "documents": 0,
    }
    everything = {each["app"]: each for each in run_for_lines("conversations", "stats")}
    assert everything[app.slug] == counted
    assert everything[other.slug]["conversations"]["active"] == 1
    text = run("conversations", "stats", "--app", app.slug).output
    assert text.split()[:3] == [app.slug, "conversations", "active"]


def test_usage_is_of_the_utc_month_of_the_first_save() -> None:
    app = create_app()
    with time_machine.travel("2026-10-31T23:59:59.999Z", tick=False) as clock:
        save(app, "october")
        app.post("/api/tools/execute", {"sessionId": "s", "toolName": "none", "parameters": {}})
        clock.shift(0.001)
        save(app, "november")
        app.post("/api/tools/execute", {"sessionId": "s", "toolName": "none", "parameters": {}})
        clock.shift(90)
        save(app, "october")
        save(app, "november")
        say(app, "november", "a", "b")
        clock.move_to("2026-11-30T23:59:59.999Z")
        save(app, "last", startedAt=clock_ms("2026-11-30T23:58:59.999Z"))
        app.post("/api/tools/execute", {"sessionId": "s", "toolName": "none", "parameters": {}})
        clock.shift(0.001)
        save(app, "december")
        say(app, "december", "c")
        app.post("/api/tools/execute", {"sessionId": "s", "toolName": "none", "parameters": {}})
    used = run_for_lines("usage", "--app", app.slug, "--month", "2026-11")
    assert used == [
        {
            "app": app.slug,
            "month": "2026-11",
            "conversations": 2,
            "minutes": 2.5,
            "messages": 2,
            "toolCalls": 2,
        }
    ]
    (december,) = run_for_lines("usage", "--app", app.slug, "--month", "2026-12")
    assert (december["conversations"], december["messages"], december["toolCalls"]) == (1, 1, 1)
    (empty,) = run_for_lines("usage", "--app", app.slug, "--month", "2027-01")
    assert (empty["conversations"], empty["minutes"], empty["toolCalls"]) == (0, 0, 0)
    assert "2 conversations, 2.50 minutes, 2 messages, 2 tool calls" in (
        run("usage", "--app", app.slug, "--month", "2026-11").output
    )


def clock_ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "november", "0000-01", "9999-12", ""])
def test_a_month_that_is_none_is_refused(month: str) -> None:
    result = run("usage", "--app", create_app().slug, "--month", month)
    assert result.exit_code == 2
    assert "--month" in result.output


def test_the_calls_of_usage_do_not_grow_with_other_months() -> None:
    app = create_app()
    with time_machine.travel("2026-09-10T00:00:00Z"):
        for number in range(5):
            save(app, f"september-{number}")
    with time_machine.travel("2026-11-10T00:00:00Z"):
        save(app, "november")
    with record_calls() as calls:
        assert run_for_lines("usage", "--app", app.slug, "--month", "2026-11")[0]["conversations"] == 1
    tool_calls = ["Query"] * (EXECUTION_SHARDS + 1)
    assert sorted(calls.operations) == ["BatchGetItem", "GetItem", "Query", "Query", "Query", *tool_calls]


# -- resolve-stale -----------------------------------------------------------------------------------------


def resolve(app: Client, *options: str) -> list[str]:
    printed = run_for_lines("conversations", "resolve-stale", "--app", app.slug, *options)
    return [each["sessionId"] for each in printed]


def test_a_conversation_is_stale_when_nothing_was_saved_for_a_quarter_of_an_hour() -> None:
    app = create_app()
    with time_machine.travel(NOW, tick=False) as clock:
        save(app, "left", messages=said("hello"))
        save(app, "goes on")
        save(app, "handed over", status="handed_off")
        save(app, "ended", status="abandoned", resolution="error")
        before = listed(app)
        clock.shift(899.999)
        assert resolve(app) == []
        save(app, "goes on")
        clock.shift(0.001)
        assert resolve(app, "--dry-run") == ["left"]
        assert listed(app)["left"]["status"] == "active"
        assert resolve(app) == ["left"]
        after = listed(app)
        assert after["left"] == before["left"] | {"status": "resolved", "resolution": "completed"}
        assert after["goes on"]["status"] == "active"
        for session in ("handed over", "ended"):
            assert after[session] == before[session]
        assert resolve(app) == []
        found = app.get("/api/conversations", status="resolved").json["conversations"]
        assert [each["sessionId"] for each in found] == ["left"]


def test_how_long_is_the_operators_choice_and_other_apps_stay() -> None:
    app, other = create_app(), create_app()
    with time_machine.travel(NOW, tick=False) as clock:
        save(app)
        save(other)
        clock.shift(60)
        assert resolve(app, "--older-than", "61s") == []
        assert resolve(app, "--older-than", "60s") == ["s"]
    assert listed(other)["s"]["status"] == "active"


def test_a_conversation_that_is_saved_meanwhile_is_not_resolved() -> None:
    app = create_app()
    with time_machine.travel(NOW, tick=False) as clock:
        save(app)
        clock.shift(3600)
        with act_before_call("UpdateItem", lambda _: save(app, messages=said("still here")), at=(1,)):
            assert list(operations.resolve_stale(app.slug)) == []
    assert listed(app)["s"]["status"] == "active"


def test_only_active_conversations_as_old_as_that_are_read() -> None:
    app = create_app()
    with time_machine.travel(NOW, tick=False) as clock:
        for number in range(5):
            save(app, f"done-{number}", status="resolved")
        save(app, "left")
        clock.shift(3600)
        save(app, "young")
        with record_calls() as calls:
            assert list(operations.resolve_stale(app.slug)) == ["left"]
    assert calls.operations == ["GetItem", "Query", "BatchGetItem", "UpdateItem"], "first the app"


def test_whoever_takes_a_part_has_done_a_part_and_the_next_goes_on() -> None:
    app = create_app()
    with time_machine.travel(NOW, tick=False) as clock:
        for number in range(5):
            save(app, str(number))
            clock.shift(1)
        clock.shift(3600)
        assert list(islice(operations.resolve_stale(app.slug), 2)) == ["0", "1"]
        assert list(operations.resolve_stale(app.slug)) == ["2", "3", "4"]


@pytest.mark.usefixtures("strict")
def test_saves_and_the_resolving_of_stale_conversations_race_without_harm() -> None:
    """A conversation is resolved, or it was saved before: never a call that goes on with its status lost."""
    app = create_app()
    sessions = [str(number) for number in range(40)]
    for session in sessions:
        save(app, session)
    with ThreadPoolExecutor(8) as pool:
        saving = [pool.submit(save, app, session, messages=said("x")) for session in sessions]
        resolving = [
            pool.submit(lambda: list(operations.resolve_stale(app.slug, stale_after_ms=0))) for _ in range(3)
        ]
        for each in saving:
            each.result()
        resolved = [session for each in resolving for session in each.result()]
    assert len(resolved) == len(set(resolved)), "each is resolved once"
    after = listed(app)
    assert {session for session, each in after.items() if each["status"] == "resolved"} == set(resolved)
    assert all("x" in each["transcript"] for each in after.values())


# -- backfill ----------------------------------------------------------------------------------------------


def backfill(app: Client, *options: str) -> list[tuple[str, int]]:
    printed = run_for_lines("conversations", "backfill", "--app", app.slug, *options)
    return [(each["sessionId"], each["messages"]) for each in printed]


def test_a_missing_transcript_comes_from_the_final_messages_by_time() -> None:
    app, other = create_app(), create_app()
    save(app, "missing", status="handed_off")
    save(app, "empty", messages=[])
    save(app, "has one", messages=said("mine"))
    save(app, "silent")
    save(app, "empty since before", messages=[])
    before_steps = [ConversationRow.transcript_bytes.set(2), ConversationRow.reply_bytes.remove()]
    assert ConversationRow.of(app.slug, "empty since before").change(before_steps)
    for session in ("missing", "empty", "empty since before", "has one"):
        say(app, session, "second", since=20)
        say(app, session, "first", since=10)
        say(app, session, "fir", final=False, since=9)
        say(other, session, "theirs", since=15)
    before = listed(app)
    lacking = [("empty", 2), ("empty since before", 2), ("missing", 2)]
    assert sorted(backfill(app, "--dry-run")) == lacking
    assert listed(app) == before
    assert sorted(backfill(app)) == lacking
    after = listed(app)
    expected = [
        {"role": "user", "content": "first", "ts": 10},
        {"role": "user", "content": "second", "ts": 20},
    ]
    for session, _ in lacking:
        assert json.loads(after[session]["transcript"]) == expected
        assert after[session] == before[session] | {
            "messageCount": 2,
            "transcript": after[session]["transcript"],
        }
    for session in ("has one", "silent"):
        assert after[session] == before[session]
    assert backfill(app) == []


def test_a_long_transcript_is_backfilled_in_segments() -> None:
    app = create_app()
    save(app)
    contents = [incompressible(10_000, seed) for seed in range(100)]
    say(app, "s", *contents)
    assert backfill(app) == [("s", 100)]
    assert [each["content"] for each in dumped(app)["s"]["transcript"]] == contents
    assert [row["kind"] for row in read_rows(app.slug, "s")].count("segment") > 1


@pytest.mark.parametrize("size", [5, 10_000], ids=["short", "long"])
def test_a_transcript_that_is_saved_meanwhile_stays(size: int) -> None:
    app = create_app()
    save(app)
    say(app, "s", *(incompressible(size, seed) for seed in range(100)))
    with act_before_call("UpdateItem", lambda _: save(app, messages=said("the client's")), at=(1,)):
        assert list(operations.backfill(app.slug)) == []
    assert dumped(app)["s"]["transcript"] == said("the client's")


def test_a_conversation_that_is_removed_meanwhile_does_not_come_back() -> None:
    app = create_app()
    save(app)
    say(app, "s", "hello")
    with act_before_call("UpdateItem", lambda _: ConversationRow.of(app.slug, "s").delete(), at=(1,)):
        assert list(operations.backfill(app.slug)) == []
    assert {row["kind"] for row in read_rows(app.slug, "s")} == {"app", "credential", "message"}


def test_a_backfill_whose_answer_is_lost_keeps_its_segments() -> None:
    app = create_app()
    save(app)
    contents = [incompressible(10_000, seed) for seed in range(100)]
    say(app, "s", *contents)
    with record_calls() as calls:
        list(operations.backfill(app.slug, dry_run=True))
    with lose_answer(len(calls.operations) + 2):
        assert [each.messages for each in operations.backfill(app.slug)] == [100]
    assert [each["content"] for each in dumped(app)["s"]["transcript"]] == contents
    segments = [row for row in read_rows(app.slug, "s") if row["kind"] == "segment"]
    assert not any("expires_at" in each for each in segments)


@pytest.mark.usefixtures("strict")
def test_saves_and_a_backfill_race_and_what_a_client_saved_wins() -> None:
    app = create_app()
    sessions = [str(number) for number in range(30)]
    for session in sessions:
        save(app, session)
        say(app, session, "from the messages")
    with ThreadPoolExecutor(8) as pool:
        work = [pool.submit(save, app, session, messages=said("from the client")) for session in sessions]
        filling = [pool.submit(lambda: list(operations.backfill(app.slug))) for _ in range(3)]
        for each in work:
            each.result()
        filled = [each.session_id for some in filling for each in some.result()]
    assert len(filled) == len(set(filled))
    assert all(each["transcript"] == said("from the client") for each in dumped(app).values())


# -- tokens ------------------------------------------------------------------------------------------------


def persona(token: str) -> Reply:
    return call("GET", "/api/persona", headers={"authorization": f"Bearer {token}"})


def test_a_revoked_token_is_refused_at_once_and_others_go_on() -> None:
    app = create_app()
    token, other = app.open_session(), app.open_session()
    assert persona(token).status == persona(other).status == 200
    result = run("tokens", "revoke", "--session", "--token-stdin", stdin=f"{token}\n")
    assert (result.exit_code, result.output) == (0, f"{app.slug}: token revoked\n")
    assert [persona(token).status, persona(other).status] == [401, 200]
    assert run("tokens", "revoke", "--session", SESSION_TOKEN=token).exit_code == 0
    assert persona(token).json == {"error": "Unauthorized"}


def test_all_tokens_of_an_app_are_refused_and_new_ones_can_be_opened() -> None:
    app, other = create_app(), create_app()
    with time_machine.travel(NOW, tick=False) as clock:
        tokens = [app.open_session(), app.open_session()]
        theirs = other.open_session()
        assert persona(tokens[0]).status == 200
        clock.shift(0.5)
        result = run("tokens", "revoke", "--app", app.slug)
        assert (result.exit_code, result.output) == (0, f"{app.slug}: all tokens revoked\n")
        assert [persona(token).status for token in tokens] == [401, 401]
        assert persona(theirs).status == 200
        assert app.get("/api/persona").status == 200, "the secret goes on"
        clock.shift(0.001)
        assert persona(app.open_session()).status == 200


def test_a_token_of_the_very_moment_of_revoking_is_revoked() -> None:
    app = create_app()
    with time_machine.travel(NOW, tick=False):
        token = app.open_session()
        assert run("tokens", "revoke", "--app", app.slug).exit_code == 0
        assert persona(token).status == 401


@pytest.mark.parametrize("what", ["app", "session"])
def test_a_process_that_knows_a_token_takes_it_for_thirty_seconds_more(what: str) -> None:
    """Revoked elsewhere: this process learns of it when it looks the token up again."""
    app = create_app()
    with time_machine.travel(NOW, tick=False) as clock:
        token = app.open_session()
        assert persona(token).status == 200
        elsewhere(app, token, what)
        clock.shift(29)
        assert persona(token).status == 200
        clock.shift(2)
        assert persona(token).status == 401


def elsewhere(app: Client, token: str, what: str) -> None:
    if what == "app":
        AppRow.of(app.slug).change([AppRow.tokens_revoked_at.set(get_now_ms())])
    else:
        SessionRow.of(hash_token(token)).change([SessionRow.expires_ms.set(0)])


def test_a_token_that_nobody_opened_is_not_found_and_not_echoed() -> None:
    result = run("tokens", "revoke", "--session", SESSION_TOKEN="gvs_made-up")
    assert result.exit_code == 1
    assert result.output.startswith("Error: No such session token")
    assert "made-up" not in result.output


def test_without_a_token_and_a_terminal_a_sentence_says_how_to_give_one() -> None:
    result = run("tokens", "revoke", "--session")
    assert result.exit_code == 1
    assert result.output == "Error: Give the token: set SESSION_TOKEN, or use --token-stdin.\n"


@pytest.mark.parametrize(
    "options",
    [(), ("--app", "an-app", "--session"), ("--app", "an-app", "--token-stdin"), ("--session", "gvs_x")],
    ids=["neither", "both", "app and stdin", "an argument"],
)
def test_what_to_revoke_is_said_once_and_a_token_is_no_argument(options: tuple[str, ...]) -> None:
    result = run("tokens", "revoke", *options)
    assert result.exit_code == 2


# -- audit, errors -----------------------------------------------------------------------------------------


def test_the_audit_tells_who_did_what_newest_first() -> None:
    app = create_app()
    with time_machine.travel(NOW, tick=True):
        assert run("app", "update", app.slug, "--voice", "Puck", "--system-prompt", "x" * 500).exit_code == 0
        assert run("app", "create", app.slug, *NEW_APP, APP_SECRET="another secret").exit_code == 1
        save(app)
        assert resolve(app, "--older-than", "0s") == ["s"]
    newest, refused, updated = run_for_lines("audit", "--app", app.slug)
    assert (newest["command"], newest["outcome"]) == ("conversations resolve-stale", "done")
    assert newest["result"] == {"conversations": 1}
    assert newest["arguments"] == {"app": app.slug, "older_than": 0}
    assert refused["outcome"] == f"refused: App exists already: {app.slug}"
    assert updated["arguments"] == {"slug": app.slug, "voice": "Puck", "system_prompt": "(500 characters)"}
    assert updated["actor"]
    assert NOW * 1000 <= updated["at"] <= updated["finishedAt"] < NOW * 1000 + MINUTE
    assert len(run_for_lines("audit", "--app", app.slug, "--limit", "2")) == 2
    assert "app update" in run("audit", "--app", app.slug).output
    assert run_for_lines("audit", "--app", create_app().slug) == []


NEW_APP = ("--name", "An app", "--model-id", "a-model", "--reply-as-audio", "--system-prompt", "Be kind.")


def test_a_change_that_was_cut_off_has_its_intent_recorded_and_running_again_goes_on() -> None:
    app = create_app()
    with time_machine.travel(NOW, tick=False) as clock:
        save(app, "a")
        clock.shift(1)
        save(app, "b")
        clock.shift(3600)

        def interrupt(_: int) -> None:
            raise KeyboardInterrupt

        with act_before_call("UpdateItem", interrupt, at=(2,)):
            result = run("conversations", "resolve-stale", "--app", app.slug)
        assert result.exit_code == 130
        assert f"Stopped at {app.slug}: conversations, 1 done. " in result.stderr
        assert "run it again to go on" in result.stderr
        (record,) = run_for_lines("audit", "--app", app.slug)
        assert (record["outcome"], record["result"]) == ("interrupted", {"conversations": 1})
        assert resolve(app) == ["b"]


def test_a_process_that_dies_leaves_the_record_that_it_began() -> None:
    app = create_app()

    class Died(BaseException):
        pass

    def die(_: int) -> None:
        raise Died

    with pytest.raises(Died), act_before_call("UpdateItem", die, at=(1, 2)):
        run("app", "disable", app.slug)
    (record,) = run_for_lines("audit", "--app", app.slug)
    assert (record["outcome"], "finishedAt" in record) == ("begun", False)


@pytest.mark.parametrize(
    "command",
    [
        ("conversations", "dump"),
        ("conversations", "stats"),
        ("conversations", "backfill"),
        ("conversations", "resolve-stale"),
        ("tokens", "revoke"),
        ("usage", "--month", "2026-11"),
    ],
    ids=" ".join,
)
def test_an_app_that_is_not_there_is_not_found(command: tuple[str, ...]) -> None:
    result = run(*command, "--app", "no-such-app")
    assert result.exit_code == 1
    assert result.output == "Error: App not found: no-such-app\n"
    assert read_rows("no-such-app") == []
