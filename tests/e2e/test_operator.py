"""The operator command line beside a running service."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.e2e.local.service import needs_dynoxide
from tests.e2e.served import Client, Ended, Served, answer, operator, said, written

pytestmark = needs_dynoxide

NEW_APP = ("--name", "Front desk", "--model-id", "a-model", "--reply-as-audio", "--system-prompt", "Be kind.")


def test_an_app_that_is_created_works_at_once(served: Served) -> None:
    done = served.operator("app", "create", "front-desk", *NEW_APP, APP_SECRET="first of its secrets")
    assert (done.returncode, done.stdout) == (0, "front-desk: app created\n"), done.stderr
    with served.client("front-desk", "first of its secrets") as client:
        assert client.get("/api/persona")["systemPrompt"] == "Be kind."
        assert client.post("/api/conversations", {"sessionId": "s"}) == {"ok": True}
    assert "front-desk" in served.operator("app", "list").stdout


def test_a_changed_persona_is_seen_at_once(served: Served) -> None:
    with served.client("demo-earnings") as client:
        assert client.get("/api/persona")["personaName"] == "Alex"
        done = served.operator("app", "update", "demo-earnings", "--persona-name", "Alexandra")
        assert done.returncode == 0, done.stderr
        assert client.get("/api/persona")["personaName"] == "Alexandra"


def test_a_disabled_app_is_out_within_thirty_seconds_and_back_when_enabled(served: Served) -> None:
    with served.client("demo-ecommerce") as client:
        client.open_session()
        answer(client.call("GET", "/api/tools"))
        assert served.operator("app", "disable", "demo-ecommerce").returncode == 0
        assert await_other_status(client, 200) == 401
        assert served.operator("app", "enable", "demo-ecommerce").returncode == 0
        assert await_other_status(client, 401) == 200


def await_other_status(client: Client, status: int) -> int:
    """Ask until the answer has another status than this. It has within 30 s, for which a process knows an
    app.
    """
    began = time.monotonic()
    while (answered := client.call("GET", "/api/tools").status_code) == status:
        assert time.monotonic() - began < 31
        time.sleep(0.5)
    return int(answered)


def test_a_wrong_command_changes_nothing_and_says_why(served: Served) -> None:
    again = served.operator("app", "create", "demo-dentist", *NEW_APP, APP_SECRET="another secret")
    assert again.returncode == 1
    assert "demo-dentist" in again.stderr
    assert again.stderr.count("\n") == 1
    with served.client("demo-dentist") as client:
        assert client.get("/api/persona")["personaName"] == "Sarah"


def test_without_a_running_service_it_is_one_sentence(tmp_path: Path) -> None:
    done = operator("app", "list", DATA_DIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: No local service is running on {tmp_path}: start it with `make run`, "
        "or set TABLE_NAME to work on a deployed table.\n"
    )


def test_what_a_conversation_leaves_is_dumped_counted_and_resolved(served: Served) -> None:
    with served.client("demo-dentist") as client:
        client.post("/api/conversations", {"sessionId": "call", "status": "active"})
        client.post("/api/messages", {"messages": [said("call", f"line {n}", n) for n in (2, 1)]})
        client.execute("call", "lookup_appointment", patientName="Sarah")
        done = served.operator("conversations", "backfill", "--app", "demo-dentist", "--json")
        assert json.loads(done.stdout) == {"app": "demo-dentist", "sessionId": "call", "messages": 2}, (
            done.stderr
        )
        assert [each["content"] for each in client.conversation("call")["transcript"]] == ["line 1", "line 2"]

        stale = ("conversations", "resolve-stale", "--older-than", "0s")
        assert served.operator(*stale, "--dry-run").returncode == 0
        assert client.conversation("call")["status"] == "active"
        done = served.operator(*stale)
        assert "demo-dentist call: resolved" in done.stdout, done.stderr
        assert client.conversation("call")["status"] == "resolved"

    (dumped,) = jsonl(served.operator("conversations", "dump", "--app", "demo-dentist", "--json"))
    assert [item["content"] for item in dumped["transcript"]] == ["line 1", "line 2"]
    stats = {each["app"]: each for each in jsonl(served.operator("conversations", "stats", "--json"))}
    assert stats["demo-dentist"]["conversations"]["resolved"] == 1
    assert stats["demo-dentist"]["messages"] == 2
    month = time.strftime("%Y-%m", time.gmtime())
    (used,) = jsonl(served.operator("usage", "--app", "demo-dentist", "--month", month, "--json"))
    assert (used["conversations"], used["messages"], used["toolCalls"]) == (1, 2, 1)
    newest, *_ = jsonl(served.operator("audit", "--app", "demo-dentist", "--json"))
    assert (newest["command"], newest["outcome"]) == ("conversations resolve-stale", "done")


def test_revoked_tokens_are_out_within_thirty_seconds_and_new_ones_work(served: Served) -> None:
    with served.client("demo-earnings") as client:
        client.open_session()
        answer(client.call("GET", "/api/tools"))
        assert served.operator("tokens", "revoke", "--app", "demo-earnings").returncode == 0
        revoked = time.monotonic()
        while client.call("GET", "/api/tools").status_code == 200:
            assert time.monotonic() - revoked < 31
            time.sleep(0.5)
        client.open_session()
        answer(client.call("GET", "/api/tools"))


def long_dump(served: Served) -> subprocess.Popen[bytes]:
    """A command that cannot end while nobody reads: a pipe holds less than one of these conversations."""
    with served.client("demo-ecommerce") as client:
        for number in range(20):
            body = {"sessionId": f"call-{number}", "messages": [written("x" * 100_000, 1)]}
            client.post("/api/conversations", body)
    return served.operating("conversations", "dump", "--app", "demo-ecommerce", "--json")


def test_a_pipe_that_is_closed_early_is_quiet(served: Served) -> None:
    with long_dump(served) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""


def test_ctrl_c_says_where_it_stopped(served: Served) -> None:
    with long_dump(served) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(1)  # it is at work
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        told = process.stderr.read().decode()
        assert process.wait() == 130, told
    assert told.startswith("Stopped at demo-ecommerce: conversations, "), told
    assert told.count("\n") == 1


def jsonl(done: Ended) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
