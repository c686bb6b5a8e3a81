"""Agent sessions: opened, prompted and read, and told of each run."""

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
def create(caller: Caller, body: NewAgentSession) -> AgentSessionCreated:
    """Open an agent session."""
    return service.create(caller.app.slug, body)


@api.get("/api/agents/session", raises=(NotFound,))
def read(caller: Caller, query: AgentSessionQuery) -> AgentSessionView:
    """The session, with what its last run told."""
    return service.read(caller.app.slug, query)


@api.post("/api/agents/prompt", caller_first=True, raises=(NotFound,))
def prompt(caller: Caller, body: PromptRequest) -> PromptQueued:
    """Acknowledge a prompt. Nothing is executed or stored."""
    return service.prompt(caller.app.slug, body)


@api.post("/api/agents/session/run", caller_first=True, raises=(NotFound,))
def record(caller: Caller, body: AgentRunRequest) -> AgentRunRecorded:
    """Tell of a run. A `runId` told again counts once."""
    return service.record(caller.app.slug, body)


@api.get("/api/agents/session/runs")
def find_runs(caller: Caller, query: AgentRunQuery) -> AgentRunPage:
    """The runs of a session, latest start first."""
    return service.find_runs(caller.app.slug, query)


@api.get("/api/agents/runtimes")
def runtimes(caller: Caller) -> AgentRuntimes:
    """Which coding agents may open sessions."""
    return service.RUNTIMES


handler = api.handler
