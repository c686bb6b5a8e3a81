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
def find_active(caller: Caller, query: Listing) -> ToolSummaries:
    return registry.find_active(caller.app.slug, query)


@api.get("/api/tools/all")
def find_all(caller: Caller, query: Listing) -> ToolPage:
    return registry.find_all(caller.app.slug, query)


@api.post("/api/tools", scope="manage")
def register(caller: Caller, body: ToolRegistration) -> Created:
    return registry.register(caller.app.slug, body)


@api.patch("/api/tools", scope="manage", raises=(NotFound,))
def update(caller: Caller, body: ToolUpdate) -> Ok:
    return registry.update(caller.app.slug, body)


@api.delete("/api/tools", scope="manage", raises=(NotFound,))
def remove(caller: Caller, body: ToolRemoval) -> Ok:
    return registry.remove(caller.app.slug, body.name)


@api.get("/api/tools/executions")
def find_executions(caller: Caller, query: Listing) -> ExecutionPage:
    return executions.find(caller.app.slug, query)


@api.post("/api/tools/execute", raises=(Conflict,))
def execute(caller: Caller, body: ExecuteRequest, trace_id: str | None) -> ToolResult:
    """Raises TooManyRequests above the app's limit, Conflict for a `toolCallId` of another call. Everything
    else that happens is in the result.
    """
    return executor.execute(caller.app, body, trace_id)


@api.post("/api/tools/log")
def log(caller: Caller, body: LogRequest) -> Ok:
    return executions.log(caller.app.slug, body)


handler = api.handler
