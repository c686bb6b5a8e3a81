"""How apps, session tokens and brakes are stored."""

from collections.abc import Iterator
from typing import Any, Self

from genai_voice.foundation.keys import key
from genai_voice.foundation.table import (
    BinaryAttribute,
    BooleanAttribute,
    Item,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
)


class SecretHash(MapAttribute[str, Any]):
    """One valid secret of an app."""

    salt = BinaryAttribute(legacy_encoding=False)
    hash = BinaryAttribute(legacy_encoding=False)
    pepper_id = UnicodeAttribute()
    until = NumberAttribute(null=True)  # epoch ms; absent: for good


class AppRow(Item, discriminator="app"):
    slug = UnicodeAttribute()
    is_active = BooleanAttribute()
    secrets = ListAttribute(of=SecretHash)
    name = UnicodeAttribute()
    model_id = UnicodeAttribute()
    reply_as_audio = BooleanAttribute()
    temperature = NumberAttribute(null=True)
    system_prompt = UnicodeAttribute()
    token_expire_minutes = NumberAttribute(null=True)
    persona_id = UnicodeAttribute(null=True)
    voice = UnicodeAttribute(null=True)
    persona_name = UnicodeAttribute(null=True)
    persona_greeting = UnicodeAttribute(null=True)
    persona_tone = UnicodeAttribute(null=True)
    preferred_terms = UnicodeAttribute(null=True)
    blocked_terms = UnicodeAttribute(null=True)
    guardrails_enabled = BooleanAttribute(null=True)
    max_actions_per_turn = NumberAttribute(null=True)
    handoff_enabled = BooleanAttribute(null=True)
    handoff_webhook_url = UnicodeAttribute(null=True)
    handoff_expiration_seconds = NumberAttribute(null=True)
    knowledge_threshold = NumberAttribute(null=True)
    ui_strings = UnicodeAttribute(null=True)
    browser_scope = UnicodeAttribute(null=True)
    tokens_revoked_at = NumberAttribute(null=True)  # epoch ms: tokens opened until then count no more
    updated_at = NumberAttribute()

    @classmethod
    def of(cls, slug: str) -> Self:
        """The app's row, with what makes it found in the list of apps."""
        return cls(key("APP", slug), key("APP"), slug=slug, gsi1pk=key("APPS"), gsi1sk=key("SLUG", slug))

    @classmethod
    def load(cls, slug: str) -> Self | None:
        return cls.of(slug).stored()

    @classmethod
    def all_slugs(cls) -> Iterator[str]:
        """In alphabetical order. For operators: no request reads across apps."""
        keys = cls.query(key("APPS"), index_name="gsi1", attributes_to_get=["pk", "sk", "kind", "gsi1sk"])
        for row in keys:
            yield str(row.gsi1sk).removeprefix("SLUG#").removesuffix("#")


class SessionRow(Item, discriminator="session"):
    app = UnicodeAttribute()
    expires_ms = NumberAttribute()

    @classmethod
    def of(cls, hashed_token: str) -> Self:
        return cls(key("TOKEN", hashed_token), key("TOKEN"))


class BrakeRow(Item, discriminator="brake"):
    """Wrong secrets that one address sent for one app."""

    window_started = NumberAttribute(null=True)  # epoch ms
    wrong = NumberAttribute(null=True)
    blocked_until = NumberAttribute(null=True)  # epoch ms

    @classmethod
    def of(cls, slug: str, source: str) -> Self:
        return cls(key("APP", slug), key("BRAKE", source or "unknown"))
