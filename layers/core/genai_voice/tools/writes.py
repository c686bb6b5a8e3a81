"""How a tool is written: together with the count of its app's tools and of their bytes."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from genai_voice.foundation.bounds import AppCountRow, Bound
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import Action
from genai_voice.foundation.transactions import Change, Removal, write, write_together
from genai_voice.tools.model import MAX_TOOLS, MAX_TOOLS_BYTES
from genai_voice.tools.rows import ToolRow

_COUNTED = ("description", "parameters_schema", "endpoint", "sealed_headers")
_CONTROL = re.compile(r"[\x00-\x07\x0b\x0e-\x1f]")  # JSON writes the others in two characters
_CONTROL_BYTES = 6
"""Of a control character, as JSON writes it (`\\u0001`): so all tools fit one reply, whatever they say."""
_BUSY = "Too many changes of these tools at once: try again"

_BOUND = Bound(
    row=lambda app: AppCountRow.of(app, "tools"),
    measure=lambda app: map(_count_bytes, ToolRow.list_in_app(app)),
    max_items=MAX_TOOLS,
    too_many=f"At most {MAX_TOOLS} tools: delete some",
    max_bytes=MAX_TOOLS_BYTES,
    too_large="At most 1 MB of tools together, in descriptions, schemas, endpoints and headers: delete some, "
    "or make them shorter",
)


def write_tool(app: str, name: str, plan: Callable[[ToolRow | None], Mapping[str, Any]]) -> bool:
    """Write a tool. `plan` is given the tool as it is stored, and answers the attributes to set; None removes
    one. Answers whether the tool is new. Raises BadRequest where there would be too many tools or too many
    bytes of them, Busy, and what `plan` raises.
    """
    row = ToolRow.of(app, name)

    def try_once() -> bool | None:
        stored = row.find_stored()
        return stored is None if _try_writing(app, row, stored, plan(stored)) else None

    return retry_lost_races(try_once, busy=_BUSY)


def remove_tool(app: str, name: str) -> bool:
    """Remove a tool. Answers whether it was there. Raises Busy."""
    row = ToolRow.of(app, name)

    def try_once() -> bool | None:
        stored = row.find_stored()
        if stored is None:
            return False
        counts = _BOUND.count_changes(app, -1, -_count_bytes(stored))
        if write_together(counts, removals=[Removal(row, stored.is_unchanged())]):
            return True
        _BOUND.check_room(app, -1)
        return None

    return retry_lost_races(try_once, busy=_BUSY)


def _try_writing(app: str, row: ToolRow, stored: ToolRow | None, fields: Mapping[str, Any]) -> bool:
    """Write the tool under the condition that it is as it was read, and its count where that changes."""
    items, size = (1, _count_bytes(fields)) if stored is None else (0, _count_growth(stored, fields))
    is_as_read = stored.is_unchanged() if stored else ToolRow.pk.does_not_exist()
    change = Change(row, [*_field_changes(fields), ToolRow.version.add(1)], is_as_read)
    if write([change, *(_BOUND.count_changes(app, items, size) if items or size else ())]):
        return True
    if _is_still(row, stored):
        _BOUND.check_room(app, items, size)
    return False


def _is_still(row: ToolRow, before: ToolRow | None) -> bool:
    """Whether the tool is as it was before: then no other writer is why a write was refused."""
    now = row.find_stored()
    if now is None or before is None:
        return now is before
    return (now.place, now.version) == (before.place, before.version)


def _field_changes(fields: Mapping[str, Any]) -> list[Action]:
    return [
        getattr(ToolRow, name).remove() if value is None else getattr(ToolRow, name).set(value)
        for name, value in fields.items()
    ]


def _count_growth(stored: ToolRow, fields: Mapping[str, Any]) -> int:
    before = {name: getattr(stored, name) for name in _COUNTED if name in fields}
    return _count_bytes(fields) - _count_bytes(before)


def _count_bytes(tool: ToolRow | Mapping[str, Any]) -> int:
    """Count the bytes of a tool, or of some of its attributes, in UTF-8; control characters as JSON writes
    them.
    """
    attributes = tool.attribute_values if isinstance(tool, ToolRow) else tool
    total = 0
    for value in (attributes.get(name) for name in _COUNTED):
        if isinstance(value, str):
            total += len(value.encode()) + (_CONTROL_BYTES - 1) * len(_CONTROL.findall(value))
        else:
            total += len(value or b"")
    return total
