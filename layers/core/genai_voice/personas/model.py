"""The persona of an app: what is asked and what is answered."""

from typing import Any

from typing_extensions import TypedDict

from genai_voice.foundation.model import JsonObjectText, LongText, Request


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

    persona_name: LongText | None = None
    persona_greeting: LongText | None = None
    persona_tone: LongText | None = None
    preferred_terms: LongText | None = None
    blocked_terms: LongText | None = None
    ui_strings: JsonObjectText | None = None
