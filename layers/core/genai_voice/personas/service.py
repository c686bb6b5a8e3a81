"""The persona of an app is read by its agents and edited by its people."""

from typing import Any

from genai_voice.foundation.model import Listing, Ok, json_object
from genai_voice.personas.model import PersonaUpdate, PersonaView
from genai_voice.personas.rows import PersonaRow
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields


def read(app: str, query: Listing) -> PersonaView:
    """The linked persona of the library where it exists and is active, whole; else the app's own fields."""
    if not query.covers(app):
        return _view(AppFields())
    fields = apps.fields_of(app)
    persona = _active(app, fields.persona_id) if fields.persona_id else None
    return _view(persona or fields)


def update(app: str, change: PersonaUpdate) -> Ok:
    """Change the app's own fields, also while a persona of the library hides them."""
    apps.update_app(app, change)
    return {"ok": True}


def exists(app: str, persona_id: str) -> bool:
    """Whether the app's library has this persona, active."""
    return _active(app, persona_id) is not None


def count(app: str) -> int:
    """The personas of the app's library."""
    return PersonaRow.count_of(app)


def _active(app: str, persona_id: str) -> PersonaRow | None:
    persona = PersonaRow.of(app, persona_id).stored()
    return persona if persona and persona.is_active else None


def _view(source: AppFields | PersonaRow) -> PersonaView:
    return {
        "systemPrompt": source.system_prompt,
        "voice": source.voice,
        "personaName": source.persona_name,
        "personaGreeting": source.persona_greeting,
        "personaTone": source.persona_tone,
        "preferredTerms": source.preferred_terms,
        "blockedTerms": source.blocked_terms,
        "uiStrings": _parsed(source.ui_strings),
    }


def _parsed(text: str | None) -> dict[str, Any] | None:
    try:
        return json_object(text) if text else None
    except ValueError:
        return None
