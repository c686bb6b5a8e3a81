"""The persona of an app: what is asked and what is answered."""

from typing import Any, TypedDict

from genai_voice.foundation.model import Request
from genai_voice.tenancy.model import JsonObjectText, ShortText


class PersonaView(TypedDict):
    """All eight keys, always."""

    systemPrompt: str | None
    voice: str | None
    personaName: str | None
    personaGreeting: str | None
    personaTone: str | None
    preferredTerms: str | None
    blockedTerms: str | None
    uiStrings: dict[str, Any] | None


class PersonaUpdate(Request):
    """What is absent is left alone; an empty text is a value."""

    persona_name: ShortText | None = None
    persona_greeting: ShortText | None = None
    persona_tone: ShortText | None = None
    preferred_terms: ShortText | None = None
    blocked_terms: ShortText | None = None
    ui_strings: JsonObjectText | None = None
