"""Every change of a persona, an app's own or one of its library, keeps what was before; conversations say
what was in force.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from genai_voice.foundation.transactions import put_all
from genai_voice.personas.rows import PersonaRow
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields
from genai_voice.tenancy.rows import AppRow, PersonaFields, PersonaVersionRow

from tests.support.service import Client, Reply, call, create_app, read_pages, read_rows, record_calls
from tests.support.wire import Cut, act_before_call, answer_calls, cut, lose_answer

PIRATE = {"name": "Pirate", "systemPrompt": "Be a pirate."}
LOST = (
    400,
    {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "CancellationReasons": [{"Code": "ConditionalCheckFailed"}],
    },
)


def create(app: Client, **fields: Any) -> str:
    return str(app.post("/api/personas", PIRATE | fields).json["id"])


def change(app: Client, persona_id: str, tone: str) -> Reply:
    """The tone of a persona, or of the app's own fields."""
    if persona_id == "own":
        return app.patch("/api/persona", {"personaTone": tone})
    return app.patch("/api/personas", {"personaId": persona_id, "personaTone": tone})


def delete(app: Client, persona_id: str) -> Reply:
    return app.delete("/api/personas", {"personaId": persona_id})


def assign(app: Client, persona_id: str | None) -> Reply:
    return app.patch("/api/personas/assign", {"targetAppSlug": app.slug, "personaId": persona_id})


def rollback(app: Client, persona_id: str, version: int) -> Reply:
    return app.post("/api/personas/rollback", {"personaId": persona_id, "version": version})


def versions(app: Client, persona_id: str = "own") -> list[Any]:
    """All of them, newest first."""
    read = read_pages(app, "/api/personas/versions", "versions", personaId=persona_id)
    return [each for page in read for each in page]


def change_often(row: PersonaFields, times: int) -> None:
    """As so many changes leave it: the tone of a version is its number."""
    kept = [PersonaVersionRow.of(row.pk, row.known_as, number) for number in range(1, times + 1)]
    for each in kept:
        each.content = f'{{"system_prompt":"x","persona_tone":"{each.number}"}}'
    put_all(kept)
    row.change([type(row).version.set(times + 1), type(row).persona_tone.set(str(times + 1))])


def tones(app: Client, persona_id: str = "own") -> list[Any]:
    """Oldest first; without a gap in the numbers."""
    found = versions(app, persona_id)[::-1]
    assert [each["version"] for each in found] == list(range(1, len(found) + 1))
    return [each.get("personaTone") for each in found]


def in_force(app: Client) -> Any:
    """What a conversation that begins now is told."""
    session = f"s{len(app.get('/api/conversations').json['conversations'])}"
    assert app.post("/api/conversations", {"sessionId": session}).status == 200
    return app.get("/api/conversations").json["conversations"][0]["personaVersion"]


def agree(app: Client, persona_id: str) -> None:
    """The app's row and the persona's say the same."""
    row, persona = AppRow.find_by_slug(app.slug), PersonaRow.find_even_deleted(app.slug, persona_id)
    assert row is not None
    assert persona is not None
    if row.persona_id is None:
        assert row.persona_number is None
    else:
        assert (row.persona_id, row.persona_number) == (persona_id, persona.number)
        assert persona.is_active


# -- kept and listed ---------------------------------------------------------------------------------------


def test_a_persona_that_was_never_changed_has_one_version() -> None:
    app = create_app(voice="Puck", ui_strings='{"a": 1}')
    [row] = [row for row in read_rows(app.slug) if row["kind"] == "app"]

    assert versions(app) == [
        {
            "_id": "own@1",
            "_creationTime": row["created_at"],
            "appSlug": app.slug,
            "version": 1,
            "personaVersion": "own@1",
            "createdAt": row["created_at"],
            "isCurrent": True,
            "systemPrompt": "Be kind.",
            "voice": "Puck",
            "uiStrings": '{"a": 1}',
        }
    ]


def test_versions_say_what_was_and_since_when_newest_first() -> None:
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        app = create_app()
        persona_id = create(app, voice="Puck")
        clock.shift(10)
        app.patch("/api/personas", {"personaId": persona_id, "name": "Captain"})
        clock.shift(10)
        change(app, persona_id, "rough")

    shown = [
        (each["personaVersion"], each["createdAt"] - 1_800_000_000_000, each["isCurrent"], each["name"])
        for each in versions(app, persona_id)
    ]
    assert shown == [
        (f"{persona_id}@3", 20_000, True, "Captain"),
        (f"{persona_id}@2", 10_000, False, "Captain"),
        (f"{persona_id}@1", 0, False, "Pirate"),
    ]
    assert {each["voice"] for each in versions(app, persona_id)} == {"Puck"}
    assert tones(app, persona_id) == [None, None, "rough"]


