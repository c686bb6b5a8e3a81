"""Check whether the parameters of a tool call fit the tool's schema (contract 5.7.3): top level, presence and
type only.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

_IS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def find_fault(schema_text: str, parameters: Mapping[str, Any]) -> str | None:
    """Find why the parameters are refused. Answers None when they fit. Missing fields come before those of a
    wrong type.
    """
    try:
        schema = json.loads(schema_text)
    except (ValueError, RecursionError):
        schema = None
    if not isinstance(schema, dict):
        return "Invalid tool parameter schema"
    required, properties = schema.get("required"), schema.get("properties")
    for name in required if isinstance(required, list) else []:
        if parameters.get(str(name)) is None:
            return f'Missing required field: "{name}"'
    for name, declared in properties.items() if isinstance(properties, dict) else []:
        fault = _check_type(name, declared, parameters.get(name))
        if fault:
            return fault
    return None


def _check_type(name: str, declared: object, value: object) -> str | None:
    expected = declared.get("type") if isinstance(declared, dict) else None
    if value is None or not isinstance(expected, str) or expected not in _IS or _IS[expected](value):
        return None
    return f'Field "{name}" expected type "{expected}", got "{_describe_type(value)}"'


def _describe_type(value: object) -> str:
    """Name a value's type as JavaScript's typeof does: a list is an object."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "object"
