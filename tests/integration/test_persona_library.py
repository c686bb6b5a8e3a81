"""An app's library of personas: contract 3.10, and section 7, row 8."""

from typing import Any

import pytest
import time_machine
from genai_voice.personas.rows import PersonaRow

from tests.support.service import (
    Client,
    Reply,
    call,
    create_app,
    read_pages,
    read_partition,
    read_rows,
    record_calls,
)

PIRATE = {"name": "Pirate", "systemPrompt": "Be a pirate."}
TEXTS = ("voice", "personaName", "personaGreeting", "personaTone", "preferredTerms", "blockedTerms")


def create(app: Client, **fields: Any) -> str:
    reply = app.post("/api/personas", PIRATE | fields)
    assert reply.status == 200, reply.text
    return str(reply.json["id"])


def change(app: Client, persona_id: str, **fields: Any) -> Reply:
    return app.patch("/api/personas", {"personaId": persona_id, **fields})


def delete(app: Client, persona_id: str) -> Reply:
    return app.delete("/api/personas", {"personaId": persona_id})


def assign(app: Client, persona_id: str | None) -> Reply:
    return app.patch("/api/personas/assign", {"targetAppSlug": app.slug, "personaId": persona_id})


def library(app: Client, **query: str) -> Any:
    reply = app.get("/api/personas", **query)
    assert reply.status == 200, reply.text
    return reply.json["personas"]


def prompt(app: Client) -> Any:
    return app.get("/api/persona").json["systemPrompt"]


# -- kept, listed, changed ---------------------------------------------------------------------------------


def test_a_new_persona_is_listed_with_what_it_was_given() -> None:
    app = create_app()
    texts = dict.fromkeys(TEXTS, "ünï 🙂")
    with time_machine.travel(1_800_000_000, tick=False):
        persona_id = create(app, **texts, uiStrings='{"a": "b"}')

    assert library(app) == [
        {
            "_id": persona_id,
            "_creationTime": 1_800_000_000_000,
            "appSlug": app.slug,
            **PIRATE,
            **texts,
            "isActive": True,
            "createdAt": 1_800_000_000_000,
            "updatedAt": 1_800_000_000_000,
            "version": 1,
        }
    ]


def test_what_a_persona_does_not_have_is_left_out_and_an_empty_text_is_a_value() -> None:
    app = create_app()
    create(app, voice=None, personaTone="")

    [persona] = library(app)
    assert not {"voice", "personaName", "uiStrings"} & persona.keys()
    assert persona["personaTone"] == ""


def test_texts_of_the_interface_are_shown_as_json_text() -> None:
    app = create_app()
    PersonaRow.of(app.slug, create(app)).change([PersonaRow.ui_strings.set('{"a": 1}')])

    assert library(app)[0]["uiStrings"] == '{"a": 1}'


def test_personas_are_listed_oldest_first_and_names_need_not_be_unique() -> None:
    app = create_app()
    ids = [create(app) for _ in range(3)]
    change(app, ids[0], personaTone="new")

    assert [each["_id"] for each in library(app)] == ids


def test_a_library_beyond_a_reply_goes_on_at_its_cursor() -> None:
    app = create_app()
    ids = [create(app, systemPrompt='"' * 100_000) for _ in range(30)]
    delete(app, ids.pop(20))

    read = list(read_pages(app, "/api/personas", "personas"))

    assert len(read) > 1
    assert [each["_id"] for page in read for each in page] == ids


@pytest.mark.parametrize("field", ["name", "systemPrompt", *TEXTS])
def test_a_field_is_changed_and_the_others_are_left_alone(field: str) -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        persona_id = create(app, voice="Puck", personaTone="rough")
        [before] = library(app)
        clock.shift(10)
        reply = change(app, persona_id, **{field: "new"})

    assert (reply.status, reply.json) == (200, {"ok": True})
    later = {"updatedAt": before["createdAt"] + 10_000, "version": 2}
    assert library(app) == [before | later | {field: "new"}]


