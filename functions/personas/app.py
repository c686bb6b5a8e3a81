"""The persona of an app: read by its agents, edited by its people."""

from genai_voice.foundation.model import Listing, Ok
from genai_voice.personas import service
from genai_voice.personas.model import PersonaUpdate, PersonaView
from genai_voice.tenancy import Api, Caller

api = Api()


@api.get("/api/persona")
def read(caller: Caller, query: Listing) -> PersonaView:
    """How the app's agent presents itself."""
    return service.read(caller.app.slug, query)


@api.patch("/api/persona", caller_first=True, scope="manage")
def update(caller: Caller, body: PersonaUpdate) -> Ok:
    """Change the app's own persona fields."""
    return service.update(caller.app.slug, body)


handler = api.handler
