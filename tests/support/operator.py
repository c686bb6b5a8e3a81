"""The operator command line as tests see it."""

import json
from collections.abc import Iterator
from typing import Any

import click
from click.testing import CliRunner, Result

from local.cli import cli


def run(*arguments: str, stdin: str | None = None, **variables: str | None) -> Result:
    environment = {"APP_SECRET": None, "DEMO_SECRET": None, "SESSION_TOKEN": None} | variables
    return CliRunner().invoke(cli, arguments, input=stdin, env=environment, prog_name="genai-voice")


def run_for_lines(*arguments: str, **given: str | None) -> list[Any]:
    """What a command that goes well prints with --json."""
    result = run(*arguments, "--json", **given)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def list_operator_commands() -> dict[str, click.Command]:
    """Every command by its words."""
    return dict(_list_leaves((), cli))


def _list_leaves(words: tuple[str, ...], command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from _list_leaves((*words, name), each)
    else:
        yield " ".join(words), command
