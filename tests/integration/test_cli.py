"""The operator command line, from arguments to what the service then does: contract 3.18 and 4.1."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import pytest
import time_machine
from click.testing import CliRunner, Result
from genai_voice.demos.scenarios import SLUGS, load_initial_state
from genai_voice.foundation.table import Item
from genai_voice.personas import library
from genai_voice.personas.model import NewPersona, PersonaChange, PersonaReference
from genai_voice.tenancy.fields import AppFields, NewApp
from genai_voice.tenancy.rows import PersonaFields

from local.cli import cli
from tests.support.service import Reply, call, read_rows

SECRET = "the first secret"
NEXT = "the second secret"
REQUIRED = ("--name", "An app", "--model-id", "a-model", "--reply-as-audio", "--system-prompt", "Be kind.")
FIELDS: dict[str, tuple[tuple[str, ...], Any]] = {
    "name": (("--name", "Ünï 語"), "Ünï 語"),
    "model_id": (("--model-id", "another-model"), "another-model"),
    "reply_as_audio": (("--no-reply-as-audio",), False),
    "temperature": (("--temperature", "0.7"), 0.7),
    "system_prompt": (("--system-prompt", "Be brief.\nBe kind."), "Be brief.\nBe kind."),
    "token_expire_minutes": (("--token-expire-minutes", "30"), 30),
    "tokens_per_minute": (("--tokens-per-minute", "60"), 60),
    "voice": (("--voice", "Puck"), "Puck"),
    "persona_name": (("--persona-name", "Sarah"), "Sarah"),
    "persona_greeting": (("--persona-greeting", ""), ""),
    "persona_tone": (("--persona-tone", "warm"), "warm"),
    "preferred_terms": (("--preferred-terms", "care, visit"), "care, visit"),
    "blocked_terms": (("--blocked-terms", "cheap"), "cheap"),
    "guardrails_enabled": (("--guardrails-enabled",), True),
    "max_actions_per_turn": (("--max-actions-per-turn", "0"), 0),
    "handoff_enabled": (("--no-handoff-enabled",), False),
    "handoff_webhook_url": (("--handoff-webhook-url", "https://desk.example/in"), "https://desk.example/in"),
    "handoff_expiration_seconds": (("--handoff-expiration-seconds", "3600"), 3600),
    "knowledge_threshold": (("--knowledge-threshold", "-0.25"), -0.25),
    "ui_strings": (("--ui-strings", '{"title": "Hi"}'), '{"title": "Hi"}'),
    "mute_agent_after_handoff": (("--mute-agent-after-handoff",), True),
    "webhook_events": (
        ("--webhook-events", "handoff.claimed, conversation.ended"),
        ["handoff.claimed", "conversation.ended"],
    ),
    "browser_scope": (("--browser-scope", "runtime"), "runtime"),
}
OPTIONAL = [name for name in AppFields.model_fields if not NewApp.model_fields[name].is_required()]


def run(*arguments: str, stdin: str | None = None, secret: str | None = None) -> Result:
    environment = {"APP_SECRET": secret, "DEMO_SECRET": secret}
    return CliRunner().invoke(cli, arguments, input=stdin, env=environment, prog_name="genai-voice")


def done(*arguments: str, **given: str) -> str:
    result = run(*arguments, **given)
    assert result.exit_code == 0, result.output
    return result.output


def show(slug: str) -> Any:
    return json.loads(done("app", "show", slug))


def persona(slug: str, secret: str = SECRET) -> Reply:
    return call("GET", "/api/persona", headers={"authorization": f"Bearer {secret}", "x-app-slug": slug})


def stored(slug: str) -> list[dict[str, Any]]:
    """The app's rows, without the record of what operators tried."""
    return [row for row in read_rows(slug) if row["kind"] != "audit"]


def new_slug() -> str:
    return f"app-{uuid4().hex[:12]}"


@pytest.fixture
def slug() -> str:
    """An app that the command line has created."""
    name = new_slug()
    done("app", "create", name, *REQUIRED, secret=SECRET)
    return name


def in_library(slug: str, *, active: bool = True) -> str:
    pirate = NewPersona.model_validate({"name": "Pirate", "systemPrompt": "Be a pirate."})
    persona_id = library.create_persona(slug, pirate)["id"]
    if not active:
        library.delete_persona(slug, PersonaReference.model_validate({"personaId": persona_id}))
    return persona_id


