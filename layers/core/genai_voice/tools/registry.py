"""Register, change, remove and list the tools of an app."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from genai_voice.demos import service as demos
from genai_voice.foundation import outgoing, outgoing_rules
from genai_voice.foundation.clock import get_now_ms, make_time_ordered_id
from genai_voice.foundation.errors import BadRequest, NotFound
from genai_voice.foundation.model import Created, Listing, Ok, add_optional, parse_json_object
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.tools import writes
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
    """List the active tools, oldest first, as an agent loads them; `cursor` where more are left than a reply
    can hold, which those that an app may register never are.
    """
    views, cursor = _list_tools(app, query, "active", lambda tool: bool(tool.is_active), _summarize)
    return add_optional(ToolSummaries(tools=views), cursor=cursor)


def list_tools(app: str, query: Listing) -> ToolPage:
    """List all tools, oldest first; `cursor` where more are left than a reply can hold."""
    views, cursor = _list_tools(app, query, "all", lambda tool: True, partial(_view, app))
    return add_optional(ToolPage(tools=views), cursor=cursor)


def count_tools(app: str) -> int:
    """Count the app's tools, switched off ones included."""
    return ToolRow.count_in_app(app)


def register_tool(app: str, tool: ToolRegistration) -> Created:
    """Create or replace the tool of this name, and have it active. Headers that are not given are as if there
    had never been any.

    Raises BadRequest for an endpoint or headers that no call may go out with, and where there would be too
    many tools or too many bytes of them; Busy.
    """
    _check_outgoing(tool)
    fields = tool.model_dump(exclude={"name", "headers", "transport"})
    fields |= _seal(app, tool.name, tool.headers or "{}")
    writes.write_tool(app, tool.name, partial(_fill_in, tool.name, fields))
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
    row has is kept: an endpoint above all. Raises as `register_tool`.
    """
    fields = {
        "description": description,
        "parameters_schema": parameters_schema,
        "requires_confirmation": requires_confirmation,
        "requires_auth": requires_auth,
    }
    return writes.write_tool(app, name, partial(_fill_in, name, fields))


def update_tool(app: str, tool: ToolUpdate) -> Ok:
    """Change what is given. Raises NotFound; BadRequest for an endpoint or headers that no call may go out
    with, where a tool would become active that nothing carries out, where stored headers would go to another
    host, and where there would be too many bytes of tools; Busy.
    """
    _check_outgoing(tool)
    fields = tool.model_dump(exclude={"name", "headers", "transport"}, exclude_none=True)
    if tool.headers is not None:
        fields |= _seal(app, tool.name, tool.headers)

    def plan(stored: ToolRow | None) -> Mapping[str, Any]:
        if stored is None:
            raise NotFound(_NOT_FOUND)
        if tool.endpoint and tool.headers is None and not stored.may_move_to(tool.endpoint):
            raise BadRequest(_HEADERS_REFUSED)
        if tool.is_active and not (tool.endpoint or stored.endpoint or demos.has_tool(tool.name)):
            raise BadRequest(NO_ENDPOINT)
        return {**fields, "updated_at": get_now_ms()}

    writes.write_tool(app, tool.name, plan)
    return {"ok": True}


def remove_tool(app: str, name: str) -> Ok:
    """Remove a tool. What it did stays in the list of executions. Raises NotFound, for the second of two
    removals too, and Busy.
    """
    if not writes.remove_tool(app, name):
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


def _fill_in(name: str, fields: Mapping[str, Any], stored: ToolRow | None) -> Mapping[str, Any]:
    """Complete the attributes of a tool that is created or replaced, and active then."""
    now = get_now_ms()
    completed = {**fields, "name": name, "is_active": True, "updated_at": now}
    return completed if stored else {**completed, "created_at": now, "place": make_time_ordered_id()}


def _seal(app: str, tool: str, headers: str) -> dict[str, Any]:
    """Make the attributes that store headers, encrypted for calls and masked for people; none for `{}`."""
    names = parse_json_object(headers)
    if not names:
        return {"sealed_headers": None, "shown_headers": None}
    shown = json.dumps(dict.fromkeys(names, MASK), ensure_ascii=False)
    return {"sealed_headers": seal_headers(app, tool, headers), "shown_headers": shown}


def _list_tools(
    app: str,
    query: Listing,
    name: str,
    is_listed: Callable[[ToolRow], bool],
    view: Callable[[ToolRow], V],
) -> tuple[list[V], str | None]:
    """List the tools that `is_listed` holds for. `name` is that of the list: cursors belong to it.

    Those that an app may have fit one page, oldest first. An app of before the bound may have more: its pages
    are by name, since that is how tools are stored, and each is oldest first.
    """

    def read(after: str | None) -> PageRows[ToolRow, V]:
        tools = ToolRow.list_in_app(app, after)
        return PageRows(tools, view, is_shown=is_listed, order=lambda tool: tool.place)

    return read_page(app, query, ("tools by name", name), read)


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
