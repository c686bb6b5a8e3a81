"""The frame of every command: it connects, prints the answers as text or JSON, says in a sentence what went
wrong, and is declared as reading or changing. A change is audited.
"""

import getpass
import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from functools import cache, wraps
from typing import Any, NamedTuple

import click
from click.core import ParameterSource
from genai_voice.audit.service import record_change
from genai_voice.foundation.errors import Refused
from genai_voice.foundation.settings import SettingsError, get_settings

from local.cli.progress import describe_stop
from local.errors import LocalError
from local.serve.connection import connect

_INTERRUPTED = 130  # as a shell counts Ctrl-C
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # what callers say must not steer a terminal


class Line(NamedTuple):
    """One answer of a command, on standard output."""

    data: Any
    """With --json."""
    text: str
    """Without."""

    def to_terminal(self) -> str:
        """Return the text without characters that would steer a terminal."""
        return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", self.text)


Command = Callable[..., Iterator[Line]]
Result = dict[str, Any]
"""What a change fills in for the audit, counts mostly."""


class Audit:
    """Announces what a command changes next, of this app: `with audit(app) as result:`."""

    def __init__(self, context: click.Context) -> None:
        self._command = context.command_path.partition(" ")[2]
        self._arguments = {
            name: value
            for name, value in context.params.items()
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and name != "as_json"
        }

    def __call__(self, app: str) -> AbstractContextManager[Result]:
        return record_change(app, _find_actor(), self._command, self._arguments)


def declare_reading(command: Command) -> Callable[..., None]:
    """Declare a command that changes nothing."""

    @wraps(command)
    def run_reading(audit: Audit, **options: Any) -> Iterator[Line]:
        return command(**options)

    return _declare(run_reading, "reads")


def declare_changing(command: Command) -> Callable[..., None]:
    """Declare a command that changes something, within `with audit(app)`. A contract test plays them all."""
    return _declare(command, "changes")


def _declare(body: Command, effect: str) -> Callable[..., None]:
    """Make a command that connects and prints; its `effect` is "reads" or "changes"."""

    @click.option("--json", "as_json", is_flag=True, help="print one JSON object per line")
    @click.pass_context
    @wraps(body)
    def run(context: click.Context, /, *, as_json: bool, **options: Any) -> None:
        from botocore.exceptions import BotoCoreError, ClientError
        from pynamodb.exceptions import PynamoDBException

        try:
            connect()
            with closing(body(audit=Audit(context), **options)) as lines:  # type: ignore[type-var]
                for line in lines:
                    click.echo(json.dumps(line.data) if as_json else line.to_terminal())
        except (Refused, LocalError, SettingsError, ValueError) as wrong:
            raise click.ClickException(str(wrong)) from None
        except (PynamoDBException, BotoCoreError, ClientError) as wrong:
            raise click.ClickException(f"The table cannot be used: {wrong}") from None
        except KeyboardInterrupt:
            click.echo(_explain_stop(effect), err=True)
            context.exit(_INTERRUPTED)

    run.effect = effect  # type: ignore[attr-defined]
    return run


def _explain_stop(effect: str) -> str:
    """Say where the work was interrupted."""
    where = describe_stop()
    text = f"Stopped{f' at {where}' if where else ''}."
    return f"{text} What was done stays done: run it again to go on." if effect == "changes" else text


@cache
def _find_actor() -> str:
    """Find who makes a change: the AWS identity, where the table is AWS's and it answers, and the user of
    this machine, who is not proven.

    Nobody is kept from revoking tokens because the identity service does not answer.
    """
    here = f"{_find_user()}@{socket.gethostname()}"
    identity = None if get_settings().dynamodb_endpoint else _find_aws_identity()
    return f"{identity} ({here})" if identity else here


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have a number and no name
        return str(os.getuid())


def _find_aws_identity() -> str | None:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    quickly = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2})
    try:
        identity = boto3.client(
            "sts", region_name=get_settings().region, config=quickly
        ).get_caller_identity()
    except (BotoCoreError, ClientError):
        return None
    return str(identity["Arn"])
