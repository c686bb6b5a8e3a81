"""The types of options and arguments, the options that several commands share, and how a secret is read."""

import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import click
from genai_voice.foundation.clock import get_now_ms
from genai_voice.tenancy.fields import Slug as SlugText
from pydantic import TypeAdapter, ValidationError

_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_MS = 30 * _UNITS_MS["d"]

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


class Slug(click.ParamType[str]):
    """An app's slug."""

    name = "SLUG"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return TypeAdapter[str](SlugText).validate_python(value)
        except ValidationError:
            self.fail(
                "must be 1 to 63 lower-case letters, digits, - and _, a letter or digit first", param, ctx
            )


class Duration(click.ParamType[int]):
    """A duration, as milliseconds."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"([0-9]{1,7})([smhd])", value)
        if match is None or int(match[1]) * _UNITS_MS[match[2]] > _LONGEST_MS:
            self.fail("must be a number with s, m, h or d, at most 30d: 24h", param, ctx)
        return int(match[1]) * _UNITS_MS[match[2]]


class Since(click.ParamType[int]):
    """A day in UTC or a time ago, as epoch ms."""

    name = "WHEN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if re.fullmatch(r"[0-9]+[smhd]", value):
            return get_now_ms() - Duration().convert(value, param, ctx)
        try:
            return int(_parse_utc(value, "%Y-%m-%d").timestamp() * 1000)
        except ValueError:
            self.fail("must be a day (2026-11-01, UTC) or how long ago (24h, at most 30d)", param, ctx)


class Month(click.ParamType[str]):
    """A month in UTC."""

    name = "MONTH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            _parse_utc(value, "%Y-%m")
        except ValueError:
            self.fail("must be a month: 2026-11", param, ctx)
        return str(value)


def find_bounds(month: str) -> tuple[int, int]:
    """Return the epoch ms of the month's first moment in UTC, and of the next month's."""
    first = _parse_utc(month, "%Y-%m")
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(first.timestamp() * 1000), int(following.timestamp() * 1000)


def _parse_utc(text: str, form: str) -> datetime:
    """Parse a moment in UTC. Raises ValueError also for what strptime takes loosely: 2026-1."""
    moment = datetime.strptime(text, form).replace(tzinfo=UTC)
    if not 1970 <= moment.year < 9999 or moment.strftime(form) != text:
        raise ValueError(text)
    return moment


one_app = click.option("--app", type=Slug(), required=True, help="the app")
some_apps = click.option("--app", type=Slug(), help="one app alone; all by default")
dry_run = click.option("--dry-run", is_flag=True, help="show what would be done, and change nothing")


def add_secret_option(variable: str) -> Decorator:
    """Add `secret` to a command: from the variable, from standard input, or from a prompt. It is never an
    argument, which other users of the machine could read.
    """

    def add(command: Callable[..., None]) -> Callable[..., None]:
        @click.option(
            "--secret-stdin",
            is_flag=True,
            help=f"read the secret from standard input (else ${variable}, else a prompt)",
        )
        @wraps(command)
        def run(*arguments: Any, secret_stdin: bool, **options: Any) -> None:
            command(*arguments, secret=read_secret("secret", variable, secret_stdin), **options)

        return run

    return add


def read_secret(what: str, variable: str, from_stdin: bool, *, new: bool = True) -> str:
    """Read a secret. One that is `new` is asked for twice."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if os.environ.get(variable):
        return os.environ[variable]
    if not sys.stdin.isatty():
        raise click.ClickException(f"Give the {what}: set {variable}, or use --{what}-stdin.")
    return str(click.prompt(what.capitalize(), hide_input=True, confirmation_prompt=new))
