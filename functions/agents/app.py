"""Agent sessions: open, prompt and read them, and record their runs."""

from genai_voice.agents import service
from genai_voice.agents.model import (
    AgentRunPage,
    AgentRunQuery,
    AgentRunRecorded,
    AgentRunRequest,
    AgentRuntimes,
    AgentSessionCreated,
    AgentSessionQuery,
    AgentSessionView,
    NewAgentSession,
    PromptQueued,
    PromptRequest,
)
from genai_voice.foundation.errors import NotFound
from genai_voice.tenancy import Api, Caller

api = Api()


@api.post("/api/agents/session", caller_first=True, status=201)
def create_session(caller: Caller, body: NewAgentSession) -> AgentSessionCreated:
    """Open an agent session."""
    return service.create_session(caller.app.slug, body)


@api.get("/api/agents/session", raises=(NotFound,))
def read_session(caller: Caller, query: AgentSessionQuery) -> AgentSessionView:
    """Read the session, with what its last run told."""
    return service.read_session(caller.app.slug, query)


@api.post("/api/agents/prompt", caller_first=True, raises=(NotFound,))
def acknowledge_prompt(caller: Caller, body: PromptRequest) -> PromptQueued:
    """Acknowledge a prompt. Nothing is executed or stored."""
    return service.acknowledge_prompt(caller.app.slug, body)


@api.post("/api/agents/session/run", caller_first=True, raises=(NotFound,))
def record_run(caller: Caller, body: AgentRunRequest) -> AgentRunRecorded:
    """Record a run. A `runId` that is reported again counts once."""
    return service.record_run(caller.app.slug, body)


@api.get("/api/agents/session/runs")
def list_runs(caller: Caller, query: AgentRunQuery) -> AgentRunPage:
    """List the runs of a session, latest start first."""
    return service.list_runs(caller.app.slug, query)


@api.get("/api/agents/runtimes")
def list_runtimes(caller: Caller) -> AgentRuntimes:
    """List the coding agents that may open sessions."""
    return service.RUNTIMES


handler = api.handle
