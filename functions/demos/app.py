"""The state of a demo scenario: shown beside the conversation that changes it, and reset."""

from genai_voice.demos import service
from genai_voice.demos.model import ScenarioReset, ScenarioStateView
from genai_voice.foundation.model import Scoped
from genai_voice.tenancy import Api, Caller

api = Api()


@api.get("/api/scenario-state")
def read_state(caller: Caller, query: Scoped) -> ScenarioStateView:
    """Read the state that the demo tools change."""
    return service.read_state(caller.app.slug, query)


@api.post("/api/scenario-state/reset", caller_first=True, lenient_body=True)
def reset_state(caller: Caller) -> ScenarioReset:
    """Put the state back to its beginning."""
    return service.reset_state(caller.app.slug)


handler = api.handle
