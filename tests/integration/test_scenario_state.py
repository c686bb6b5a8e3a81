"""The state of a demo scenario: contract 3.14 and 9.1.10."""

import json
from typing import Any
from zlib import compress

import pytest
import time_machine
from genai_voice.demos.rows import StateRow
from genai_voice.demos.scenarios import SLUGS, load_initial_state
from genai_voice.foundation.table import Item
from genai_voice.tools import registry

from bench.heat_watch import TABLE, Place, watch_heat
from tests.support.service import Client, call, create_app, read_rows

MUTABLE = ("demo-dentist", "demo-ecommerce")


def a_demo(slug: str) -> Client:
    """The demo app as it is before anything has happened. Its slug is everybody's, so it begins empty."""
    with Item.batch_write() as batch:
        for row in read_rows(slug):
            batch.delete(Item(row["pk"], row["sk"]))
    return create_app(slug)


def put_state(app: Client, state: bytes) -> None:
    StateRow.of(app.slug).change([StateRow.state.set(state), StateRow.updated_at.set(7)])


def shown(app: Client, **query: str) -> Any:
    reply = app.get("/api/scenario-state", **query)
    assert reply.status == 200, reply.text
    return reply.json


def state_rows(app: Client) -> list[Any]:
    return [row for row in read_rows(app.slug) if row["kind"] == "scenario_state"]


def cancel(app: Client) -> None:
    registry.put_tool(app.slug, "cancel_appointment", description="", parameters_schema="{}")
    body = {
        "sessionId": "s1",
        "toolName": "cancel_appointment",
        "parameters": {"appointmentId": "APT-10041"},
    }
    assert app.post("/api/tools/execute", body).json["success"] is True


@pytest.mark.parametrize("slug", SLUGS)
def test_before_any_call_a_demo_shows_its_initial_state_without_storing_it(slug: str) -> None:
    app = a_demo(slug)

    for _ in range(2):
        assert shown(app) == {"appSlug": slug, "state": load_initial_state(slug), "updatedAt": None}
    assert state_rows(app) == []


@pytest.mark.parametrize(
    ("slug", "counts"),
    [
        ("demo-dentist", {"appointments": 4}),
        ("demo-ecommerce", {"orders": 2, "inventory": 21}),
        ("demo-earnings", None),
    ],
)
def test_an_initial_state_has_its_rows(slug: str, counts: dict[str, int] | None) -> None:
    state = shown(a_demo(slug))["state"]

    assert (state and {name: len(items) for name, items in state.items()}) == counts


def test_an_app_that_is_no_demo_has_no_state() -> None:
    app = create_app()

    assert shown(app) == {"appSlug": app.slug, "state": None, "updatedAt": None}


def test_after_a_call_that_changes_it_the_state_shows_the_change_and_when() -> None:
    app = a_demo("demo-dentist")

    with time_machine.travel("2026-04-01T12:00:00Z", tick=False):
        cancel(app)
        view = shown(app)

    assert [row["status"] for row in view["state"]["appointments"]] == ["cancelled", *["confirmed"] * 3]
    assert view["updatedAt"] == 1_775_044_800_000


@pytest.mark.parametrize("slug", MUTABLE)
def test_another_apps_state_is_not_shown(slug: str) -> None:
    a_demo(slug)

    assert shown(create_app(), appSlug=slug) == {"appSlug": slug, "state": None, "updatedAt": None}


def test_asking_for_the_own_app_or_for_all_changes_nothing() -> None:
    app = a_demo("demo-dentist")

    assert shown(app, appSlug="demo-dentist") == shown(app, all="true") == shown(app)


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(b"never compressed", id="not compressed"),
        pytest.param(compress(b"{oops"), id="no JSON"),
        pytest.param(compress(b"[1]"), id="no object"),
        pytest.param(compress(b"\xff\xfe"), id="no text"),
        pytest.param(compress(b'{"a":' * 100_000), id="too deep to read"),
        pytest.param(b"", id="empty"),
    ],
)
def test_an_unreadable_state_is_shown_as_two_nulls_and_tools_go_on_without_it(stored: bytes) -> None:
    app = create_app()
    put_state(app, stored)

    assert shown(app) == {"appSlug": app.slug, "state": None, "updatedAt": None}
    cancel(app)
    assert shown(app) == {"appSlug": app.slug, "state": None, "updatedAt": None}