OWN_CHANGES: dict[str, Callable[[Client], object]] = {
    "PATCH /api/persona": lambda app: change(app, "own", "new"),
    "an update": lambda app: apps.update_app(app.slug, AppFields.model_validate({"personaTone": "new"})),
    "clearing": lambda app: apps.update_app(app.slug, AppFields(), frozenset({"persona_tone"})),
    "seeding": lambda app: apps.put_app(
        app.slug, AppFields.model_validate({"personaTone": "new"}), app.secret
    ),
    "its prompt": lambda app: apps.update_app(app.slug, AppFields.model_validate({"systemPrompt": "new"})),
}
OTHER_CHANGES: dict[str, Callable[[Client], object]] = {
    "the same tone": lambda app: change(app, "own", "old"),
    "nothing": lambda app: app.patch("/api/persona", {}),
    "other fields": lambda app: apps.update_app(app.slug, AppFields.model_validate({"temperature": 1})),
    "seeding the same": lambda app: apps.put_app(
        app.slug, AppFields.model_validate({"personaTone": "old"}), app.secret
    ),
    "clearing what is not there": lambda app: apps.update_app(
        app.slug, AppFields(), frozenset({"persona_name"})
    ),
    "another secret": lambda app: apps.rotate_secret(app.slug, app.secret, 0),
    "switching": lambda app: apps.set_active(app.slug, True),
    "a link": lambda app: assign(app, create(app)),
}


@pytest.mark.parametrize("act", OWN_CHANGES.values(), ids=OWN_CHANGES.keys())
def test_whatever_changes_an_apps_own_persona_keeps_what_it_was(act: Callable[[Client], object]) -> None:
    app = create_app(persona_tone="old")
    [before] = versions(app)

    act(app)

    new, old = versions(app)
    assert old == before | {"isCurrent": False}
    assert (new["version"], new["isCurrent"]) == (2, True)
    assert (new.get("personaTone"), new["systemPrompt"]) != ("old", "Be kind.")


@pytest.mark.parametrize("act", OTHER_CHANGES.values(), ids=OTHER_CHANGES.keys())
def test_what_leaves_an_apps_own_persona_as_it_is_makes_no_version(act: Callable[[Client], object]) -> None:
    app = create_app(persona_tone="old")
    before = versions(app)

    act(app)

    assert versions(app) == before


def test_more_versions_than_a_page_are_read_by_cursor() -> None:
    app = create_app()
    persona_id = create(app)
    change_often(PersonaRow.of(app.slug, persona_id), 120)

    read = list(read_pages(app, "/api/personas/versions", "versions", personaId=persona_id))

    assert [len(page) for page in read] == [100, 21]
    assert tones(app, persona_id) == [str(number) for number in range(1, 122)]


def test_a_change_between_two_pages_shifts_nothing() -> None:
    app = create_app()
    change_often(AppRow.of(app.slug), 101)
    first = app.get("/api/personas/versions").json

    change(app, "own", "later")

    rest = app.get("/api/personas/versions", cursor=first["cursor"]).json["versions"]
    assert [each["version"] for each in [*first["versions"], *rest]] == list(range(102, 0, -1))


def test_a_cursor_belongs_to_its_persona() -> None:
    app = create_app()
    change_often(AppRow.of(app.slug), 101)
    cursor = app.get("/api/personas/versions").json["cursor"]

    reply = app.get("/api/personas/versions", personaId=create(app), cursor=cursor)

    assert reply.status == 400


def test_the_versions_of_a_deleted_persona_are_kept() -> None:
    app = create_app()
    persona_id = create(app)
    change(app, persona_id, "rough")
    before = versions(app, persona_id)

    delete(app, persona_id)

    assert versions(app, persona_id) == before


def test_an_unknown_persona_has_no_versions() -> None:
    reply = create_app().get("/api/personas/versions", personaId="nobody")
    assert (reply.status, reply.json) == (404, {"error": "Persona not found"})


# -- brought back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["own", "library"])
def test_a_rollback_is_a_new_version_that_says_what_the_old_one_did(which: str) -> None:
    app = create_app(voice="Puck")
    persona_id = "own" if which == "own" else create(app, voice="Puck")
    change(app, persona_id, "rough")
    change(app, persona_id, "calm")
    before = versions(app, persona_id)

    reply = rollback(app, persona_id, 1)

    assert (reply.status, reply.json) == (200, {"ok": True, "version": 4})
    new, *kept = versions(app, persona_id)
    said = {"systemPrompt", "voice", "personaTone", "name"}
    first = before[-1]
    assert {key: new.get(key) for key in said} == {key: first.get(key) for key in said}
    assert kept == [each | {"isCurrent": False} for each in before]


