"""Read from parameters that a model made up, and from a state that may be damaged, what can be used."""

from typing import Any

from genai_voice.demos.model import Parameters, State

LONGEST_TEXT = 1_000
"""Characters of one parameter that are read; what is stored is one row of at most 400 KB."""


def read_text(parameters: Parameters, key: str) -> str:
    """Read the text under `key`, cut to LONGEST_TEXT; "" where it is absent or no text."""
    value = parameters.get(key)
    if not isinstance(value, str):
        return ""
    # JSON may spell half a surrogate pair, which no UTF-8 store takes
    return value[:LONGEST_TEXT].encode(errors="replace").decode()


def read_rows(state: State | None, key: str) -> list[dict[str, Any]]:
    """Read the objects of the list under `key`, themselves and not copies; [] where there is no list."""
    found = state.get(key) if state else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def read_field(row: dict[str, Any], key: str) -> str:
    """Read a text of a stored row; "" where it is missing or no text."""
    value = row.get(key)
    return value if isinstance(value, str) else ""
