"""The operator command line beside a running service."""

import time
from pathlib import Path

from tests.e2e.local.service import needs_dynoxide
from tests.e2e.served import Served, answer, operator

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
        disabled = time.monotonic()
        while client.call("GET", "/api/tools").status_code == 200:
            assert time.monotonic() - disabled < 31
            time.sleep(0.5)
        assert client.call("GET", "/api/tools").status_code == 401
        assert served.operator("app", "enable", "demo-ecommerce").returncode == 0
        answer(client.call("GET", "/api/tools"))


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
