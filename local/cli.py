"""The operator command line: apps are created, changed and seeded, in the local engine or in a deployed
table.

A secret is never an argument, which other users of the machine could read: it comes from a variable, from
standard input or from a prompt.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from genai_voice.foundation.errors import Refused
from genai_voice.foundation.settings import SettingsError
from genai_voice.personas import library
from genai_voice.seeding import service as seeding
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields, NewApp, Slug
from pydantic import TypeAdapter, ValidationError

from local.connection import connect
from local.errors import LocalError

_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_OVERLAP_MS = 30 * _UNITS_MS["d"]

Command = Callable[..., Any]


def main() -> None:
    """The `genai-voice` command."""
    cli()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Work on the service that `make run` has started.

    With TABLE_NAME, AWS_REGION and DEPLOYMENT_SECRET_ARN (outputs of the stack) and AWS credentials in the
    environment, work on the deployed one.
    """


@cli.group()
def app() -> None:
    """The apps: tenants, each with its agent, its secret and its data."""


@cli.group()
def seed() -> None:
    """Put an app, or the demo scenarios, into the table; again and again without harm."""


def _operation(command: Command) -> Command:
    """Connects first, and says what went wrong in a sentence."""
    from botocore.exceptions import BotoCoreError
    from pynamodb.exceptions import PynamoDBException

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            connect()
            command(*arguments, **options)
        except (Refused, LocalError, SettingsError, ValueError) as wrong:
            raise click.ClickException(str(wrong)) from None
        except (PynamoDBException, BotoCoreError) as wrong:
            raise click.ClickException(f"The table cannot be used: {wrong}") from None

    return run


class _Slug(click.ParamType[str]):
    name = "SLUG"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return TypeAdapter[str](Slug).validate_python(value)
        except ValidationError:
            self.fail(
                "must be 1 to 63 lower-case letters, digits, - and _, a letter or digit first", param, ctx
            )


class _Duration(click.ParamType[int]):
    name = "DURATION"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"([0-9]{1,7})([smhd])", value)
        if match is None or int(match[1]) * _UNITS_MS[match[2]] > _LONGEST_OVERLAP_MS:
            self.fail("must be a number with s, m, h or d, at most 30d: 24h", param, ctx)
        return int(match[1]) * _UNITS_MS[match[2]]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _kinds() -> dict[str, str]:
    """Of each field the JSON type: string, number, integer or boolean."""
    properties = AppFields.model_json_schema(by_alias=False)["properties"]
    return {
        name: next(each.get("type", "number") for each in shape["anyOf"])
        for name, shape in properties.items()
    }


def _app_fields(command: Command) -> Command:
    """An option for every field of an app, made from its declaration."""
    for name, kind in reversed(_kinds().items()):
        text = AppFields.model_fields[name].description
        flags = f"{_flag(name)}/{_flag('no_' + name)}" if kind == "boolean" else _flag(name)
        metavar = {"boolean": None, "string": "TEXT"}.get(kind, "NUMBER")
        command = click.option(flags, name, default=None, metavar=metavar, help=text)(command)
    return command


def _secret_from(variable: str) -> Callable[[Command], Command]:
    """Adds `secret`: from the variable, from standard input, or from a prompt."""

    def add(command: Command) -> Command:
        @click.option(
            "--secret-stdin",
            is_flag=True,
            help=f"read the secret from standard input (else ${variable}, else a prompt)",
        )
        @wraps(command)
        def run(*arguments: Any, secret_stdin: bool, **options: Any) -> None:
            command(*arguments, secret=_secret(variable, secret_stdin), **options)

        return run

    return add


