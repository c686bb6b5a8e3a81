"""`genai-voice app`: apps are created, changed and switched."""

import json
from collections.abc import Iterator
from typing import Any

import click
from genai_voice.personas import library
from genai_voice.tenancy import apps, webhook_settings
from genai_voice.tenancy.fields import AppFields, NewApp

from local.cli.app_fields import add_app_fields, format_flag, read_fields
from local.cli.command import Audit, Line, declare_changing, declare_reading
from local.cli.options import Duration, Slug, add_secret_option


@click.group()
def app() -> None:
    """The apps: tenants, each with its agent, its secret and its data."""


def _report(slug: str, what: str) -> Line:
    return Line({"app": slug, "done": what}, f"{slug}: {what}")


@app.command()
@click.argument("slug", type=Slug())
@add_app_fields
@add_secret_option("APP_SECRET")
@declare_changing
def create(slug: str, secret: str, audit: Audit, **options: Any) -> Iterator[Line]:
    """Create an app. A TEXT that begins with @ names a file that holds it."""
    fields = read_fields(NewApp, options)
    with audit(slug):
        apps.create_app(slug, fields, secret)
    yield _report(slug, "app created")


@app.command("list")
@declare_reading
def list_() -> Iterator[Line]:
    """All apps."""
    for each in apps.list_apps():
        yield Line(each, f"{each['slug']:30} {'active' if each['isActive'] else 'disabled':9} {each['name']}")


@app.command()
@click.argument("slug", type=Slug())
@declare_reading
def show(slug: str) -> Iterator[Line]:
    """All fields of an app, as JSON. Secrets are stored hashed and cannot be shown."""
    shown = apps.show_app(slug)
    yield Line(shown, json.dumps(shown, indent=2, ensure_ascii=False))


@app.command()
@click.argument("slug", type=Slug())
@add_app_fields
@click.option("--persona-id", metavar="TEXT", help="a persona of the library that replaces the app's own")
@click.option("--clear", multiple=True, metavar="FIELD", help="remove an optional field; may be given again")
@declare_changing
def update(
    slug: str, persona_id: str | None, clear: tuple[str, ...], audit: Audit, **options: Any
) -> Iterator[Line]:
    """Change fields of an app. A TEXT that begins with @ names a file that holds it."""
    fields = read_fields(AppFields, options)
    given = fields.model_fields_set | ({"persona_id"} if persona_id else set())
    cleared = _read_cleared(clear, given)
    if not cleared and not given:
        raise click.UsageError("Nothing to change: give an option (see --help)")
    with audit(slug):
        if "persona_id" in cleared | given:
            library.link_persona(slug, persona_id)
        apps.update_app(slug, fields, cleared - {"persona_id"})
    yield _report(slug, "app updated")


def _read_cleared(clear: tuple[str, ...], given: set[str]) -> frozenset[str]:
    """Read the fields that --clear names. Raises UsageError for one that an app must have, or that is set
    too.
    """
    optional = [name for name in AppFields.model_fields if not NewApp.model_fields[name].is_required()]
    optional.append("persona_id")
    cleared = frozenset(name.removeprefix("--").replace("-", "_") for name in clear)
    if cleared - set(optional):
        raise click.UsageError(
            f"--clear takes one of: {', '.join(format_flag(name).removeprefix('--') for name in optional)}"
        )
    if both := cleared & given:
        raise click.UsageError(f"{format_flag(min(both))} is both set and cleared")
    return cleared


@app.command("rotate-secret")
@click.argument("slug", type=Slug())
@click.option(
    "--overlap",
    type=Duration(),
    default="24h",
    show_default=True,
    help="how long the present secret stays valid",
)
@add_secret_option("APP_SECRET")
@declare_changing
def rotate_secret(slug: str, overlap: int, secret: str, audit: Audit) -> Iterator[Line]:
    """Give an app a new secret. Two are valid during the overlap; 0s ends the present one within 30
    seconds.
    """
    with audit(slug):
        apps.rotate_secret(slug, secret, overlap)
    yield _report(slug, "secret rotated")


@app.command()
@click.argument("slug", type=Slug())
@declare_changing
def disable(slug: str, audit: Audit) -> Iterator[Line]:
    """Refuse every credential of an app, within 30 seconds everywhere."""
    with audit(slug):
        apps.set_active(slug, False)
    yield _report(slug, "app disabled")


@app.command()
@click.argument("slug", type=Slug())
@declare_changing
def enable(slug: str, audit: Audit) -> Iterator[Line]:
    """Accept the credentials of a disabled app again."""
    with audit(slug):
        apps.set_active(slug, True)
    yield _report(slug, "app enabled")


@app.group("webhook-secret")
def webhook_secret() -> None:
    """The secret that an app's webhooks are signed with."""


@webhook_secret.command()
@click.argument("slug", type=Slug())
@click.option(
    "--overlap",
    type=Duration(),
    default="24h",
    show_default=True,
    help="how long the present secret signs too",
)
@declare_changing
def rotate(slug: str, overlap: int, audit: Audit) -> Iterator[Line]:
    """Sign an app's webhooks with a new secret, which is printed now and never again.

    Webhooks carry two signatures during the overlap. Rotated again within it, the older secret ends.
    """
    with audit(slug):
        secret = webhook_settings.rotate_secret(slug, overlap)
    yield Line({"app": slug, "secret": secret}, secret)