@pytest.mark.parametrize(
    "nothing",
    [{}, {"voice": None}, {"personaTone": "rough"}, {"uiStrings": "{}", "isActive": False}],
    ids=["id alone", "null", "the same", "other fields"],
)
def test_a_change_of_nothing_is_ok_and_changes_nothing(nothing: dict[str, Any]) -> None:
    app = create_app()
    persona_id = create(app, personaTone="rough")
    before = read_rows(app.slug)

    reply = change(app, persona_id, **nothing)

    assert (reply.status, reply.json) == (200, {"ok": True})
    assert read_rows(app.slug) == before


def test_a_change_costs_one_read_and_one_transaction() -> None:
    app = create_app()
    persona_id = create(app)
    with record_calls() as calls:
        change(app, persona_id, personaTone="calm")
    assert calls.operations == ["BatchGetItem", "TransactWriteItems"]


# -- assigned, deleted -------------------------------------------------------------------------------------


def test_an_assigned_persona_is_what_the_app_presents_until_it_is_cleared() -> None:
    app = create_app()
    persona_id = create(app)

    assert assign(app, persona_id).json == {"ok": True}
    assert prompt(app) == "Be a pirate."

    for cleared in (None, ""):
        assign(app, persona_id)
        assert assign(app, cleared).json == {"ok": True}
        assert prompt(app) == "Be kind."


def test_to_assign_without_a_persona_clears() -> None:
    app = create_app()
    assign(app, create(app))

    assert app.patch("/api/personas/assign", {"targetAppSlug": app.slug}).status == 200

    assert prompt(app) == "Be kind."


def test_a_deleted_persona_is_listed_no_more_and_its_app_falls_back_on_its_own_fields() -> None:
    app = create_app()
    gone, stays = create(app), create(app)
    assign(app, gone)

    assert delete(app, gone).json == {"ok": True}

    assert [each["_id"] for each in library(app)] == [stays]
    assert prompt(app) == "Be kind."
    assert PersonaRow.of(app.slug, gone).find_stored() is None
    assert PersonaRow.find_even_deleted(app.slug, gone) is not None


def test_the_deletion_of_another_persona_leaves_the_link() -> None:
    app = create_app()
    linked, other = create(app), create(app)
    assign(app, linked)

    delete(app, other)

    assert prompt(app) == "Be a pirate."


def test_a_deletion_that_is_sent_again_is_ok() -> None:
    app = create_app()
    persona_id = create(app)

    assert [delete(app, persona_id).status for _ in range(2)] == [200, 200]


# -- refused -----------------------------------------------------------------------------------------------

MISSING = {
    "name": ("POST", "/api/personas", {"systemPrompt": "x"}, "name and systemPrompt are required"),
    "prompt": ("POST", "/api/personas", {"name": "x"}, "name and systemPrompt are required"),
    "change": ("PATCH", "/api/personas", {"name": "x"}, "personaId is required"),
    "delete": ("DELETE", "/api/personas", {}, "personaId is required"),
    "assign": ("PATCH", "/api/personas/assign", {"personaId": "x"}, "targetAppSlug is required"),
    "rollback": ("POST", "/api/personas/rollback", {"personaId": "x"}, "version is required"),
}


@pytest.mark.parametrize(("method", "path", "body", "error"), MISSING.values(), ids=MISSING.keys())
def test_what_is_missing_is_told(method: str, path: str, body: Any, error: str) -> None:
    reply = call(method, path, body=body, headers=create_app().headers)
    assert (reply.status, reply.json["error"]) == (400, error)


@pytest.mark.parametrize("field", ["name", "systemPrompt"])
def test_what_is_required_cannot_be_made_empty(field: str) -> None:
    app = create_app()
    reply = change(app, create(app), **{field: ""})
    assert (reply.status, reply.json) == (400, {"error": f"Invalid field: {field}"})


@pytest.mark.parametrize("deleted", [False, True], ids=["unknown", "deleted"])
def test_a_persona_that_is_not_there_is_neither_changed_nor_assigned_nor_rolled_back(deleted: bool) -> None:
    app = create_app()
    persona_id = create(app) if deleted else "nobody"
    if deleted:
        delete(app, persona_id)
    before = read_rows(app.slug)
    rollback = {"personaId": persona_id, "version": 1}

    for reply in (
        change(app, persona_id, personaTone="x"),
        change(app, persona_id),
        assign(app, persona_id),
        app.post("/api/personas/rollback", rollback),
    ):
        assert (reply.status, reply.json) == (404, {"error": "Persona not found"})
    assert read_rows(app.slug) == before


