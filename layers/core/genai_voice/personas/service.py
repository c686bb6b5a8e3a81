"""Read the persona of an app, as its agents do, and change the app's own persona fields."""

from collections.abc import Mapping
from typing import Any

from genai_voice.foundation.model import Ok, Scoped, parse_json_object
from genai_voice.personas.model import PersonaUpdate, PersonaView
from genai_voice.personas.rows import PersonaRow
from genai_voice.tenancy import apps


def read_persona(app: str, query: Scoped) -> PersonaView:
    """Read the persona of the library that the app links, where it exists and is active; else the app's own
    fields. The two are never mixed.
    """
    if not query.is_for(app):
        return _view({})
    own = apps.load_app(app)
    linked = PersonaRow.of(app, own.persona_id).find_stored() if own.persona_id else None
    return _view(linked.content if linked and linked.is_active else own.content)


def update_persona(app: str, change: PersonaUpdate) -> Ok:
    """Change the app's own fields, also while a persona of the library hides them."""
    apps.update_app(app, change)
    return {"ok": True}


def count_personas(app: str) -> int:
    """Count the personas of the app's library, those deleted included."""
    return PersonaRow.count_in_app(app)


def _view(content: Mapping[str, str]) -> PersonaView:
    return {
        "systemPrompt": content.get("system_prompt"),
        "voice": content.get("voice"),
        "personaName": content.get("persona_name"),
        "personaGreeting": content.get("persona_greeting"),
        "personaTone": content.get("persona_tone"),
        "preferredTerms": content.get("preferred_terms"),
        "blockedTerms": content.get("blocked_terms"),
        "uiStrings": _parse(content.get("ui_strings")),
    }


def _parse(text: str | None) -> dict[str, Any] | None:
    try:
        return parse_json_object(text) if text else None
    except ValueError:
        return None
