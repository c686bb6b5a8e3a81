"""`genai-voice conversations`: conversations are dumped, counted and repaired."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

import click
from genai_voice.conversations import operations
from genai_voice.conversations.lifecycle import STATUSES
from genai_voice.conversations.model import ConversationDump
from genai_voice.guardrails import rules as guardrails
from genai_voice.knowledge import service as knowledge
from genai_voice.personas import service as personas
from genai_voice.telemetry import service as telemetry
from genai_voice.tenancy import apps
from genai_voice.tools import executions, registry

from local.cli.command import Audit, Line, declare_changing, declare_reading
from local.cli.options import Duration, Since, dry_run, one_app, some_apps
from local.cli.progress import show_progress


@click.group()
def conversations() -> None:
    """What was said: conversations and their transcripts."""


def _list_apps(app: str | None) -> Iterator[str]:
    """List the one app that was named, or all."""
    return iter([apps.check_app(app)]) if app else apps.list_slugs()


# -- reading -----------------------------------------------------------------------------------------------


@conversations.command()
@one_app
@click.option("--status", type=click.Choice(STATUSES), help="those of this status alone")
@click.option("--since", type=Since(), default="1970-01-01", help="first saved since a UTC day, or 24h ago")
@click.option("--limit", type=click.IntRange(1), help="the newest so many")
@declare_reading
def dump(app: str, status: str | None, since: int, limit: int | None) -> Iterator[Line]:
    """Conversations with their whole transcripts, newest first.

    Costs a read of each row; one conversation is held at a time.
    """
    apps.check_app(app)
    with show_progress(f"{app}: conversations") as advance:
        for each in operations.dump(app, status=status, since_ms=since, limit=limit):
            yield Line(each, _format_conversation(each))
            advance()


def _format_conversation(view: ConversationDump) -> str:
    began = datetime.fromtimestamp(view["_creationTime"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    said = [f"  {item['role']}: {item['content']}" for item in view.get("transcript", [])]
    if view.get("transcriptOmitted"):
        said = ["  (a part of the transcript is missing)"]
    return "\n".join([f"{view['sessionId']}  {began}  {view['status']}", *said, ""])


@conversations.command()
@some_apps
@declare_reading
def stats(app: str | None) -> Iterator[Line]:
    """Counts per app and kind of row.

    Reads the rows that it counts, but of conversations their entries in the index alone. Messages and batches
    of events are found by their conversation.
    """
    for slug in _list_apps(app):
        yield _count_rows(slug)


def _count_rows(app: str) -> Line:
    """Count an app's rows of each kind."""
    statuses = operations.count_by_status(app)
    messages = batches = 0
    with show_progress(f"{app}: sessions", sum(statuses.values())) as advance:
        for session in operations.list_partitions(app):
            messages += operations.count_messages(session)
            batches += telemetry.count_batches(session)
            advance()
    counts = {
        "messages": messages,
        "eventBatches": batches,
        "executions": executions.count_executions(app),
        "tools": registry.count_tools(app),
        "rules": guardrails.count(app),
        "personas": personas.count_personas(app),
        "documents": knowledge.count_documents(app),
    }
    data: dict[str, Any] = {"app": app, "conversations": statuses, **counts}
    lines = [*(f"conversations {name}" for name in statuses), *counts]
    numbers = [*statuses.values(), *counts.values()]
    table = [f"  {name:25} {number:>12,}" for name, number in zip(lines, numbers, strict=True)]
    return Line(data, "\n".join([app, *table]))


# -- repairing ---------------------------------------------------------------------------------------------


@conversations.command("resolve-stale")
@some_apps
@click.option(
    "--older-than",
    type=Duration(),
    default="15m",
    show_default=True,
    help="how long nothing must have been saved",
)
@dry_run
@declare_changing
def resolve_stale(app: str | None, older_than: int, dry_run: bool, audit: Audit) -> Iterator[Line]:
    """Resolve the active conversations that nobody saves any more."""
    for slug in _list_apps(app):
        with _record(slug, dry_run, audit) as result, show_progress(f"{slug}: conversations") as advance:
            for session in operations.resolve_stale(slug, stale_after_ms=older_than, dry_run=dry_run):
                result["conversations"] += 1
                advance()
                would = "would be " if dry_run else ""
                yield Line({"app": slug, "sessionId": session}, f"{slug} {session}: {would}resolved")


@conversations.command()
@some_apps
@dry_run
@declare_changing
def backfill(app: str | None, dry_run: bool, audit: Audit) -> Iterator[Line]:
    """Give conversations without a transcript that of their session's final messages.

    One that still goes on, and sends no transcript itself, gets what was said so far, and no more by this.
    """
    for slug in _list_apps(app):
        with _record(slug, dry_run, audit) as result, show_progress(f"{slug}: conversations") as advance:
            for each in operations.backfill(slug, dry_run=dry_run):
                result["conversations"] += 1
                advance()
                would = "would get" if dry_run else "has got"
                yield Line(
                    {"app": slug, "sessionId": each.session_id, "messages": each.messages},
                    f"{slug} {each.session_id}: {would} a transcript of {each.messages:,} messages",
                )


@contextmanager
def _record(app: str, dry_run: bool, audit: Audit) -> Iterator[dict[str, int]]:
    """Count what is done, and record it in the audit unless it is a dry run."""
    with nullcontext(dict[str, int]()) if dry_run else audit(app) as result:
        result["conversations"] = 0
        yield result
    verb = "would be" if dry_run else "were"
    click.echo(f"{app}: {result['conversations']:,} conversations {verb} changed", err=True)