@pytest.mark.parametrize("absent", [{}, {"personaId": None}, {"personaId": ""}], ids=str)
def test_without_a_persona_the_apps_own_is_rolled_back(absent: dict[str, Any]) -> None:
    app = create_app()
    change(app, "own", "rough")

    assert app.post("/api/personas/rollback", {"version": 1, **absent}).json == {"ok": True, "version": 3}

    assert app.get("/api/persona").json["personaTone"] is None


def test_a_rollback_that_is_sent_again_makes_no_other_version() -> None:
    app = create_app()
    change(app, "own", "rough")

    assert [rollback(app, "own", 1).json["version"] for _ in range(2)] == [3, 3]
    assert rollback(app, "own", 3).json["version"] == 3
    assert tones(app) == [None, "rough", None]


@pytest.mark.parametrize("version", [2, 99_999_999])
@pytest.mark.parametrize("which", ["own", "library"])
def test_a_version_that_never_was_is_not_found(which: str, version: int) -> None:
    app = create_app()
    reply = rollback(app, "own" if which == "own" else create(app), version)
    assert (reply.status, reply.json) == (404, {"error": "Version not found"})


@pytest.mark.parametrize("version", [0, -1, 1.5, "1", True, 10**8])
def test_a_version_is_a_whole_number(version: Any) -> None:
    reply = create_app().post("/api/personas/rollback", {"version": version})
    assert (reply.status, reply.json["error"]) == (400, "Invalid field: version")


# -- conversations -----------------------------------------------------------------------------------------


def test_a_conversation_says_which_version_was_in_force_when_it_began() -> None:
    app = create_app()
    assert in_force(app) == "own@1"
    change(app, "own", "warm")
    assert in_force(app) == "own@2"
    persona_id = create(app)
    assign(app, persona_id)
    assert in_force(app) == f"{persona_id}@1"
    change(app, persona_id, "rough")
    assert in_force(app) == f"{persona_id}@2"
    change(app, "own", "cold")
    assert in_force(app) == f"{persona_id}@2"
    rollback(app, persona_id, 1)
    assert in_force(app) == f"{persona_id}@3"
    assign(app, None)
    assert in_force(app) == "own@3"
    assign(app, persona_id)
    assert in_force(app) == f"{persona_id}@3"
    delete(app, persona_id)
    assert in_force(app) == "own@3"


def test_a_conversation_keeps_the_version_with_which_it_began() -> None:
    app = create_app()
    app.post("/api/conversations", {"sessionId": "s"})
    change(app, "own", "warm")

    for status in ("active", "resolved"):
        app.post("/api/conversations", {"sessionId": "s", "messages": [], "status": status})

    [conversation] = app.get("/api/conversations").json["conversations"]
    assert (conversation["personaVersion"], conversation["status"]) == ("own@1", "resolved")


def test_a_change_of_a_persona_that_is_not_linked_is_no_other_version_in_force() -> None:
    app = create_app()
    linked, other = create(app), create(app)
    assign(app, linked)

    change(app, other, "rough")

    assert in_force(app) == f"{linked}@1"


def test_a_session_token_tells_the_version_in_force_as_well() -> None:
    app = create_app()
    change(app, "own", "warm")
    token = {"authorization": f"Bearer {app.open_session()}"}

    assert call("POST", "/api/conversations", body={"sessionId": "s"}, headers=token).status == 200

    assert app.get("/api/conversations").json["conversations"][0]["personaVersion"] == "own@2"


# -- races -------------------------------------------------------------------------------------------------

Act = Callable[[Client, str], Reply]
ACTS: dict[str, Act] = {
    "change": lambda app, persona_id: change(app, persona_id, "changed"),
    "rollback": lambda app, persona_id: rollback(app, persona_id, 1),
    "assign": assign,
    "clear": lambda app, persona_id: assign(app, None),
    "delete": delete,
}


@pytest.mark.parametrize("linked", [False, True], ids=["not linked", "linked"])
@pytest.mark.parametrize("first", ACTS.values(), ids=ACTS.keys())
@pytest.mark.parametrize("overtaken", ["change", "rollback", "assign", "delete"])
def test_whoever_is_overtaken_by_whom_the_app_and_its_persona_agree(
    overtaken: str, first: Act, linked: bool
) -> None:
    app = create_app()
    persona_id = create(app)
    change(app, persona_id, "rough")
    if linked:
        assign(app, persona_id)

    def overtake(_: int) -> None:
        first(app, persona_id)

    with act_before_call("TransactWriteItems", overtake, at=(1,)):
        reply = ACTS[overtaken](app, persona_id)

    assert reply.status == (404 if first is delete and overtaken != "delete" else 200)
    agree(app, persona_id)
    if first is ACTS["clear"] and overtaken != "assign":
        assert in_force(app) == "own@1"
    numbers = [each["version"] for each in versions(app, persona_id)]
    assert numbers == list(range(numbers[0], 0, -1))


