"""Apps, callers and sessions: what features know of a caller, and the request and reply of a session."""

from dataclasses import dataclass
from math import inf
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, StrictStr
from typing_extensions import TypedDict

from genai_voice.foundation.model import Request, refuse

MAX_TTL_MS = 24 * 3_600_000
DEFAULT_TTL_MS = 3_600_000

TOKEN_PREFIX = "gvs_"  # noqa: S105 - lets scanners find leaked tokens, and tells tokens from app secrets
Scope = Literal["runtime", "manage", "secret"]
WebhookEvent = Literal[
    "handoff.created",
    "handoff.claimed",
    "handoff.resolved",
    "handoff.expired",
    "conversation.ended",
    "guardrail.blocked",
]
ANNOUNCED: frozenset[WebhookEvent] = frozenset({"handoff.created"})
"""The events that every app with an address is told of; it asks for the others."""


@dataclass(frozen=True, slots=True)
class App:
    """What a request may know of the app it belongs to."""

    slug: str
    max_actions_per_turn: int
    """Tool calls of a session in 60 s; 0 is unlimited."""
    persona_version: str
    """The version of its agent's persona: `<personaId>@<n>` of a linked persona, else `own@<n>`."""
    guardrails_enabled: bool = False
    handoff_expiration_s: int = 0
    """After which a pending handoff expires; 0 is never."""
    mute_agent_after_handoff: bool = False
    """Whether its agent is kept from acting once a conversation is with a person."""
    webhook_events: frozenset[WebhookEvent] = frozenset()
    """The events it is told of; none where it has no address."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, proven."""

    app: App
    via: Literal["secret", "session"]
    scopes: frozenset[str]


def _check_ttl(value: object) -> object:
    """Answer the milliseconds that a token lives, at most a day and at least one."""
    if value is None:
        return DEFAULT_TTL_MS
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < inf:
        raise refuse("ttlMs must be a positive number")
    return int(min(value, MAX_TTL_MS)) or 1


class SessionRequest(Request):
    missing: ClassVar[str] = "Missing appSlug or appSecret"

    app_slug: StrictStr
    app_secret: StrictStr
    ttl_ms: Annotated[int, BeforeValidator(_check_ttl)] = DEFAULT_TTL_MS
    """Milliseconds, at most 24 h."""


class SessionOpened(TypedDict):
    sessionToken: str
    expiresAt: int
    """Epoch ms."""