# -- create, show, list ------------------------------------------------------------------------------------


def test_an_app_is_created_and_its_secret_works() -> None:
    slug = new_slug()

    assert done("app", "create", slug, *REQUIRED, secret=SECRET) == f"{slug}: app created\n"

    assert persona(slug).json["systemPrompt"] == "Be kind."
    assert persona(slug, "another secret").status == 401


def test_an_app_is_shown_with_the_names_of_the_wire(slug: str) -> None:
    shown = show(slug)

    created = shown.pop("createdAt")
    assert shown.pop("updatedAt") == created > 1_700_000_000_000
    assert shown == {
        "slug": slug,
        "isActive": True,
        "name": "An app",
        "modelId": "a-model",
        "replyAsAudio": True,
        "systemPrompt": "Be kind.",
        "personaVersion": "own@1",
        "secrets": [{"validUntil": None}],
    }


def test_an_app_is_shown_without_its_hash(slug: str) -> None:
    output = done("app", "show", slug)

    [hashed] = stored(slug)[0]["secrets"]
    for part in ("salt", "hash", "pepper"):
        assert part not in output
    for value in (hashed["salt"].value, hashed["hash"].value):
        assert value.hex() not in output
    assert SECRET not in output


def test_an_app_is_created_once(slug: str) -> None:
    before = stored(slug)

    result = run("app", "create", slug, *REQUIRED, secret=NEXT)

    assert result.exit_code == 1
    assert result.output == f"Error: App exists already: {slug}\n"
    assert stored(slug) == before


@pytest.mark.parametrize("missing", ["--name", "--model-id", "--system-prompt", "--reply-as-audio"])
@pytest.mark.parametrize("command", [("app", "create"), ("seed", "app")], ids=" ".join)
def test_a_new_app_needs_four_fields(command: tuple[str, str], missing: str) -> None:
    at = REQUIRED.index(missing)
    width = 1 if missing == "--reply-as-audio" else 2
    slug = new_slug()

    result = run(*command, slug, *REQUIRED[:at], *REQUIRED[at + width :], secret=SECRET)

    assert result.exit_code == 2
    assert f"Error: {missing} is needed" in result.output
    assert stored(slug) == []


@pytest.mark.parametrize("slug", ["", "-a", "_a", "Upper", "a b", "a/b", "ü", "a" * 64, "a\n"])
@pytest.mark.parametrize("command", [("app", "show"), ("app", "create"), ("seed", "app")], ids=" ".join)
def test_a_slug_that_may_not_be_one_is_refused(command: tuple[str, str], slug: str) -> None:
    result = run(*command, "--", slug, secret=SECRET)

    assert result.exit_code == 2
    assert "SLUG" in result.output
    assert "1 to 63 lower-case letters" in result.output


@pytest.mark.parametrize(
    "slug_of", [lambda end: f"0_-{end}", lambda end: end * 5 + "abc"], ids=["signs", "63"]
)
def test_a_slug_may_have_digits_signs_and_63_characters(slug_of: Any) -> None:
    slug = slug_of(uuid4().hex[:12])

    done("app", "create", slug, *REQUIRED, secret=SECRET)

    assert persona(slug).status == 200


def test_the_list_names_every_app_and_whether_it_is_active(slug: str) -> None:
    other = new_slug()
    done("app", "create", other, *REQUIRED, secret=SECRET)
    done("app", "disable", other)

    lines = {line.split()[0]: line.split()[1:] for line in done("app", "list").splitlines()}

    assert lines[slug] == ["active", "An", "app"]
    assert lines[other] == ["disabled", "An", "app"]
    assert list(lines) == sorted(lines)


# -- update ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AppFields.model_fields)
def test_every_field_of_an_app_can_be_set_alone(slug: str, name: str) -> None:
    before = show(slug)
    arguments, value = FIELDS[name]

    assert done("app", "update", slug, *arguments) == f"{slug}: app updated\n"

    shown = show(slug)
    alias = AppFields.model_fields[name].alias
    version = "own@2" if name in PersonaFields.versioned else "own@1"
    expected = {alias: value, "updatedAt": shown["updatedAt"], "personaVersion": version}
    assert shown == before | expected
    assert type(shown[alias]) is type(value)