def test_an_unknown_persona_is_not_deleted() -> None:
    reply = delete(create_app(), "nobody")
    assert (reply.status, reply.json) == (404, {"error": "Persona not found"})


# -- section 7, row 8 --------------------------------------------------------------------------------------


def by_secret(app: Client) -> dict[str, str]:
    return app.headers


def by_token(app: Client) -> dict[str, str]:
    return {"authorization": f"Bearer {app.open_session()}"}


def by_token_with_the_others_slug(app: Client) -> dict[str, str]:
    return by_token(app) | {"x-app-slug": "the-others"}


@pytest.mark.parametrize("credential", [by_secret, by_token, by_token_with_the_others_slug])
def test_no_tenant_sees_or_changes_anothers_personas(credential: Any) -> None:
    theirs, mine = create_app(), create_app()
    persona_id = create(theirs)
    change(theirs, persona_id, personaTone="rough")
    assign(theirs, persona_id)
    own = create(mine)
    before, headers = read_rows(theirs.slug), credential(mine)

    def ask(method: str, path: str, **fields: Any) -> Reply:
        return call(method, path, body=fields, headers=headers)

    not_found = {"error": "Persona not found"}
    for reply in (
        ask("PATCH", "/api/personas", personaId=persona_id, systemPrompt="Be evil."),
        ask("DELETE", "/api/personas", personaId=persona_id),
        ask("PATCH", "/api/personas/assign", targetAppSlug=mine.slug, personaId=persona_id),
        ask("POST", "/api/personas/rollback", personaId=persona_id, version=1),
        call("GET", "/api/personas/versions", query={"personaId": persona_id}, headers=headers),
    ):
        assert (reply.status, reply.json) == (404, not_found)
    for persona in (own, persona_id, None):
        reply = ask("PATCH", "/api/personas/assign", targetAppSlug=theirs.slug, personaId=persona)
        assert (reply.status, reply.json) == (404, {"error": f"App not found: {theirs.slug}"})
    listed = call("GET", "/api/personas", query={"all": "true"}, headers=headers).json["personas"]
    assert [each["_id"] for each in listed] == [own]
    assert read_rows(theirs.slug) == before
    assert prompt(mine) == "Be kind."


def test_another_apps_slug_is_answered_like_an_app_without_personas() -> None:
    app, other = create_app(), create_app()
    create(app)
    create(other)

    assert library(app, appSlug=other.slug) == []
    assert library(app, appSlug=app.slug) == library(app) != []
    assert app.get("/api/personas/versions", appSlug=other.slug).json == {"versions": []}


def test_a_browser_that_is_limited_to_runtime_changes_no_persona() -> None:
    app = create_app(browser_scope="runtime")
    persona_id = create(app)
    headers, before = by_token(app), read_rows(app.slug)

    for method, path, body in [
        ("POST", "/api/personas", PIRATE),
        ("PATCH", "/api/personas", {"personaId": persona_id, "personaTone": "x"}),
        ("DELETE", "/api/personas", {"personaId": persona_id}),
        ("PATCH", "/api/personas/assign", {"targetAppSlug": app.slug, "personaId": persona_id}),
        ("POST", "/api/personas/rollback", {"version": 1}),
    ]:
        assert call(method, path, body=body, headers=headers).status == 401
    assert read_rows(app.slug) == before
    assert call("GET", "/api/personas", headers=headers).json["personas"] == library(app)


# -- size --------------------------------------------------------------------------------------------------


def test_with_all_texts_at_their_limits_every_row_stays_below_what_the_table_takes() -> None:
    """Texts that no compression makes smaller."""
    app, seed = create_app(), iter(range(1_000_000))

    def text(size: int) -> str:
        return "".join(chr(0x10000 + (next(seed) * 7919) % 0xFFFFF) for _ in range(size // 4))

    full = {name: text(10_000) for name in TEXTS}
    persona_id = create(app, name=text(4_000), systemPrompt=text(100_000), **full)
    PersonaRow.of(app.slug, persona_id).change([PersonaRow.ui_strings.set('{"a":"' + text(49_000) + '"}')])

    assert change(app, persona_id, systemPrompt=text(100_000)).status == 200

    assert len(list(read_partition(f"APP#{app.slug}#"))) == 4
