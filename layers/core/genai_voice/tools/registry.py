"""Which tools an app has."""

from collections.abc import Callable
from functools import partial
from typing import Any

from genai_voice.foundation.clock import now_ms, time_ordered_id
from genai_voice.foundation.model import Listing
from genai_voice.foundation.pages import fill, opened_cursor, sealed_cursor
from genai_voice.tools.model import ToolPage, ToolSummaries, ToolSummary, ToolView
from genai_voice.tools.rows import ToolRow, tool_id


def find_active(app: str, query: Listing) -> ToolSummaries:
    """The active tools, oldest first, as an agent loads them."""
    page = _page(app, query, "active", lambda tool: bool(tool.is_active), _summary)
    return {"tools": page[0], "cursor": page[1]} if page[1] else {"tools": page[0]}


def find_all(app: str, query: Listing) -> ToolPage:
    """All tools, oldest first."""
    page = _page(app, query, "all", lambda tool: True, partial(_view, app))
    return {"tools": page[0], "cursor": page[1]} if page[1] else {"tools": page[0]}


def count(app: str) -> int:
    """The app's tools, switched off ones included."""
    return ToolRow.count_of(app)


def put(
    app: str,
    name: str,
    *,
    description: str,
    parameters_schema: str,
    requires_confirmation: bool = False,
    requires_auth: bool = False,
) -> bool:
    """Create or replace by (app, name), active. Answers whether it is new. What else the row has is kept."""
    row, now = ToolRow, now_ms()
    before = ToolRow.of(app, name).exchange(
        [
            row.name.set(name),
            row.description.set(description),
            row.parameters_schema.set(parameters_schema),
            row.requires_confirmation.set(requires_confirmation),
            row.requires_auth.set(requires_auth),
            row.is_active.set(True),
            row.created_at.set(row.created_at | now),
            row.place.set(row.place | time_ordered_id()),
            row.updated_at.set(now),
        ],
        returning="ALL_OLD",
    )
    return before is None or before.name is None


def _page(
    app: str,
    query: Listing,
    which: str,
    wanted: Callable[[ToolRow], bool],
    view: Callable[[ToolRow], Any],
) -> tuple[list[Any], str | None]:
    if not query.covers(app):
        return [], None
    scope = (app, "tools", which)
    after = str(opened_cursor(query.cursor, *scope)[0]) if query.cursor else ""
    rows = (tool for tool in ToolRow.of_app(app) if wanted(tool) and tool.place > after)
    views, last = fill(rows, view)
    return views, sealed_cursor([last.place], *scope) if last else None


def _summary(tool: ToolRow) -> ToolSummary:
    return {
        "name": tool.name,
        "description": tool.description,
        "parametersSchema": tool.parameters_schema,
        "requiresConfirmation": tool.requires_confirmation,
        "requiresAuth": tool.requires_auth,
    }


def _view(app: str, tool: ToolRow) -> ToolView:
    return {
        "_id": tool_id(app, tool.name),
        "_creationTime": tool.created_at or 0,
        "appSlug": app,
        **_summary(tool),
        "isActive": tool.is_active,
        "createdAt": tool.created_at or 0,
        "updatedAt": tool.updated_at,
    }