@pytest.mark.parametrize("command", [("app", "create"), ("seed", "app")], ids=" ".join)
def test_a_new_app_can_have_every_field(command: tuple[str, str]) -> None:
    slug = new_slug()
    arguments = [argument for name in AppFields.model_fields for argument in FIELDS[name][0]]

    done(*command, slug, *arguments, secret=SECRET)

    expected = {field.alias: FIELDS[name][1] for name, field in AppFields.model_fields.items()}
    assert show(slug).items() >= expected.items()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--name", ""),
        ("--name", "x" * 1001),
        ("--model-id", ""),
        ("--system-prompt", ""),
        ("--system-prompt", "x" * 100_001),
        ("--temperature", "warm"),
        ("--temperature", "2.1"),
        ("--temperature", "-0.1"),
        ("--temperature", "NaN"),
        ("--temperature", "true"),
        ("--temperature", '"1"'),
        ("--temperature", ""),
        ("--token-expire-minutes", "0"),
        ("--token-expire-minutes", "1441"),
        ("--max-actions-per-turn", "-1"),
        ("--max-actions-per-turn", "1.5"),
        ("--max-actions-per-turn", "1001"),
        ("--max-actions-per-turn", "null"),
        ("--handoff-webhook-url", "http://desk.example/in"),
        ("--handoff-webhook-url", ""),
        ("--handoff-webhook-url", "https://169.254.169.254/latest"),
        ("--handoff-expiration-seconds", "-5"),
        ("--knowledge-threshold", "1.01"),
        ("--knowledge-threshold", "Infinity"),
        ("--knowledge-threshold", "1e-200"),
        ("--ui-strings", "[]"),
        ("--ui-strings", "{oops"),
        ("--browser-scope", "everything"),
        ("--voice", "x" * 10_001),
        ("--voice", "\udcff"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_option(slug: str, option: str, value: str) -> None:
    before = stored(slug)

    result = run("app", "update", slug, option, value)

    assert result.exit_code == 2
    assert f"Error: {option} is refused: " in result.output
    assert stored(slug) == before


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--slug", "another"), id="slug"),
        pytest.param(("--is-active",), id="active"),
        pytest.param(("--secret", "x"), id="secret"),
        pytest.param(("--colour", "red"), id="unknown"),
    ],
)
def test_what_is_no_field_is_no_option(slug: str, arguments: tuple[str, ...]) -> None:
    result = run("app", "update", slug, *arguments)

    assert result.exit_code == 2
    assert "No such option" in result.output


def test_an_update_without_options_says_so(slug: str) -> None:
    result = run("app", "update", slug)

    assert result.exit_code == 2
    assert "Nothing to change" in result.output


def test_a_text_can_be_read_from_a_file(slug: str, tmp_path: Path) -> None:
    file = tmp_path / "prompt.md"
    file.write_text("Say “grüezi”.\n", encoding="utf-8")

    done("app", "update", slug, "--system-prompt", f"@{file}")

    assert show(slug)["systemPrompt"] == "Say “grüezi”.\n"


@pytest.mark.parametrize("content", [None, b"\xff"], ids=["missing", "no text"])
def test_a_file_that_cannot_be_read_is_named(slug: str, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "prompt.md"
    if content is not None:
        file.write_bytes(content)

    result = run("app", "update", slug, "--system-prompt", f"@{file}")

    assert result.exit_code == 2
    assert str(file) in result.output.replace("\n", "")
    assert show(slug)["systemPrompt"] == "Be kind."


@pytest.mark.parametrize("name", OPTIONAL)
def test_every_optional_field_can_be_cleared(slug: str, name: str) -> None:
    before = show(slug)
    done("app", "update", slug, *FIELDS[name][0])

    done("app", "update", slug, "--clear", name.replace("_", "-"))

    version = "own@3" if name in PersonaFields.versioned else "own@1"
    assert show(slug) | {"updatedAt": 0} == before | {"updatedAt": 0, "personaVersion": version}


def test_several_fields_are_cleared_and_set_in_one_go(slug: str) -> None:
    done("app", "update", slug, "--voice", "Puck", "--persona-tone", "warm")

    done("app", "update", slug, "--clear", "voice", "--clear", "persona_tone", "--temperature", "1")

    shown = show(slug)
    assert shown["temperature"] == 1
    assert not {"voice", "personaTone"} & set(shown)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(("--clear", "name"), "--clear takes one of: ", id="required field"),
        pytest.param(("--clear", "system-prompt"), "--clear takes one of: ", id="prompt"),
        pytest.param(("--clear", "secrets"), "--clear takes one of: ", id="no field"),
        pytest.param(("--clear", "voice", "--voice", "Puck"), "both set and cleared", id="set and cleared"),
    ],
)
def test_what_cannot_be_cleared_is_refused(slug: str, arguments: tuple[str, ...], text: str) -> None:
    before = stored(slug)

    result = run("app", "update", slug, *arguments)

    assert result.exit_code == 2
    assert text in result.output
    assert stored(slug) == before