def test_the_state_is_written_to_two_partitions_in_turn() -> None:
    app = a_demo("demo-dentist")
    places = [row.pk for row in (StateRow.of(app.slug), StateRow.of_second(app.slug))]
    for write in range(1, 5):
        app.post("/api/scenario-state/reset", {})
        assert {row["pk"]: row["version"] for row in state_rows(app)}[places[(write - 1) % 2]] == write


@pytest.mark.parametrize("changes", [0, 1])
def test_a_state_of_before_is_followed_by_the_next_one(changes: int) -> None:
    app = a_demo("demo-dentist")
    put_state(app, compress(json.dumps(load_initial_state("demo-dentist")).encode()))
    StateRow.of(app.slug).change([StateRow.version.add(7)] * changes)
    cancel(app)
    assert shown(app)["state"]["appointments"][0]["status"] == "cancelled"
    assert sorted(row.get("version", 0) for row in state_rows(app)) == [7 * changes, 7 * changes + 1]


def test_another_apps_tool_reads_no_state() -> None:
    """Most apps have none, and a call of a tool would pay for looking."""
    app = create_app()
    registry.put_tool(app.slug, "own_tool", description="", parameters_schema="{}")
    with watch_heat() as heat:
        app.post("/api/tools/execute", {"sessionId": "s1", "toolName": "own_tool"})
    assert Place(TABLE, StateRow.of_second(app.slug).pk) not in heat.read


# -- reset -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", MUTABLE)
def test_a_reset_stores_the_initial_state_and_answers_it(slug: str) -> None:
    app = a_demo(slug)

    reply = app.post("/api/scenario-state/reset", {})

    assert (reply.status, reply.json) == (200, {"ok": True, "state": load_initial_state(slug)})
    assert len(state_rows(app)) == 1
    view = shown(app)
    assert view["state"] == load_initial_state(slug)
    assert view["updatedAt"] > 1_700_000_000_000


def test_a_reset_undoes_what_tools_changed() -> None:
    app = a_demo("demo-dentist")
    cancel(app)

    app.post("/api/scenario-state/reset", {})

    assert shown(app)["state"] == load_initial_state("demo-dentist")


def test_a_reset_repairs_an_unreadable_state() -> None:
    app = a_demo("demo-dentist")
    put_state(app, b"damaged")

    app.post("/api/scenario-state/reset", {})

    assert shown(app)["state"] == load_initial_state("demo-dentist")


def test_a_state_that_was_reset_can_be_changed_again() -> None:
    app = a_demo("demo-dentist")
    app.post("/api/scenario-state/reset", {})

    cancel(app)

    assert shown(app)["state"]["appointments"][0]["status"] == "cancelled"


@pytest.mark.parametrize(
    "raw",
    [b"", b"{oops", b"[]", b"null", b"\xff", b'"text"'],
    ids=["empty", "cut", "list", "null", "bytes", "text"],
)
def test_a_reset_does_not_mind_its_body(raw: bytes) -> None:
    app = a_demo("demo-dentist")

    reply = call("POST", "/api/scenario-state/reset", raw=raw, headers=app.headers)

    assert (reply.status, reply.json["ok"]) == (200, True)


def test_a_reset_with_an_unparseable_body_and_no_credentials_is_unauthorized() -> None:
    reply = call("POST", "/api/scenario-state/reset", raw=b"{oops")

    assert (reply.status, reply.json) == (401, {"error": "Unauthorized"})


def test_a_reset_takes_credentials_from_its_body() -> None:
    app = a_demo("demo-dentist")

    body = {"appSlug": app.slug, "appSecret": app.secret}
    assert call("POST", "/api/scenario-state/reset", raw=json.dumps(body).encode()).status == 200


@pytest.mark.parametrize("slug", [None, "demo-earnings"], ids=["no demo", "demo without state"])
def test_a_reset_without_a_state_says_so_and_writes_nothing(slug: str | None) -> None:
    app = a_demo(slug) if slug else create_app()
    before = read_rows(app.slug)

    reply = app.post("/api/scenario-state/reset", {})

    assert reply.status == 200
    assert set(reply.json) == {"ok", "message"}
    assert reply.json["ok"] is True
    assert read_rows(app.slug) == before


def test_a_reset_resets_no_other_app() -> None:
    dentist, shop = a_demo("demo-dentist"), a_demo("demo-ecommerce")
    cancel(dentist)
    [before] = state_rows(dentist)

    shop.post("/api/scenario-state/reset", {"appSlug": "demo-dentist"})

    assert state_rows(dentist) == [before]