@pytest.mark.parametrize("which", ["own", "library", "linked"])
def test_a_change_that_another_overtakes_loses_neither(which: str) -> None:
    app = create_app()
    persona_id = "own" if which == "own" else create(app)
    if which == "linked":
        assign(app, persona_id)

    def overtake(number: int) -> None:
        change(app, persona_id, f"overtaking {number}")

    with act_before_call("TransactWriteItems", overtake, at=(1, 2)):
        assert change(app, persona_id, "mine").status == 200

    assert tones(app, persona_id) == [None, "overtaking 1", "overtaking 2", "mine"]


def test_fields_that_are_left_as_they_are_do_not_undo_a_change_that_overtakes() -> None:
    app = create_app(persona_tone="old")

    def overtake(_: int) -> None:
        change(app, "own", "new")

    with act_before_call("UpdateItem", overtake, at=(1,)):
        apps.update_app(app.slug, AppFields.model_validate({"personaTone": "old", "temperature": 1}))

    assert tones(app) == ["old", "new", "old"]


@pytest.mark.parametrize("which", ["own", "library"])
def test_who_never_wins_is_told_to_try_again(which: str) -> None:
    app = create_app()
    persona_id = "own" if which == "own" else create(app)

    app.get("/api/persona")  # its credentials are known from here on
    with answer_calls(*[None, LOST] * 100):
        reply = change(app, persona_id, "mine")

    assert reply.status == 503
    assert reply.json["error"].endswith("at once: try again")


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("which", ["own", "library", "linked"])
def test_of_twenty_changes_at_the_same_time_each_is_a_version(which: str) -> None:
    app = create_app()
    persona_id = "own" if which == "own" else create(app)
    if which == "linked":
        assign(app, persona_id)

    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda number: change(app, persona_id, str(number)), range(20)))

    assert {reply.status for reply in replies} == {200}
    first, *rest = tones(app, persona_id)
    assert first is None
    assert sorted(rest, key=int) == [str(number) for number in range(20)]
    assert in_force(app) == (f"{persona_id}@21" if which != "library" else "own@1")


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(
    ("acts", "statuses"),
    [(("change", "assign", "clear"), {200}), (("assign", "delete"), {200, 404})],
    ids=["change and assign", "assign and delete"],
)
def test_the_app_and_its_persona_agree_whoever_wins(acts: tuple[str, ...], statuses: set[int]) -> None:
    with ThreadPoolExecutor(6) as pool:
        for _ in range(8):
            app = create_app()
            persona_id = create(app)
            tasks = [pool.submit(ACTS[name], app, persona_id) for name in acts * 2]
            assert {task.result().status for task in tasks} <= statuses
            agree(app, persona_id)
            if "delete" in acts:
                assert in_force(app) == "own@1"


# -- crashes -----------------------------------------------------------------------------------------------

WORK: dict[str, tuple[Act, list[str | None], str]] = {
    "change": (ACTS["change"], [None, "rough", "changed"], "@3"),
    "rollback": (ACTS["rollback"], [None, "rough", None], "@3"),
    "assign": (ACTS["assign"], [None, "rough"], "@2"),
    "delete": (ACTS["delete"], [None, "rough"], "own@1"),
}


def victim() -> tuple[Client, str]:
    app = create_app()
    persona_id = create(app)
    change(app, persona_id, "rough")
    assign(app, persona_id)
    return app, persona_id


@pytest.mark.parametrize("accident", ["before", "after", "lost answer"])
@pytest.mark.parametrize(("act", "expected", "now"), WORK.values(), ids=WORK.keys())
def test_an_accident_at_any_call_loses_and_doubles_nothing(
    act: Act, expected: list[str | None], now: str, accident: str
) -> None:
    app, persona_id = victim()
    with record_calls() as calls:
        assert act(app, persona_id).status == 200
    for number in range(1, len(calls.operations) + 1):
        app, persona_id = victim()
        happens = lose_answer(number) if accident == "lost answer" else cut(number, after=accident == "after")
        try:
            with happens:
                act(app, persona_id)
        except Cut:
            pass
        agree(app, persona_id)
        assert act(app, persona_id).status == 200
        agree(app, persona_id)
        assert tones(app, persona_id) == expected
        assert in_force(app).endswith(now)
