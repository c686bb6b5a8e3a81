"""The options that set the fields of an app, made from the fields' declaration."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from genai_voice.foundation.outgoing import check_address
from genai_voice.foundation.outgoing_rules import NotAllowed
from genai_voice.tenancy.fields import AppFields
from pydantic import ValidationError


def format_flag(name: str) -> str:
    """Format the option's name of a field."""
    return "--" + name.replace("_", "-")


def _list_kinds() -> dict[str, str]:
    """List the JSON type of each field: string, number, integer, boolean or array (of texts)."""
    properties = AppFields.model_json_schema(by_alias=False)["properties"]
    return {
        name: next(each.get("type", "number") for each in shape["anyOf"])
        for name, shape in properties.items()
    }


def add_app_fields(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option to a command for every field of an app."""
    for name, kind in reversed(_list_kinds().items()):
        text = AppFields.model_fields[name].description
        flags = f"{format_flag(name)}/{format_flag('no_' + name)}" if kind == "boolean" else format_flag(name)
        metavar = {"boolean": None, "string": "TEXT", "array": "TEXT,TEXT"}.get(kind, "NUMBER")
        command = click.option(flags, name, default=None, metavar=metavar, help=text)(command)
    return command


def read_fields(model: type[AppFields], options: dict[str, Any]) -> Any:
    """Read the given options as the model says. Raises UsageError that names the first wrong one."""
    kinds = _list_kinds()
    given = {name: _read_value(kinds[name], value) for name, value in options.items() if value is not None}
    try:
        fields = model.model_validate(given, by_name=True)
        if fields.handoff_webhook_url:
            check_address(fields.handoff_webhook_url)
        return fields
    except NotAllowed as wrong:
        raise click.UsageError(f"--handoff-webhook-url is refused: {wrong}") from None
    except ValidationError as wrong:
        fault = wrong.errors()[0]
        reason = "is needed" if fault["type"] == "missing" else f"is refused: {fault['msg']}"
        raise click.UsageError(f"{format_flag(_find_field_name(str(fault['loc'][0])))} {reason}") from None


def _find_field_name(wire: str) -> str:
    """Find the field of a wire name."""
    return next((name for name, field in AppFields.model_fields.items() if field.alias == wire), wire)


def _read_value(kind: str, given: Any) -> Any:
    """Read an option's value: a number, a list that is separated by commas, or a text, for which `@file`
    names the file that holds it.
    """
    if kind in ("number", "integer"):
        try:
            number = json.loads(given)
        except ValueError:
            return given
        return given if number is None else number
    if kind == "array":
        return [each.strip() for each in given.split(",") if each.strip()]
    if isinstance(given, str) and given.startswith("@"):
        try:
            return Path(given[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as reason:
            raise click.UsageError(f"{given[1:]} cannot be read: {reason}") from None
    return given