@pytest.mark.parametrize("stored", [None, "inactive", "another app's"], ids=str)
def test_a_persona_is_linked_only_if_the_library_has_it_active(slug: str, stored: str | None) -> None:
    pirate = "nobody"
    if stored:
        pirate = in_library(slug if stored == "inactive" else new_slug(), active=stored != "inactive")
    before = show(slug)

    result = run("app", "update", slug, "--persona-id", pirate, "--voice", "Puck")

    assert result.exit_code == 1
    assert result.output == "Error: Persona not found\n"
    assert show(slug) == before


def test_a_persona_is_linked_by_its_present_version_and_cleared(slug: str) -> None:
    pirate = in_library(slug)
    change = PersonaChange.model_validate({"personaId": pirate, "personaTone": "loud"})
    library.update_persona(slug, change)

    done("app", "update", slug, "--persona-id", pirate, "--voice", "Puck")

    shown = show(slug)
    assert (shown["personaId"], shown["personaVersion"]) == (pirate, f"{pirate}@2")
    assert shown["voice"] == "Puck"
    assert persona(slug).json["systemPrompt"] == "Be a pirate."
    done("app", "update", slug, "--clear", "persona-id")
    assert "personaId" not in show(slug)
    assert show(slug)["personaVersion"] == "own@2"
    assert persona(slug).json["systemPrompt"] == "Be kind."


def test_a_link_is_not_both_set_and_cleared(slug: str) -> None:
    result = run("app", "update", slug, "--persona-id", in_library(slug), "--clear", "persona-id")

    assert result.exit_code == 2
    assert "--persona-id is both set and cleared" in result.output


@pytest.mark.parametrize("arguments", [("--persona-id", "x"), ("--clear", "persona-id")], ids=" ".join)
def test_nothing_is_linked_to_an_unknown_app(arguments: tuple[str, ...]) -> None:
    slug = new_slug()

    assert run("app", "update", slug, *arguments).exit_code == 1
    assert stored(slug) == []


@pytest.mark.parametrize(
    "arguments",
    [("show",), ("update", "--voice", "Puck"), ("disable",), ("enable",), ("rotate-secret",)],
    ids=lambda arguments: arguments[0],
)
def test_an_app_that_is_not_there_is_not_found(arguments: tuple[str, ...]) -> None:
    slug = new_slug()

    result = run("app", arguments[0], slug, *arguments[1:], secret=SECRET)

    assert result.exit_code == 1
    assert result.output == f"Error: App not found: {slug}\n"
    assert stored(slug) == []


# -- secrets -----------------------------------------------------------------------------------------------

TAKE_SECRETS = [
    pytest.param(("app", "create"), REQUIRED, id="create"),
    pytest.param(("app", "rotate-secret"), (), id="rotate"),
    pytest.param(("seed", "app"), REQUIRED, id="seed app"),
]


@pytest.mark.parametrize(("command", "options"), TAKE_SECRETS)
@pytest.mark.parametrize(
    "end", ["", "\n", "\r\n", "\nsecond line\n"], ids=["bare", "LF", "CRLF", "two lines"]
)
def test_a_secret_comes_from_standard_input(
    command: tuple[str, str], options: tuple[str, ...], end: str
) -> None:
    slug = new_slug()
    if command[1] == "rotate-secret":
        done("app", "create", slug, *REQUIRED, secret=SECRET)

    output = done(*command, slug, *options, "--secret-stdin", stdin=NEXT + end, secret="not this one")

    assert persona(slug, NEXT).status == 200
    assert NEXT not in output


@pytest.mark.parametrize(("command", "options"), TAKE_SECRETS)
def test_a_secret_comes_from_a_variable_and_is_not_echoed(
    command: tuple[str, str], options: tuple[str, ...]
) -> None:
    slug = new_slug()
    if command[1] == "rotate-secret":
        done("app", "create", slug, *REQUIRED, secret=SECRET)

    output = done(*command, slug, *options, secret=NEXT)

    assert persona(slug, NEXT).status == 200
    assert NEXT not in output


