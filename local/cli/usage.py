"""`genai-voice usage`: what an app used in a month."""

from collections.abc import Iterator

import click
from genai_voice.conversations import operations
from genai_voice.conversations.operations import Usage
from genai_voice.tenancy import apps
from genai_voice.tools import executions

from local.cli.command import Line, declare_reading
from local.cli.options import Month, find_bounds, one_app
from local.cli.progress import show_progress


@click.command()
@one_app
@click.option("--month", type=Month(), required=True, help="2026-11, in UTC")
@declare_reading
def usage(app: str, month: str) -> Iterator[Line]:
    """Conversations, minutes, messages and tool calls of a month.

    A conversation counts, with all its messages and minutes (from its start to its last save), in the UTC
    month of its first save, by the service's clock. A tool call counts in the month in which it began. Reads
    every conversation and message of the month, and every tool call, once.
    """
    since, until = find_bounds(month)
    total = operations.count_first_saved(apps.check_app(app), since, until)
    used = Usage()
    with show_progress(f"{app}: conversations of {month}", total) as advance:
        for used in operations.sum_usage(app, since, until):  # noqa: B007 - the last one is the month's
            advance()
    minutes = round(used.duration_ms / 60_000, 2)
    calls = executions.count_executions(app, since, until)
    data = {
        "app": app,
        "month": month,
        "conversations": used.conversations,
        "minutes": minutes,
        "messages": used.messages,
        "toolCalls": calls,
    }
    yield Line(
        data,
        f"{app} in {month}: {used.conversations:,} conversations, {minutes:,.2f} minutes, "
        f"{used.messages:,} messages, {calls:,} tool calls",
    )
