"""Which tools an app has."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from genai_voice.demos import service as demos
from genai_voice.foundation import outgoing, outgoing_rules
from genai_voice.foundation.clock import now_ms, time_ordered_id
from genai_voice.foundation.errors import BadRequest, NotFound
from genai_voice.foundation.model import Created, Listing, Ok, parse_json_object
from genai_voice.foundation.pages import fill, read_cursor, sign_cursor
from genai_voice.foundation.table import Action
from genai_voice.tools.endpoint import sealed_headers
from genai_voice.tools.model import (
    MASK,
    NO_ENDPOINT,
    ToolPage,
    ToolRegistration,
    ToolSummaries,
    ToolSummary,
    ToolUpdate,
    ToolView,
)
from genai_voice.tools.rows import ToolRow, tool_id

_NOT_FOUND = "Tool not found"
_HEADERS_STAY = (
    "Invalid field: headers. The stored ones do not go to another host: give them again, or {} for none."
)


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


def register(app: str, tool: ToolRegistration) -> Created:
    """Create or replace by (app, name), active. Headers that are not given are as if there had never been
    any.

    Raises BadRequest for an endpoint or headers that no call may go out with.
    """
    _check_outgoing(tool)
    fields = tool.model_dump(exclude={"name", "headers", "transport"})
    _activate(app, tool.name, [*_sets(fields), *_headers(app, tool.name, tool.headers or "{}")])
    return {"id": tool_id(app, tool.name)}


def put(
    app: str,
    name: str,
    *,
    description: str,
    parameters_schema: str,
    requires_confirmation: bool = False,
    requires_auth: bool = False,
) -> bool:
    """Create or replace by (app, name), active. Answers whether it is new. What else the row has is kept: an
    endpoint above all.
    """
    fields = {
        "description": description,
        "parameters_schema": parameters_schema,
        "requires_confirmation": requires_confirmation,
        "requires_auth": requires_auth,
    }
    before = _activate(app, name, _sets(fields))
    return before is None or before.name is None


def update(app: str, tool: ToolUpdate) -> Ok:
    """Change what is given. Raises NotFound; BadRequest for an endpoint or headers that no call may go out
    with, where a tool would become active that nothing carries out, and where stored headers would go to
    another host.
    """
    _check_outgoing(tool)
    actions = _sets(tool.model_dump(exclude={"name", "headers", "transport"}, exclude_none=True))
    if tool.headers is not None:
        actions += _headers(app, tool.name, tool.headers)
    row, condition, refusal = ToolRow.of(app, tool.name), ToolRow.pk.exists(), ""
    if tool.endpoint and tool.headers is None:
        condition, refusal = condition & ToolRow.gives_no_headers_to(tool.endpoint), _HEADERS_STAY
    elif tool.is_active and not tool.endpoint and not demos.has_tool(tool.name):
        condition, refusal = condition & ToolRow.endpoint.exists(), NO_ENDPOINT
    if not row.change([*actions, ToolRow.updated_at.set(now_ms())], condition):
        raise BadRequest(refusal) if refusal and row.find_stored() else NotFound(_NOT_FOUND)
    return {"ok": True}


def remove(app: str, name: str) -> Ok:
    """What it did stays in the audit. Raises NotFound, for the second of two removals too."""
    if not ToolRow.of(app, name).remove():
        raise NotFound(_NOT_FOUND)
    return {"ok": True}


def _check_outgoing(tool: ToolRegistration | ToolUpdate) -> None:
    """Raises BadRequest."""
    field = "endpoint"
    try:
        if tool.endpoint:
            outgoing.check_address(tool.endpoint)
        field = "headers"
        if tool.headers:
            outgoing_rules.check_headers(parse_json_object(tool.headers))
    except ValueError as reason:
        raise BadRequest(f"Invalid field: {field}. {reason}") from None


def _activate(app: str, name: str, actions: Sequence[Action]) -> ToolRow | None:
    """Create or replace, and have the tool active. Answers what was there before."""
    now = now_ms()
    return ToolRow.of(app, name).change_and_return(
        [
            *actions,
            ToolRow.name.set(name),
            ToolRow.is_active.set(True),
            ToolRow.created_at.set(ToolRow.created_at | now),
            ToolRow.place.set(ToolRow.place | time_ordered_id()),
            ToolRow.updated_at.set(now),
        ],
        returning="ALL_OLD",
    )


def _sets(fields: Mapping[str, Any]) -> list[Action]:
    return [getattr(ToolRow, name).set(value) for name, value in fields.items()]


def _headers(app: str, tool: str, headers: str) -> list[Action]:
    """Sealed for calls, masked for people; none for `{}`."""
    names = parse_json_object(headers)
    if not names:
        return [ToolRow.sealed_headers.remove(), ToolRow.shown_headers.remove()]
    return [
        ToolRow.sealed_headers.set(sealed_headers(app, tool, headers)),
        ToolRow.shown_headers.set(json.dumps(dict.fromkeys(names, MASK), ensure_ascii=False)),
    ]


def _page(
    app: str,
    query: Listing,
    which: str,
    wanted: Callable[[ToolRow], bool],
    view: Callable[[ToolRow], Any],
) -> tuple[list[Any], str | None]:
    if not query.is_for(app):
        return [], None
    scope = (app, "tools", which)
    after = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else ""
    rows = (tool for tool in ToolRow.of_app(app) if wanted(tool) and tool.place > after)
    views, last = fill(rows, view)
    return views, sign_cursor([last.place], *scope) if last else None


def _summary(tool: ToolRow) -> ToolSummary:
    return {
        "name": tool.name,
        "description": tool.description,
        "parametersSchema": tool.parameters_schema,
        "requiresConfirmation": tool.requires_confirmation,
        "requiresAuth": tool.requires_auth,
    }


def _view(app: str, tool: ToolRow) -> ToolView:
    view: ToolView = {
        "_id": tool_id(app, tool.name),
        "_creationTime": tool.created_at or 0,
        "appSlug": app,
        "name": tool.name,
        "description": tool.description,
        "parametersSchema": tool.parameters_schema,
        "requiresConfirmation": tool.requires_confirmation,
        "requiresAuth": tool.requires_auth,
        "isActive": tool.is_active,
        "createdAt": tool.created_at or 0,
        "updatedAt": tool.updated_at,
    }
    if tool.endpoint is not None:
        view["endpoint"] = tool.endpoint
    if tool.http_method is not None:
        view["httpMethod"] = tool.http_method
    if tool.shown_headers is not None:
        view["headers"] = tool.shown_headers
    return view