@pytest.mark.parametrize(("command", "options"), TAKE_SECRETS)
@pytest.mark.parametrize("option", ["--secret", "--app-secret", "--password"])
def test_a_secret_is_never_an_argument(
    command: tuple[str, str], options: tuple[str, ...], option: str
) -> None:
    slug = new_slug()

    result = run(*command, slug, *options, option, NEXT, secret=SECRET)

    assert result.exit_code == 2
    assert "No such option" in result.output
    assert NEXT not in result.output
    assert stored(slug) == []


@pytest.mark.parametrize(("command", "options"), TAKE_SECRETS)
def test_without_a_secret_and_a_terminal_a_sentence_says_how_to_give_one(
    command: tuple[str, str], options: tuple[str, ...]
) -> None:
    result = run(*command, new_slug(), *options)

    assert result.exit_code == 1
    assert result.output == "Error: Give the secret: set APP_SECRET, or use --secret-stdin.\n"


@pytest.mark.parametrize("command", [("app", "create"), ("seed", "app")], ids=" ".join)
@pytest.mark.parametrize(
    "secret",
    [
        "short77",
        "x" * 501,
        " begins with a space",
        "ends with a tab\t",
        "has \x07 a bell",
        "gvs_like_a_token",
    ],
    ids=["short", "long", "space", "tab", "bell", "token"],
)
def test_a_secret_that_may_not_be_one_is_refused_and_not_echoed(
    command: tuple[str, str], secret: str
) -> None:
    slug = new_slug()

    result = run(*command, slug, *REQUIRED, secret=secret)

    assert result.exit_code == 1
    assert result.output.startswith("Error: An app secret ")
    assert secret.strip() not in result.output
    assert stored(slug) == []


@pytest.mark.parametrize("stdin", ["", "\n"], ids=["nothing", "an empty line"])
def test_an_empty_secret_on_standard_input_is_refused(slug: str, stdin: str) -> None:
    result = run("app", "rotate-secret", slug, "--secret-stdin", stdin=stdin, secret=NEXT)

    assert result.exit_code == 1
    assert "8 to 500 characters" in result.output
    assert persona(slug).status == 200


@pytest.mark.parametrize(
    ("options", "hours"),
    [((), 24), (("--overlap", "90m"), 1.5), (("--overlap", "7200s"), 2), (("--overlap", "3d"), 72)],
    ids=["24h by default", "minutes", "seconds", "days"],
)
def test_after_a_rotation_both_secrets_work_until_the_overlap_ends(
    options: tuple[str, ...], hours: float
) -> None:
    with time_machine.travel("2026-04-07T12:00:00Z", tick=False) as clock:
        slug = new_slug()
        done("app", "create", slug, *REQUIRED, secret=SECRET)

        assert done("app", "rotate-secret", slug, *options, secret=NEXT) == f"{slug}: secret rotated\n"

        until = 1_775_563_200_000 + hours * 3_600_000
        assert show(slug)["secrets"] == [{"validUntil": None}, {"validUntil": until}]
        clock.shift(hours * 3600 - 1)
        assert [persona(slug, each).status for each in (SECRET, NEXT)] == [200, 200]
        clock.shift(2)
        assert [persona(slug, each).status for each in (SECRET, NEXT)] == [401, 200]
        assert show(slug)["secrets"] == [{"validUntil": None}]


def test_without_overlap_the_present_secret_ends_at_once(slug: str) -> None:
    assert persona(slug).status == 200

    done("app", "rotate-secret", slug, "--overlap", "0s", secret=NEXT)

    assert [persona(slug, each).status for each in (SECRET, NEXT)] == [401, 200]
    assert len(stored(slug)[0]["secrets"]) == 1


def test_never_more_than_two_secrets_work(slug: str) -> None:
    done("app", "rotate-secret", slug, secret=NEXT)

    done("app", "rotate-secret", slug, secret="the third secret")

    works = [persona(slug, each).status for each in (SECRET, NEXT, "the third secret")]
    assert works == [401, 200, 200]


