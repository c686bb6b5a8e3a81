"""The persona of an app: contract 3.9."""

import json
from typing import Any

import pytest
import time_machine
from genai_voice.personas import library
from genai_voice.personas.rows import PersonaRow

from tests.support.service import Client, Reply, call, create_app, read_rows

NOTHING = {
    "systemPrompt": None,
    "voice": None,
    "personaName": None,
    "personaGreeting": None,
    "personaTone": None,
    "preferredTerms": None,
    "blockedTerms": None,
    "uiStrings": None,
}
TEXTS = ("personaName", "personaGreeting", "personaTone", "preferredTerms", "blockedTerms")
FULL = {
    "voice": "Aoede",
    "persona_name": "Sarah",
    "persona_greeting": "Hello!",
    "persona_tone": "warm",
    "preferred_terms": "visit, care",
    "blocked_terms": "cheap",
    "ui_strings": '{"title": "Talk to us"}',
}


def persona(app: Client, **query: str) -> Any:
    reply = app.get("/api/persona", **query)
    assert reply.status == 200, reply.text
    return reply.json


def patch(app: Client, **change: Any) -> Reply:
    return app.patch("/api/persona", change)


def pirate(app: Client, **fields: str) -> str:
    """Linked to the app."""
    created = app.post("/api/personas", {"name": "Pirate", "systemPrompt": "Be a pirate.", **fields})
    persona_id = str(created.json["id"])
    link(app, persona_id)
    return persona_id


def link(app: Client, persona_id: str | None) -> None:
    library.link_persona(app.slug, persona_id)


def test_a_persona_has_eight_keys_also_when_seven_are_not_set() -> None:
    assert persona(create_app()) == NOTHING | {"systemPrompt": "Be kind."}


def test_a_persona_is_the_apps_own_with_the_interfaces_texts_parsed() -> None:
    assert persona(create_app(**FULL)) == {
        "systemPrompt": "Be kind.",
        "voice": "Aoede",
        "personaName": "Sarah",
        "personaGreeting": "Hello!",
        "personaTone": "warm",
        "preferredTerms": "visit, care",
        "blockedTerms": "cheap",
        "uiStrings": {"title": "Talk to us"},
    }


def test_another_apps_slug_is_answered_with_eight_nulls() -> None:
    other = create_app(**FULL)
    app = create_app(**FULL)

    assert persona(app, appSlug=other.slug) == NOTHING
    assert persona(app, appSlug=app.slug) == persona(app) != NOTHING


# -- PATCH -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("text", ["new", "", "ünï — 語 🙂"], ids=["text", "empty", "unicode"])
def test_a_text_is_replaced_and_the_others_are_left_alone(name: str, text: str) -> None:
    app = create_app(**FULL)
    before = persona(app)

    reply = patch(app, **{name: text})

    assert (reply.status, reply.json) == (200, {"ok": True})
    assert persona(app) == before | {name: text}


def test_the_interfaces_texts_are_sent_as_json_text() -> None:
    app = create_app(**FULL)

    assert patch(app, uiStrings='{"a": {"b": ["c"]}}').json == {"ok": True}

    assert persona(app)["uiStrings"] == {"a": {"b": ["c"]}}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="no fields"),
        pytest.param(dict.fromkeys((*TEXTS, "uiStrings")), id="nulls"),
        pytest.param({"voice": "Puck", "systemPrompt": "Be evil.", "isActive": False}, id="other fields"),
        pytest.param({"modelId": "x", "maxActionsPerTurn": 0, "personaId": "p"}, id="fields of the app"),
    ],
)
def test_what_may_not_be_changed_here_is_left_alone(change: dict[str, Any]) -> None:
    app = create_app(**FULL)
    before = read_rows(app.slug)

    reply = patch(app, **change)

    assert (reply.status, reply.json) == (200, {"ok": True})
    after = read_rows(app.slug)
    assert [row | {"updated_at": 0} for row in after] == [row | {"updated_at": 0} for row in before]