def _secret(variable: str, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if os.environ.get(variable):
        return os.environ[variable]
    if not sys.stdin.isatty():
        raise click.ClickException(f"Give the secret: set {variable}, or use --secret-stdin.")
    return str(click.prompt("Secret", hide_input=True, confirmation_prompt=True))


def _fields(model: type[AppFields], options: dict[str, Any]) -> Any:
    """The given options as the model says. Raises UsageError that names the first wrong one."""
    kinds = _kinds()
    given = {name: _value(kinds[name], value) for name, value in options.items() if value is not None}
    try:
        return model.model_validate(given, by_name=True)
    except ValidationError as wrong:
        fault = wrong.errors()[0]
        reason = "is needed" if fault["type"] == "missing" else f"is refused: {fault['msg']}"
        raise click.UsageError(f"{_flag(_python_name(str(fault['loc'][0])))} {reason}") from None


def _python_name(wire: str) -> str:
    return next((name for name, field in AppFields.model_fields.items() if field.alias == wire), wire)


def _value(kind: str, given: Any) -> Any:
    """Numbers are numbers; `@file` stands for the text in that file."""
    if kind in ("number", "integer"):
        try:
            number = json.loads(given)
        except ValueError:
            return given
        return given if number is None else number
    if isinstance(given, str) and given.startswith("@"):
        try:
            return Path(given[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as reason:
            raise click.UsageError(f"{given[1:]} cannot be read: {reason}") from None
    return given


# -- app ---------------------------------------------------------------------------------------------------


@app.command()
@click.argument("slug", type=_Slug())
@_app_fields
@_secret_from("APP_SECRET")
@_operation
def create(slug: str, secret: str, **options: Any) -> None:
    """Create an app. A TEXT that begins with @ names a file that holds it."""
    fields = _fields(NewApp, options)
    apps.create_app(slug, fields, secret)
    click.echo(f"{slug}: app created")


@app.command("list")
@_operation
def list_() -> None:
    """All apps."""
    for each in apps.list_apps():
        click.echo(f"{each['slug']:30} {'active' if each['isActive'] else 'disabled':9} {each['name']}")


@app.command()
@click.argument("slug", type=_Slug())
@_operation
def show(slug: str) -> None:
    """All fields of an app, as JSON. Secrets are stored hashed and cannot be shown."""
    click.echo(json.dumps(apps.show_app(slug), indent=2, ensure_ascii=False))


@app.command()
@click.argument("slug", type=_Slug())
@_app_fields
@click.option("--persona-id", metavar="TEXT", help="a persona of the library that replaces the app's own")
@click.option("--clear", multiple=True, metavar="FIELD", help="remove an optional field; may be given again")
@_operation
def update(slug: str, persona_id: str | None, clear: tuple[str, ...], **options: Any) -> None:
    """Change fields of an app. A TEXT that begins with @ names a file that holds it."""
    fields = _fields(AppFields, options)
    optional = [name for name in AppFields.model_fields if not NewApp.model_fields[name].is_required()]
    optional.append("persona_id")
    given = fields.model_fields_set | ({"persona_id"} if persona_id else set())
    cleared = {name.removeprefix("--").replace("-", "_") for name in clear}
    unknown = cleared - set(optional)
    if unknown:
        raise click.UsageError(
            f"--clear takes one of: {', '.join(_flag(name).removeprefix('--') for name in optional)}"
        )
    if both := cleared & given:
        raise click.UsageError(f"{_flag(both.pop())} is both set and cleared")
    if not cleared and not given:
        raise click.UsageError("Nothing to change: give an option (see --help)")
    if "persona_id" in cleared | given:
        library.link(slug, persona_id)
    apps.update_app(slug, fields, frozenset(cleared - {"persona_id"}))
    click.echo(f"{slug}: app updated")


@app.command("rotate-secret")
@click.argument("slug", type=_Slug())
@click.option(
    "--overlap",
    type=_Duration(),
    default="24h",
    show_default=True,
    help="how long the present secret stays valid",
)
@_secret_from("APP_SECRET")
@_operation
def rotate_secret(slug: str, overlap: int, secret: str) -> None:
    """Give an app a new secret. Two are valid during the overlap; 0s ends the present one within 30
    seconds.
    """
    apps.rotate_secret(slug, secret, overlap)
    click.echo(f"{slug}: secret rotated")


@app.command()
@click.argument("slug", type=_Slug())
@_operation
def disable(slug: str) -> None:
    """Refuse every credential of an app, within 30 seconds everywhere."""
    apps.set_active(slug, False)
    click.echo(f"{slug}: app disabled")


@app.command()
@click.argument("slug", type=_Slug())
@_operation
def enable(slug: str) -> None:
    """Accept the credentials of a disabled app again."""
    apps.set_active(slug, True)
    click.echo(f"{slug}: app enabled")


# -- seed --------------------------------------------------------------------------------------------------


@seed.command("app")
@click.argument("slug", type=_Slug())
@_app_fields
@_secret_from("APP_SECRET")
@_operation
def seed_app(slug: str, secret: str, **options: Any) -> None:
    """Create an app, or replace the given fields and the secret of one that exists."""
    fields = _fields(NewApp, options)
    click.echo(seeding.seed_app(slug, fields, secret))


@seed.command("demos")
@_secret_from("DEMO_SECRET")
@_operation
def seed_demos(secret: str) -> None:
    """The three demo apps, which share one secret, with all they need; their scenario state begins anew."""
    for line in seeding.seed_demos(secret):
        click.echo(line)


if __name__ == "__main__":
    main()