def test_rotating_to_the_present_secret_ends_the_overlap(slug: str) -> None:
    done("app", "rotate-secret", slug, secret=NEXT)

    done("app", "rotate-secret", slug, secret=NEXT)

    assert [persona(slug, each).status for each in (SECRET, NEXT)] == [401, 200]


@pytest.mark.parametrize("overlap", ["", "24", "-1h", "1w", "1.5h", "31d", "721h", "99999999s", "٣h"])
def test_an_overlap_that_may_not_be_one_is_refused(slug: str, overlap: str) -> None:
    result = run("app", "rotate-secret", slug, "--overlap", overlap, secret=NEXT)

    assert result.exit_code == 2
    assert "--overlap" in result.output
    assert persona(slug).status == 200
    assert persona(slug, NEXT).status == 401


# -- disable, enable ---------------------------------------------------------------------------------------


def test_a_disabled_app_is_refused_at_once_and_again_accepted_when_enabled(slug: str) -> None:
    opened = call("POST", "/api/auth/session", body={"appSlug": slug, "appSecret": SECRET}).json
    token = {"authorization": f"Bearer {opened['sessionToken']}"}
    assert persona(slug).status == call("GET", "/api/persona", headers=token).status == 200

    assert done("app", "disable", slug) == f"{slug}: app disabled\n"

    for reply in (persona(slug), call("GET", "/api/persona", headers=token)):
        assert (reply.status, reply.json) == (401, {"error": "Unauthorized"})
    assert show(slug)["isActive"] is False

    assert done("app", "enable", slug) == f"{slug}: app enabled\n"

    assert persona(slug).status == call("GET", "/api/persona", headers=token).status == 200


# -- seed --------------------------------------------------------------------------------------------------


def test_an_app_is_seeded_again_and_again() -> None:
    slug = new_slug()

    assert done("seed", "app", slug, *REQUIRED, secret=SECRET) == f"{slug}: app created\n"
    done("app", "update", slug, "--voice", "Puck")
    done("app", "disable", slug)
    again = done("seed", "app", slug, *REQUIRED[2:], "--name", "Another", secret=SECRET)

    assert again == f"{slug}: app updated\n"
    assert show(slug).items() >= {"name": "Another", "voice": "Puck", "isActive": False}.items()


@pytest.fixture
def _no_demos() -> None:
    """The demos' slugs are everybody's."""
    with Item.batch_write() as batch:
        for slug in SLUGS:
            for row in read_rows(slug):
                batch.delete(Item(row["pk"], row["sk"]))


@pytest.mark.usefixtures("_no_demos")
def test_the_demos_are_seeded_with_one_secret_and_a_line_per_step() -> None:
    lines = done("seed", "demos", secret=SECRET).splitlines()

    assert [line for line in lines if " app " in line] == [f"{slug}: app created" for slug in SLUGS]
    assert lines[-1] == f"{SLUGS[-1]}: state reset"
    for slug in SLUGS:
        assert persona(slug).status == 200
        state = call("GET", "/api/scenario-state", query={"appSlug": slug, "appSecret": SECRET}).json["state"]
        assert state == load_initial_state(slug)
    assert SECRET not in "".join(lines)


def test_the_demos_need_a_secret() -> None:
    result = run("seed", "demos")

    assert result.exit_code == 1
    assert result.output == "Error: Give the secret: set DEMO_SECRET, or use --secret-stdin.\n"


# -- help --------------------------------------------------------------------------------------------------


def commands() -> list[tuple[str, ...]]:
    groups = {name: group for name, group in cli.commands.items() if isinstance(group, click.Group)}
    return [(), *[(name,) for name in cli.commands]] + [
        (name, each) for name, group in groups.items() for each in group.commands
    ]


@pytest.mark.parametrize("command", commands(), ids=lambda command: " ".join(command) or "genai-voice")
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_explains_itself(command: tuple[str, ...], flag: str) -> None:
    output = done(*command, flag)

    assert output.startswith(f"Usage: {' '.join(('genai-voice', *command))} ")
    described = output.split("\n\n")[1]
    assert described.strip()


@pytest.mark.parametrize("command", [("app", "create"), ("app", "update"), ("seed", "app")], ids=" ".join)
def test_help_explains_every_field(command: tuple[str, str]) -> None:
    output = " ".join(done(*command, "--help").split())

    for name, field in AppFields.model_fields.items():
        assert f"--{name.replace('_', '-')}" in output
        assert str(field.description) in output
