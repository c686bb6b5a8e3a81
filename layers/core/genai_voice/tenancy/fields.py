"""The fields of an app that operators may set, and their limits."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from genai_voice.foundation.model import (
    JsonObjectText,
    Name,
    Number,
    Prompt,
    PromptText,
    Request,
    limit_bytes,
)
from genai_voice.tenancy.model import TOKEN_PREFIX, WebhookEvent

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""Lower-case letters, digits, `-` and `_`, at most 63: it stands in headers, room names and keys."""


def _drop_repeats(values: list[WebhookEvent]) -> list[WebhookEvent]:
    """Keep the first of equal values."""
    return list(dict.fromkeys(values))


Count = Annotated[int, Field(ge=0, le=1_000_000)]


class AppFields(Request):
    """The fields of an app that may be set; only those that are given are written. Texts may be empty: an
    empty greeting is a greeting. Which persona an app links is set in its library (`personas.library`).
    """

    name: Name | None = Field(default=None, description="what people call it")
    model_id: Name | None = Field(default=None, description="Gemini model for live tokens")
    reply_as_audio: bool | None = Field(default=None, description="whether the model answers in audio")
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = Field(default=None, description="0 to 2")
    system_prompt: Prompt | None = Field(default=None, description="the agent's instructions")
    token_expire_minutes: Annotated[Number, Field(gt=0, le=1440)] | None = Field(
        default=None, description="life of a live token in minutes, at most 1440"
    )
    tokens_per_minute: Count | None = Field(
        default=None, description="live tokens of the app in a minute; 0 is unlimited"
    )
    voice: PromptText | None = Field(default=None, description="name of the voice")
    persona_name: PromptText | None = Field(default=None, description="how the agent calls itself")
    persona_greeting: PromptText | None = Field(default=None, description="its first words")
    persona_tone: PromptText | None = Field(default=None, description="how it speaks")
    preferred_terms: PromptText | None = Field(default=None, description="comma-separated words to prefer")
    blocked_terms: PromptText | None = Field(default=None, description="comma-separated words to avoid")
    guardrails_enabled: bool | None = Field(default=None, description="whether guardrail rules are evaluated")
    max_actions_per_turn: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="tool calls of a session in 60 s; 0 is unlimited"
    )
    handoff_enabled: bool | None = Field(default=None, description="stored for dashboards")
    handoff_webhook_url: Annotated[str, Field(pattern="^https://"), limit_bytes(2_000)] | None = Field(
        default=None, description="where handoffs and other events are announced (https)"
    )
    handoff_expiration_seconds: Count | None = Field(
        default=None, description="when a pending handoff expires; 0 is never"
    )
    mute_agent_after_handoff: bool | None = Field(
        default=None, description="whether the agent may run no tools once a conversation is with a person"
    )
    webhook_events: Annotated[list[WebhookEvent], AfterValidator(_drop_repeats)] | None = Field(
        default=None,
        description=f"what is announced besides handoff.created, of {', '.join(get_args(WebhookEvent))}",
    )
    knowledge_threshold: Annotated[Number, Field(ge=-1, le=1)] | None = Field(
        default=None, description="cosine score below which a search is a gap, -1 to 1"
    )
    ui_strings: JsonObjectText | None = Field(
        default=None, description="JSON object of texts for the user interface"
    )
    browser_scope: Literal["full", "runtime"] | None = Field(
        default=None,
        description="what session tokens may do: full, or runtime (no change of what agents say and do)",
    )


class NewApp(AppFields):
    """An app to be created or seeded."""

    name: Name
    model_id: Name
    reply_as_audio: bool
    system_prompt: Prompt


def check_secret(secret: str) -> str:
    """Check that a text may be an app secret, and answer it. Raises ValueError with the reason."""
    if not 8 <= len(secret) <= 500:
        raise ValueError("An app secret has 8 to 500 characters.")
    if secret != secret.strip() or not secret.isprintable():
        raise ValueError(
            "An app secret has no spaces at its ends and no control characters: headers lose them."
        )
    if secret.startswith(TOKEN_PREFIX):
        raise ValueError(f"An app secret does not begin with {TOKEN_PREFIX}: session tokens do.")
    return secret
