"""Tools: what an agent may do, what it did, and doing it."""

from genai_voice.foundation.errors import Conflict, NotFound
from genai_voice.foundation.model import Created, Listing, Ok
from genai_voice.tenancy import Api, Caller
from genai_voice.tools import executions, executor, registry
from genai_voice.tools.model import (
    ExecuteRequest,
    ExecutionPage,
    LogRequest,
    ToolPage,
    ToolRegistration,
    ToolRemoval,
    ToolResult,
    ToolSummaries,
    ToolUpdate,
)

api = Api()


@api.get("/api/tools")
def list_active(caller: Caller, query: Listing) -> ToolSummaries:
    """List the active tools, as an agent loads them."""
    return registry.list_active_tools(caller.app.slug, query)


@api.get("/api/tools/all")
def list_all(caller: Caller, query: Listing) -> ToolPage:
    """List all tools of the app."""
    return registry.list_tools(caller.app.slug, query)


@api.post("/api/tools", scope="manage")
def register_tool(caller: Caller, body: ToolRegistration) -> Created:
    """Register a tool, or replace the one of this name. An app has at most 200 tools, and 1 MB of them
    together in descriptions, schemas, endpoints and headers.

    Raises BadRequest for an endpoint or headers that no call may go out with, and beyond these limits.
    """
    return registry.register_tool(caller.app.slug, body)


@api.patch("/api/tools", scope="manage", raises=(NotFound,))
def update_tool(caller: Caller, body: ToolUpdate) -> Ok:
    """Change those fields of a tool that are given; `isActive: false` switches it off."""
    return registry.update_tool(caller.app.slug, body)


@api.delete("/api/tools", scope="manage", raises=(NotFound,))
def remove_tool(caller: Caller, body: ToolRemoval) -> Ok:
    """Remove a tool. Its executions stay in their list."""
    return registry.remove_tool(caller.app.slug, body.name)


@api.get("/api/tools/executions")
def list_executions(caller: Caller, query: Listing) -> ExecutionPage:
    """List executions, newest first."""
    return executions.list_executions(caller.app.slug, query)


@api.post("/api/tools/execute", raises=(Conflict,))
def execute(caller: Caller, body: ExecuteRequest, trace_id: str | None) -> ToolResult:
    """Execute a tool: whatever happens to it is in the reply.

    Raises TooManyRequests above the app's limit, Conflict for a `toolCallId` of another call. Everything else
    that happens is in the result.
    """
    return executor.execute_tool(caller.app, body, trace_id)


@api.post("/api/tools/log")
def log_execution(caller: Caller, body: LogRequest) -> Ok:
    """Log what the agent executed itself. With `executedAt`, the same told again is stored once."""
    return executions.log_execution(caller.app.slug, body)


handler = api.handle
