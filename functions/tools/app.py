"""Tools: what an agent may do, what it did, and doing it."""

from genai_voice.foundation.model import Listing
from genai_voice.tenancy import Api, Caller
from genai_voice.tools import executor, registry
from genai_voice.tools.model import (
    ExecuteRequest,
    ExecutionPage,
    ToolPage,
    ToolResult,
    ToolSummaries,
)

api = Api()


@api.get("/api/tools")
def find_active(caller: Caller, query: Listing) -> ToolSummaries:
    """The active tools, as an agent loads them."""
    return registry.find_active(caller.app.slug, query)


@api.get("/api/tools/all")
def find_all(caller: Caller, query: Listing) -> ToolPage:
    """All tools of the app."""
    return registry.find_all(caller.app.slug, query)


@api.get("/api/tools/executions")
def find_executions(caller: Caller, query: Listing) -> ExecutionPage:
    """What was executed, newest first."""
    return executor.find(caller.app.slug, query)


@api.post("/api/tools/execute")
def execute(caller: Caller, body: ExecuteRequest, trace_id: str | None) -> ToolResult:
    """Run a tool: whatever happens to it is in the reply.

    Raises TooManyRequests above the app's limit. Everything else that happens is in the result.
    """
    return executor.execute(caller.app, body, trace_id)


handler = api.handler
