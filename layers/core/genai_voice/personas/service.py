"""The persona of an app is read by its agents and edited by its people."""

from collections.abc import Mapping
from typing import Any

from genai_voice.foundation.model import Ok, Scoped, parse_json_object
from genai_voice.personas.model import PersonaUpdate, PersonaView
from genai_voice.personas.rows import PersonaRow
from genai_voice.tenancy import apps


def read(app: str, query: Scoped) -> PersonaView:
    """The linked persona of the library where it exists and is active, whole; else the app's own fields."""
    if not query.is_for(app):
        return _view({})
    own = apps.load_app(app)
    linked = PersonaRow.of(app, own.persona_id).find_stored() if own.persona_id else None
    return _view(linked.content if linked and linked.is_active else own.content)


def update(app: str, change: PersonaUpdate) -> Ok:
    """Change the app's own fields, also while a persona of the library hides them."""
    apps.update_app(app, change)
    return {"ok": True}


def count(app: str) -> int:
    """The personas of the app's library."""
    return PersonaRow.count_of(app)


def _view(content: Mapping[str, str]) -> PersonaView:
    return {
        "systemPrompt": content.get("system_prompt"),
        "voice": content.get("voice"),
        "personaName": content.get("persona_name"),
        "personaGreeting": content.get("persona_greeting"),
        "personaTone": content.get("persona_tone"),
        "preferredTerms": content.get("preferred_terms"),
        "blockedTerms": content.get("blocked_terms"),
        "uiStrings": _parsed(content.get("ui_strings")),
    }


def _parsed(text: str | None) -> dict[str, Any] | None:
    try:
        return parse_json_object(text) if text else None
    except ValueError:
        return None
