"""Every command of operators, whatever it is for: declared, audited or reading, JSON, no secret in it."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from genai_voice.demos.scenarios import SLUGS
from genai_voice.foundation.clock import make_time_ordered_id
from genai_voice.tenancy.hashing import hash_token

from tests.support.operator import list_operator_commands, run
from tests.support.samples import store_failed_delivery
from tests.support.service import Client, create_app, read_rows, record_calls

SECRET = "a secret for operators"
NEW = ("--name", "An app", "--model-id", "a-model", "--reply-as-audio", "--system-prompt", "Be kind.")


@dataclass(frozen=True)
class Example:
    """One way to use a command; APP and NEW-APP stand for slugs."""

    arguments: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    of: tuple[str, ...] = ("APP",)
    """The apps that are changed."""


CHANGING = {
    "app create": Example(("NEW-APP", *NEW), {"APP_SECRET": SECRET}, ("NEW-APP",)),
    "app update": Example(("APP", "--voice", "Puck")),
    "app rotate-secret": Example(("APP",), {"APP_SECRET": SECRET}),
    "app disable": Example(("APP",)),
    "app enable": Example(("APP",)),
    "seed app": Example(("APP", *NEW), {"APP_SECRET": SECRET}),
    "seed demos": Example((), {"DEMO_SECRET": SECRET}, SLUGS),
    "conversations backfill": Example(("--app", "APP")),
    "conversations resolve-stale": Example(("--app", "APP", "--older-than", "0s")),
    "app webhook-secret rotate": Example(("APP",)),
    "webhooks enable": Example(("APP",)),
    "webhooks redrive": Example(("--app", "APP")),
    "tokens revoke": Example(("--session",), {"SESSION_TOKEN": "TOKEN"}),
}
READING = {
    "app list": Example(()),
    "app show": Example(("APP",)),
    "audit": Example(("--app", "APP")),
    "conversations dump": Example(("--app", "APP")),
    "conversations stats": Example(("--app", "APP")),
    "usage": Example(("--app", "APP", "--month", "2026-11")),
}
DRY = {
    "conversations backfill --dry-run": Example(("--app", "APP")),
    "conversations resolve-stale --dry-run": Example(("--app", "APP", "--older-than", "0s")),
    "webhooks redrive --dry-run": Example(("--app", "APP")),
}


READONLY = READING | DRY
ALL = CHANGING | READONLY


def effect(command: str) -> str | None:
    return getattr(list_operator_commands()[command].callback, "effect", None)


@dataclass(frozen=True)
class Setting:
    """An app with something in it for every command, and a slug that is free."""

    app: Client
    token: str

    def play(self, command: str, example: Example, *more: str) -> Any:
        names = {"APP": self.app.slug, "NEW-APP": f"{self.app.slug}-2", "TOKEN": self.token}
        arguments = [names.get(each, each) for each in example.arguments]
        variables = {name: names.get(value, value) for name, value in example.variables.items()}
        result = run(*command.split(), *arguments, *more, **variables)
        assert result.exit_code == 0, result.output
        return result

    def apps_of(self, example: Example) -> list[str]:
        names = {"APP": self.app.slug, "NEW-APP": f"{self.app.slug}-2"}
        return [names.get(each, each) for each in example.of]


@pytest.fixture
def setting(engine: None) -> Setting:
    app = create_app()
    assert app.post("/api/conversations", {"sessionId": "s"}).status == 200
    message = {"sessionId": "s", "participantIdentity": "u", "role": "user", "content": "hello"}
    sent = app.post("/api/messages", {"messages": [message | {"isFinal": True, "createdAt": 1}]})
    assert sent.status == 200
    store_failed_delivery(app.slug, make_time_ordered_id())
    return Setting(app, app.open_session())


def audit(slug: str) -> list[dict[str, Any]]:
    return [row for row in read_rows(slug) if row["kind"] == "audit"]


@pytest.mark.parametrize("command", list_operator_commands())
def test_every_command_is_declared_to_read_or_to_change(command: str) -> None:
    expected = "changes" if command in CHANGING else "reads" if command in READING else None
    assert effect(command) == expected
    assert expected, "give it an example above"


@pytest.mark.parametrize("command", CHANGING)
def test_a_change_is_recorded_before_it_is_made_and_its_outcome_after(command: str, setting: Setting) -> None:
    example = CHANGING[command]
    before = {slug: len(audit(slug)) for slug in setting.apps_of(example)}
    with record_calls() as calls:
        setting.play(command, example)
    assert calls.written[0].startswith("ID#")
    assert calls.written[-1].startswith("ID#")
    for slug in setting.apps_of(example):
        *_, row = audit(slug)
        assert len(audit(slug)) == before[slug] + 1
        assert (row["command"], row["outcome"]) == (command, "done")
        assert row["finished_at"] >= row["created_at"]
        assert row["actor"]


@pytest.mark.parametrize("command", list(READONLY))
def test_what_reads_writes_nothing(command: str, setting: Setting) -> None:
    with record_calls() as calls:
        setting.play(command, READONLY[command])
    assert set(calls.operations) <= {"Query", "GetItem", "BatchGetItem"}


@pytest.mark.parametrize("command", list(ALL))
def test_with_json_every_line_is_an_object(command: str, setting: Setting) -> None:
    if command == "audit":
        setting.play("app disable", CHANGING["app disable"])
    result = setting.play(command, ALL[command], "--json")
    printed = [json.loads(line) for line in result.stdout.splitlines()]
    assert printed
    assert all(isinstance(each, dict) for each in printed)


@pytest.mark.parametrize("command", list(ALL))
def test_no_command_prints_or_records_a_secret_or_a_token(command: str, setting: Setting) -> None:
    if command not in ("app create", "tokens revoke"):
        setting.play("tokens revoke", CHANGING["tokens revoke"])
    told = setting.play(command, ALL[command], "--json").output
    for slug in setting.apps_of(ALL[command]):
        told += run("audit", "--app", slug).output + str(audit(slug))
    hashed = [each for row in read_rows(setting.app.slug) for each in row.get("secrets", ())]
    assert hashed
    for hidden in (SECRET, setting.app.secret, setting.token, hash_token(setting.token)):
        assert hidden not in told
    for each in hashed:
        assert each["hash"].value.hex() not in told
        assert each["salt"].value.hex() not in told
