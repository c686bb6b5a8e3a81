"""`genai-voice seed`: an app, or the demo scenarios, are put into the table."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import click
from genai_voice.demos.scenarios import SLUGS
from genai_voice.seeding import service as seeding
from genai_voice.tenancy.fields import NewApp

from local.cli.app_fields import add_app_fields, read_fields
from local.cli.command import Audit, Line, declare_changing
from local.cli.options import Slug, add_secret_option


@click.group()
def seed() -> None:
    """Put an app, or the demo scenarios, into the table; again and again without harm."""


def _parse_step(line: str) -> Line:
    slug, _, done = line.partition(": ")
    return Line({"app": slug, "done": done}, line)


@seed.command("app")
@click.argument("slug", type=Slug())
@add_app_fields
@add_secret_option("APP_SECRET")
@declare_changing
def seed_app(slug: str, secret: str, audit: Audit, **options: Any) -> Iterator[Line]:
    """Create an app, or replace the given fields and the secret of one that exists."""
    fields = read_fields(NewApp, options)
    with audit(slug):
        line = seeding.seed_app(slug, fields, secret)
    yield _parse_step(line)


@seed.command("demos")
@add_secret_option("DEMO_SECRET")
@declare_changing
def seed_demos(secret: str, audit: Audit) -> Iterator[Line]:
    """The three demo apps, which share one secret, with all they need; their scenario state begins anew."""
    with ExitStack() as recording:
        results = {slug: recording.enter_context(audit(slug)) for slug in SLUGS}
        for line in map(_parse_step, seeding.seed_demos(secret)):
            result = results[line.data["app"]]
            result["steps"] = result.get("steps", 0) + 1
            yield line
