"""`genai-voice audit`: who changed what."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import click
from genai_voice.audit import service
from genai_voice.audit.service import AuditView

from local.cli.command import Line, declare_reading
from local.cli.options import one_app


@click.command()
@one_app
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="the newest so many")
@declare_reading
def audit(app: str, limit: int) -> Iterator[Line]:
    """The changes that operators made to an app, newest first."""
    for each in service.list_newest(app, limit):
        yield Line(each, _format_change(each))


def _format_change(view: AuditView) -> str:
    at = datetime.fromtimestamp(view["at"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    arguments = json.dumps(view["arguments"], ensure_ascii=False)
    result = f" {json.dumps(view['result'])}" if "result" in view else ""
    return f"{at} {view['actor']} {view['command']} {arguments}: {view['outcome']}{result}"
