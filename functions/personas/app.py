"""The persona of an app, read by its agents and edited by its people; its library of personas; versions."""

from genai_voice.foundation.errors import NotFound
from genai_voice.foundation.model import Created, Listing, Ok, Scoped
from genai_voice.personas import library, service, versions
from genai_voice.personas.model import (
    NewPersona,
    PersonaChange,
    PersonaLibrary,
    PersonaLink,
    PersonaReference,
    PersonaRollback,
    PersonaRolledBack,
    PersonaUpdate,
    PersonaVersionPage,
    PersonaVersionQuery,
    PersonaView,
)
from genai_voice.tenancy import Api, Caller

api = Api()


@api.get("/api/persona")
def read_persona(caller: Caller, query: Scoped) -> PersonaView:
    """Read how the app's agent presents itself."""
    return service.read_persona(caller.app.slug, query)


@api.patch("/api/persona", caller_first=True, scope="manage")
def update_own_persona(caller: Caller, body: PersonaUpdate) -> Ok:
    """Change the app's own persona fields."""
    return service.update_persona(caller.app.slug, body)


@api.get("/api/personas")
def list_personas(caller: Caller, query: Listing) -> PersonaLibrary:
    """List the library's active personas, oldest first."""
    return library.list_personas(caller.app.slug, query)


@api.post("/api/personas", caller_first=True, scope="manage")
def create_persona(caller: Caller, body: NewPersona) -> Created:
    """Add a persona to the library, which holds at most 200. Names need not be unique."""
    return library.create_persona(caller.app.slug, body)


@api.patch("/api/personas", caller_first=True, scope="manage", raises=(NotFound,))
def update_persona(caller: Caller, body: PersonaChange) -> Ok:
    """Change what is given of a persona; what it was is kept as a version."""
    return library.update_persona(caller.app.slug, body)


@api.delete("/api/personas", caller_first=True, scope="manage", raises=(NotFound,))
def delete_persona(caller: Caller, body: PersonaReference) -> Ok:
    """Delete a persona. An app that links it falls back on its own fields."""
    return library.delete_persona(caller.app.slug, body)


@api.patch("/api/personas/assign", caller_first=True, scope="manage", raises=(NotFound,))
def assign_persona(caller: Caller, body: PersonaLink) -> Ok:
    """Link a persona of the library to the app, or none."""
    return library.assign_persona(caller.app.slug, body)


@api.get("/api/personas/versions", raises=(NotFound,))
def list_versions(caller: Caller, query: PersonaVersionQuery) -> PersonaVersionPage:
    """List the versions of a persona, or of the app's own fields, newest first."""
    return versions.list_versions(caller.app.slug, query)


@api.post("/api/personas/rollback", caller_first=True, scope="manage", raises=(NotFound,))
def roll_back(caller: Caller, body: PersonaRollback) -> PersonaRolledBack:
    """Make a new version that says what an earlier one did."""
    return versions.roll_back(caller.app.slug, body)


handler = api.handle
