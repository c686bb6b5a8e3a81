"""`make smoke` against a running service: it says what works, and leaves nothing."""

import pytest

from local.serve.greeting import DEMO_APPS
from tests.e2e.served import SECRET, Served, smoke
from tests.e2e.test_operator import NEW_APP


@pytest.mark.parametrize("slug", DEMO_APPS)
def test_it_plays_a_conversation_and_removes_it(served: Served, slug: str) -> None:
    played = smoke(URL=served.address, SLUG=slug, APP_SECRET=SECRET, DATA_DIR=str(served.data))
    assert (played.returncode, played.stderr) == (0, ""), played.stdout + played.stderr
    assert played.stdout.count("  ok  ") == 7
    assert "Its 5 rows are removed" in played.stdout
    with served.client(slug) as client:
        assert client.get("/api/conversations")["conversations"] == []
        assert client.get("/api/tools/executions")["executions"] == []


def test_without_the_table_it_leaves_a_resolved_conversation_and_says_so(served: Served) -> None:
    """An app without the demo's tools: nothing real is called."""
    created = served.operator("app", "create", "front-desk", *NEW_APP, APP_SECRET="front desk's")
    assert created.returncode == 0, created.stderr
    elsewhere = str(served.data / "elsewhere")
    played = smoke(URL=served.address, SLUG="front-desk", APP_SECRET="front desk's", DATA_DIR=elsewhere)
    assert (played.returncode, played.stderr) == (0, "")
    assert "Its rows stay" in played.stdout
    assert "which no app has, and which is refused" in played.stdout
    with served.client("front-desk", "front desk's") as client:
        (left,) = client.get("/api/conversations")["conversations"]
        assert (left["status"], left["sessionId"].startswith("smoke-")) == ("resolved", True)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"URL": ""}, "Say which service and which app"),
        ({"SLUG": ""}, "Say which service and which app"),
        ({"APP_SECRET": ""}, "Give the secret of demo-dentist"),
        ({"APP_SECRET": "wrong"}, "POST /api/auth/session should be answered 200, and is 401"),
        ({"URL": "http://127.0.0.1:9"}, "GET /api/health http://127.0.0.1:9 does not answer"),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, dict) else "",
)
def test_what_is_wrong_is_one_sentence(served: Served, variables: dict[str, str], told: str) -> None:
    played = smoke(**{"URL": served.address, "SLUG": "demo-dentist", "APP_SECRET": SECRET} | variables)
    assert played.returncode == 1
    assert played.stderr.startswith(told)
    assert played.stderr.count("\n") == 1
