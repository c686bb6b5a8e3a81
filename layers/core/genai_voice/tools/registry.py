"""Register, change, remove and list the tools of an app."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from genai_voice.demos import service as demos
from genai_voice.foundation import outgoing, outgoing_rules
from genai_voice.foundation.clock import get_now_ms, make_time_ordered_id
from genai_voice.foundation.errors import BadRequest, NotFound
from genai_voice.foundation.model import Created, Listing, Ok, add_optional, parse_json_object
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.foundation.table import Action
from genai_voice.tools.endpoint import seal_headers
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
from genai_voice.tools.rows import ToolRow, make_tool_id

V = TypeVar("V", bound=Mapping[str, Any])

_NOT_FOUND = "Tool not found"
_HEADERS_REFUSED = (
    "Invalid field: headers. The stored ones do not go to another host: give them again, or {} for none."
)


def list_active_tools(app: str, query: Listing) -> ToolSummaries:
    """List the active tools, oldest first, as an agent loads them."""
    views, cursor = _list_tools(app, query, "active", lambda tool: bool(tool.is_active), _summarize)
    return add_optional(ToolSummaries(tools=views), cursor=cursor)


def list_tools(app: str, query: Listing) -> ToolPage:
    """List all tools, oldest first."""
    views, cursor = _list_tools(app, query, "all", lambda tool: True, partial(_view, app))
    return add_optional(ToolPage(tools=views), cursor=cursor)


def count_tools(app: str) -> int:
    """Count the app's tools, switched off ones included."""
    return ToolRow.count_in_app(app)


def register_tool(app: str, tool: ToolRegistration) -> Created:
    """Create or replace the tool of this name, and have it active. Headers that are not given are as if there
    had never been any.

    Raises BadRequest for an endpoint or headers that no call may go out with.
    """
    _check_outgoing(tool)
    fields = tool.model_dump(exclude={"name", "headers", "transport"})
    _activate(
        app, tool.name, [*_field_changes(fields), *_header_changes(app, tool.name, tool.headers or "{}")]
    )
    return {"id": make_tool_id(app, tool.name)}


def put_tool(
    app: str,
    name: str,
    *,
    description: str,
    parameters_schema: str,
    requires_confirmation: bool = False,
    requires_auth: bool = False,
) -> bool:
    """Create or replace the tool of this name, and have it active. Answers whether it is new. What else the
    row has is kept: an endpoint above all.
    """
    fields = {
        "description": description,
        "parameters_schema": parameters_schema,
        "requires_confirmation": requires_confirmation,
        "requires_auth": requires_auth,
    }
    before = _activate(app, name, _field_changes(fields))
    return before is None or before.name is None


def update_tool(app: str, tool: ToolUpdate) -> Ok:
    """Change what is given. Raises NotFound; BadRequest for an endpoint or headers that no call may go out
    with, where a tool would become active that nothing carries out, and where stored headers would go to
    another host.
    """
    _check_outgoing(tool)
    actions = _field_changes(tool.model_dump(exclude={"name", "headers", "transport"}, exclude_none=True))
    if tool.headers is not None:
        actions += _header_changes(app, tool.name, tool.headers)
    row, condition, refusal = ToolRow.of(app, tool.name), ToolRow.pk.exists(), ""
    if tool.endpoint and tool.headers is None:
        condition, refusal = condition & ToolRow.may_move_to(tool.endpoint), _HEADERS_REFUSED
    elif tool.is_active and not tool.endpoint and not demos.has_tool(tool.name):
        condition, refusal = condition & ToolRow.endpoint.exists(), NO_ENDPOINT
    if not row.change([*actions, ToolRow.updated_at.set(get_now_ms())], condition):
        raise BadRequest(refusal) if refusal and row.find_stored() else NotFound(_NOT_FOUND)
    return {"ok": True}


def remove_tool(app: str, name: str) -> Ok:
    """Remove a tool. What it did stays in the list of executions. Raises NotFound, for the second of two
    removals too.
    """
    if not ToolRow.of(app, name).remove():
        raise NotFound(_NOT_FOUND)
    return {"ok": True}


def _check_outgoing(tool: ToolRegistration | ToolUpdate) -> None:
    """Check that calls may go out to the endpoint and with the headers. Raises BadRequest."""
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
    now = get_now_ms()
    return ToolRow.of(app, name).change_and_return(
        [
            *actions,
            ToolRow.name.set(name),
            ToolRow.is_active.set(True),
            ToolRow.created_at.set(ToolRow.created_at | now),
            ToolRow.place.set(ToolRow.place | make_time_ordered_id()),
            ToolRow.updated_at.set(now),
        ],
        returning="ALL_OLD",
    )


def _field_changes(fields: Mapping[str, Any]) -> list[Action]:
    return [getattr(ToolRow, name).set(value) for name, value in fields.items()]


def _header_changes(app: str, tool: str, headers: str) -> list[Action]:
    """Store headers, encrypted for calls and masked for people. `{}` removes them."""
    names = parse_json_object(headers)
    if not names:
        return [ToolRow.sealed_headers.remove(), ToolRow.shown_headers.remove()]
    return [
        ToolRow.sealed_headers.set(seal_headers(app, tool, headers)),
        ToolRow.shown_headers.set(json.dumps(dict.fromkeys(names, MASK), ensure_ascii=False)),
    ]


def _list_tools(
    app: str,
    query: Listing,
    name: str,
    is_listed: Callable[[ToolRow], bool],
    view: Callable[[ToolRow], V],
) -> tuple[list[V], str | None]:
    """List the tools that `is_listed` holds for. `name` is that of the list: cursors belong to it."""

    def read(after: str | None) -> PageRows[ToolRow, V]:
        tools = (each for each in ToolRow.list_in_app(app) if is_listed(each) and each.place > (after or ""))
        return PageRows(tools, view, position=lambda row: row.place)

    return read_page(app, query, ("tools", name), read)


def _summarize(tool: ToolRow) -> ToolSummary:
    return {
        "name": tool.name,
        "description": tool.description,
        "parametersSchema": tool.parameters_schema,
        "requiresConfirmation": tool.requires_confirmation,
        "requiresAuth": tool.requires_auth,
    }


def _view(app: str, tool: ToolRow) -> ToolView:
    view: ToolView = {
        "_id": make_tool_id(app, tool.name),
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
    return add_optional(view, endpoint=tool.endpoint, httpMethod=tool.http_method, headers=tool.shown_headers)
