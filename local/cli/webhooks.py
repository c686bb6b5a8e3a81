"""`genai-voice webhooks`: what an app could not be told is sent again."""

from collections.abc import Iterator
from contextlib import nullcontext

import click
from genai_voice.tenancy import apps, webhook_settings
from genai_voice.webhooks import deliveries

from local.cli.command import Audit, Line, declare_changing
from local.cli.options import Slug, dry_run, one_app
from local.cli.progress import show_progress


@click.group()
def webhooks() -> None:
    """What apps are told of their own events."""


@webhooks.command()
@one_app
@dry_run
@declare_changing
def redrive(app: str, dry_run: bool, audit: Audit) -> Iterator[Line]:
    """Send every delivery again that was given up. Each keeps its id, and has all its attempts anew."""
    apps.check_app(app)
    with nullcontext(dict[str, int]()) if dry_run else audit(app) as result:
        result["deliveries"] = 0
        with show_progress(f"{app}: deliveries") as advance:
            for each in deliveries.redrive(app, dry_run=dry_run):
                result["deliveries"] += 1
                advance()
                would = "would be" if dry_run else "is"
                yield Line({"app": app, "deliveryId": each}, f"{app} {each}: {would} sent again")
    click.echo(f"{app}: {result['deliveries']:,} deliveries {'would be' if dry_run else 'are'} due", err=True)


@webhooks.command()
@click.argument("slug", type=Slug())
@declare_changing
def enable(slug: str, audit: Audit) -> Iterator[Line]:
    """Use an app's address again that has answered 410. What was given up meanwhile waits for redrive."""
    with audit(slug):
        webhook_settings.enable(slug)
    yield Line({"app": slug, "done": "address enabled"}, f"{slug}: address enabled")
