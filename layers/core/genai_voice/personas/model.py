"""Personas, the app's own and those of its library: what is asked and what is answered."""

from typing import Annotated, Any, ClassVar, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from genai_voice.foundation.model import JsonObjectText, Label, Listing, Name, Prompt, PromptText, Request

MAX_STORED = 200
"""Personas of an app's library, deleted ones not counted."""
OWN = "own"
"""Stands for the app's own persona fields where a persona's id is asked for."""


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


class PersonaStyle(Request):
    """How an agent calls itself and speaks. What is absent is left alone; an empty text is a value."""

    persona_name: PromptText | None = None
    persona_greeting: PromptText | None = None
    persona_tone: PromptText | None = None
    preferred_terms: PromptText | None = None
    blocked_terms: PromptText | None = None


class PersonaUpdate(PersonaStyle):
    """Of the app's own fields."""

    ui_strings: JsonObjectText | None = None


# -- library -----------------------------------------------------------------------------------------------


class NewPersona(PersonaStyle):
    missing: ClassVar[str] = "name and systemPrompt are required"

    name: Name
    system_prompt: Prompt
    voice: PromptText | None = None


class PersonaReference(Request):
    missing: ClassVar[str] = "personaId is required"

    persona_id: Name


class PersonaChange(PersonaReference, PersonaStyle):
    """The two that a persona must have cannot be made empty."""

    name: Name | None = None
    system_prompt: Prompt | None = None
    voice: PromptText | None = None


class PersonaLink(Request):
    missing: ClassVar[str] = "targetAppSlug is required"

    target_app_slug: Name
    persona_id: Label | None = None
    """Absent and "" clear the link."""


class PersonaTexts(TypedDict):
    """The persona fields that have a value."""

    name: NotRequired[str]
    systemPrompt: str
    voice: NotRequired[str]
    personaName: NotRequired[str]
    personaGreeting: NotRequired[str]
    personaTone: NotRequired[str]
    preferredTerms: NotRequired[str]
    blockedTerms: NotRequired[str]
    uiStrings: NotRequired[str]
    """JSON text."""


class LibraryPersona(PersonaTexts):
    _id: str
    _creationTime: float
    appSlug: str
    isActive: bool
    createdAt: float
    updatedAt: float
    version: int


class PersonaLibrary(TypedDict):
    personas: list[LibraryPersona]
    cursor: NotRequired[str]


# -- versions ----------------------------------------------------------------------------------------------


class PersonaVersionQuery(Listing):
    persona_id: Label | None = None
    """Absent, "" and `own`: the app's own persona fields."""


class PersonaVersionView(PersonaTexts):
    _id: str
    """As `personaVersion`."""
    _creationTime: float
    appSlug: str
    version: int
    personaVersion: str
    """As conversations name it: `<personaId>@<n>` or `own@<n>`."""
    createdAt: float
    isCurrent: bool
    """Whether it is the newest version of its persona."""


class PersonaVersionPage(TypedDict):
    versions: list[PersonaVersionView]
    cursor: NotRequired[str]


class PersonaRollback(Request):
    missing: ClassVar[str] = "version is required"

    version: Annotated[int, Field(ge=1, lt=10**8)]
    persona_id: Label | None = None
    """Absent, "" and `own`: the app's own persona fields."""


class PersonaRolledBack(TypedDict):
    ok: bool
    version: int
    """The present one, which says what the named one did."""