def test_a_change_says_when() -> None:
    with time_machine.travel("2026-04-07T12:00:00Z", tick=False) as clock:
        app = create_app()
        clock.shift(10)
        patch(app, personaName="Sarah")

        [row] = [row for row in read_rows(app.slug) if row["kind"] == "app"]
    assert row["updated_at"] - row["created_at"] == 10_000


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"personaName": 5}, "Invalid field: personaName", id="number"),
        pytest.param({"personaTone": ["warm"]}, "Invalid field: personaTone", id="list"),
        pytest.param({"uiStrings": {"a": "b"}}, "Invalid field: uiStrings", id="object instead of text"),
        pytest.param({"uiStrings": "{oops"}, "Invalid field: uiStrings", id="no JSON"),
        pytest.param({"uiStrings": "[]"}, "Invalid field: uiStrings", id="JSON list"),
        pytest.param({"uiStrings": '"text"'}, "Invalid field: uiStrings", id="JSON text"),
        pytest.param({"uiStrings": "null"}, "Invalid field: uiStrings", id="JSON null"),
        pytest.param({"uiStrings": ""}, "Invalid field: uiStrings", id="empty text"),
        pytest.param(
            {"uiStrings": '{"a":' + "[" * 49_000}, "Invalid field: uiStrings", id="too deep to read"
        ),
        pytest.param(
            {"uiStrings": '{"a":' * 2_000 + "1" + "}" * 2_000},
            "Invalid field: uiStrings",
            id="deeper than a reply can be",
        ),
        pytest.param({"uiStrings": '{"a": NaN}'}, "Invalid field: uiStrings", id="NaN"),
        pytest.param({"uiStrings": '{"a": "\\ud800"}'}, "Invalid field: uiStrings", id="lone surrogate"),
        pytest.param(
            {"personaGreeting": "x" * 10_001}, "Invalid field: personaGreeting (over 10,000 bytes)", id="long"
        ),
        pytest.param(
            {"personaGreeting": "ü" * 5_001},
            "Invalid field: personaGreeting (over 10,000 bytes)",
            id="long in bytes",
        ),
        pytest.param(
            {"uiStrings": json.dumps({"a": "x" * 50_000})},
            "Invalid field: uiStrings (over 50,000 bytes)",
            id="long texts of the interface",
        ),
    ],
)
def test_a_wrong_field_is_refused_by_its_name_and_nothing_is_stored(
    change: dict[str, Any], error: str
) -> None:
    app = create_app(**FULL)
    before = persona(app)

    reply = patch(app, personaTone="cold", **change) if "personaTone" not in change else patch(app, **change)

    assert (reply.status, reply.json["error"]) == (400, error)
    assert persona(app) == before


def test_the_longest_texts_are_stored() -> None:
    app = create_app()
    texts = dict.fromkeys(TEXTS, "x" * 10_000)

    assert patch(app, **texts, uiStrings=json.dumps({"a": "x" * 49_000})).status == 200
    assert persona(app).items() >= texts.items()


def test_credentials_are_checked_before_the_fields() -> None:
    app = create_app()
    stranger = {"x-app-slug": app.slug, "authorization": "Bearer a wrong secret"}

    wrong = call("PATCH", "/api/persona", body={"personaName": 5}, headers=stranger)
    unreadable = call("PATCH", "/api/persona", raw=b"{oops", headers=stranger)

    assert (wrong.status, wrong.json) == (401, {"error": "Unauthorized"})
    assert (unreadable.status, unreadable.json["error"]) == (400, "Invalid JSON body: line 1 column 2")


@pytest.mark.parametrize(
    ("scope", "status"),
    [pytest.param(None, 200, id="default"), pytest.param("full", 200, id="full"), ("runtime", 401)],
)
def test_session_tokens_edit_the_persona_unless_the_app_limits_them_to_runtime(
    scope: str | None, status: int
) -> None:
    app = create_app(browser_scope=scope)
    by_token = {"authorization": f"Bearer {app.open_session()}"}

    reply = call("PATCH", "/api/persona", body={"personaName": "Eve"}, headers=by_token)

    assert reply.status == status
    assert call("GET", "/api/persona", headers=by_token).status == 200
    assert persona(app)["personaName"] == ("Eve" if status == 200 else None)
    if status == 401:
        limited = "This app limits its session tokens to runtime calls: use the app secret"
        assert reply.json == {"error": "Unauthorized", "reason": limited}
        assert patch(app, personaName="Sarah").status == 200


# -- library -----------------------------------------------------------------------------------------------


def test_a_linked_persona_replaces_all_eight_values_without_falling_back_on_one() -> None:
    app = create_app(**FULL)
    pirate(app, personaName="Jack")

    assert persona(app) == NOTHING | {"systemPrompt": "Be a pirate.", "personaName": "Jack"}


def test_a_change_while_a_persona_is_linked_is_stored_but_hidden() -> None:
    app = create_app(**FULL)
    pirate(app, personaName="Jack")

    assert patch(app, personaName="Mary").json == {"ok": True}

    assert persona(app)["personaName"] == "Jack"
    link(app, None)
    assert persona(app)["personaName"] == "Mary"


@pytest.mark.parametrize("stored", [False, True], ids=["missing", "inactive"])
def test_a_link_to_a_missing_or_inactive_persona_counts_for_nothing(stored: bool) -> None:
    """As a reader meets it between reading the app and reading the persona, which is deleted meanwhile."""
    app = create_app(**FULL)
    before = persona(app)
    row = PersonaRow.of(app.slug, pirate(app))
    if stored:
        row.change([PersonaRow.is_active.set(False)])
    else:
        row.delete()

    assert persona(app) == before


@pytest.mark.parametrize(
    "text",
    ["{oops", "[]", "null", '{"a": NaN}', '{"a": "\\ud800"}', '{"a":' * 500 + "1" + "}" * 500],
    ids=["cut", "list", "null", "NaN", "lone surrogate", "deep"],
)
def test_unreadable_texts_of_the_interface_are_null(text: str) -> None:
    app = create_app()
    PersonaRow.of(app.slug, pirate(app)).change([PersonaRow.ui_strings.set(text)])

    assert persona(app)["uiStrings"] is None
