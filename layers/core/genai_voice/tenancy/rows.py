"""How apps and the versions of their persona fields are stored."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic_core import from_json, to_json

from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import (
    Action,
    BinaryAttribute,
    BooleanAttribute,
    CompressedText,
    Condition,
    Item,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from genai_voice.tenancy.credential_rows import CredentialFields
from genai_voice.tenancy.model import ANNOUNCED, App


def format_persona_version(known_as: str, number: int) -> str:
    """Format the name that a version has on the wire."""
    return f"{known_as}@{number}"


class SigningSecret(MapAttribute[str, Any]):
    """A secret that signs the webhooks of an app."""

    sealed = BinaryAttribute(legacy_encoding=False)  # for (app, WEBHOOK_SECRET)
    until = NumberAttribute(null=True)  # epoch ms; absent: for good


class PersonaFields(Item):
    """The base of rows with persona fields and their version: an app, and each persona of its library.

    The row itself is the newest version. A change keeps the version before it as a `PersonaVersionRow`, in
    the same transaction and under the condition that the version is the one that was read: each number is
    written once, and none is left out. A row that was never changed has no `version` and is version 1.
    """

    versioned: ClassVar[tuple[str, ...]] = (
        *("system_prompt", "voice", "persona_name", "persona_greeting", "persona_tone"),
        *("preferred_terms", "blocked_terms", "ui_strings"),
    )

    system_prompt = UnicodeAttribute()
    voice = UnicodeAttribute(null=True)
    persona_name = UnicodeAttribute(null=True)
    persona_greeting = UnicodeAttribute(null=True)
    persona_tone = UnicodeAttribute(null=True)
    preferred_terms = UnicodeAttribute(null=True)
    blocked_terms = UnicodeAttribute(null=True)
    ui_strings = UnicodeAttribute(null=True)  # JSON text
    version_since = NumberAttribute(null=True)  # epoch ms; absent: as long as the row

    @property
    def known_as(self) -> str:
        """The part before `@` in the names of its versions."""
        raise NotImplementedError

    @property
    def number(self) -> int:
        """The number of the present version."""
        return int(self.version or 1)

    @property
    def content(self) -> dict[str, str]:
        """The versioned fields that have a value."""
        present = ((name, getattr(self, name)) for name in self.versioned)
        return {name: value for name, value in present if value is not None}

    def is_changed_by(self, given: Mapping[str, Any]) -> bool:
        """Whether to write these fields (None: absent) would change what is versioned."""
        return any(getattr(self, name) != given[name] for name in given.keys() & set(self.versioned))

    def next_version_changes(self, now: int) -> list[Action]:
        """Make the row its next version."""
        return [type(self).version.set(self.number + 1), type(self).version_since.set(now)]

    def is_unchanged(self) -> Condition:
        """Whether the version is still the one that was read: a condition."""
        version = type(self).version
        return version == self.version if self.version else version.does_not_exist()

    def as_version(self) -> "PersonaVersionRow":
        """Make a row of the present version, to be kept or shown."""
        row = PersonaVersionRow.of(self.pk, self.known_as, self.number)
        row.content = to_json(self.content).decode()
        row.created_at = self.version_since or self.created_at
        return row

    @classmethod
    def field_changes(cls, given: Mapping[str, Any]) -> list[Action]:
        """Set these fields; None removes one."""
        return [
            getattr(cls, name).remove() if value is None else getattr(cls, name).set(value)
            for name, value in given.items()
        ]


class PersonaVersionRow(Item, discriminator="persona_version"):
    """A version of the persona fields of an app, or of a persona of its library, before a change. It is never
    changed itself.
    """

    number = NumberAttribute()
    content = CompressedText()  # JSON: the fields that had a value

    @staticmethod
    def _make_sk(known_as: str, number: int) -> str:
        return make_key("VERSION", known_as, "NUMBER", f"{number:08d}")

    @classmethod
    def of(cls, pk: str, known_as: str, number: int) -> Self:
        return cls(pk, cls._make_sk(known_as, number), number=number)

    @classmethod
    def list_before(cls, pk: str, known_as: str, number: int, limit: int) -> Iterator[Self]:
        """List the versions below this number, newest first."""
        wanted = cls.sk.between(cls._make_sk(known_as, 0), cls._make_sk(known_as, number - 1))
        return cls.query(pk, wanted, consistent_read=True, scan_index_forward=False, limit=limit)

    def read_content(self) -> dict[str, str]:
        """Read the fields that had a value."""
        return dict(from_json(self.content))


class AppRow(PersonaFields, CredentialFields, discriminator="app"):
    """What an app says, how it works, and its credentials, which `CredentialRow` repeats."""

    name = UnicodeAttribute()
    model_id = UnicodeAttribute()
    reply_as_audio = BooleanAttribute()
    temperature = NumberAttribute(null=True)
    token_expire_minutes = NumberAttribute(null=True)
    tokens_per_minute = NumberAttribute(null=True)
    persona_id = UnicodeAttribute(null=True)  # of the linked persona; goes and comes with persona_number
    persona_number = NumberAttribute(null=True)  # the present version of the linked persona
    guardrails_enabled = BooleanAttribute(null=True)
    max_actions_per_turn = NumberAttribute(null=True)
    handoff_enabled = BooleanAttribute(null=True)
    handoff_webhook_url = UnicodeAttribute(null=True)
    handoff_expiration_seconds = NumberAttribute(null=True)
    mute_agent_after_handoff = BooleanAttribute(null=True)
    webhook_events: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute, null=True)
    webhook_secrets: ListAttribute[Any] = ListAttribute(of=SigningSecret, null=True)
    webhook_disabled = UnicodeAttribute(null=True)  # the address that has answered 410
    knowledge_threshold = NumberAttribute(null=True)
    updated_at = NumberAttribute()

    @classmethod
    def of(cls, slug: str) -> Self:
        """Make the app's row, with its place in the list of apps."""
        return cls(
            make_key("APP", slug),
            make_key("APP"),
            slug=slug,
            gsi1pk=make_key("APPS"),
            gsi1sk=make_key("SLUG", slug),
        )

    @property
    def known_as(self) -> str:
        return "own"

    @classmethod
    def link_changes(cls, persona_id: str | None, number: int | None, now: int) -> list[Action]:
        """Link a persona of the library by its present version, or none (None)."""
        linked = cls.field_changes({"persona_id": persona_id, "persona_number": number})
        return [*linked, cls.updated_at.set(now)]

    @property
    def persona_version_in_force(self) -> str:
        if self.persona_id and self.persona_number:
            return format_persona_version(self.persona_id, int(self.persona_number))
        return format_persona_version(self.known_as, self.number)

    def as_app(self) -> App:
        """Make what requests may know of the app."""
        wanted = ANNOUNCED | frozenset(self.webhook_events or ()) if self.handoff_webhook_url else frozenset()
        return App(
            slug=self.slug,
            max_actions_per_turn=int(self.max_actions_per_turn or 0),
            persona_version=self.persona_version_in_force,
            guardrails_enabled=bool(self.guardrails_enabled),
            handoff_expiration_s=int(self.handoff_expiration_seconds or 0),
            mute_agent_after_handoff=bool(self.mute_agent_after_handoff),
            webhook_events=wanted,
        )

    @classmethod
    def find_by_slug(cls, slug: str) -> Self | None:
        """Find the app as it is now, or None."""
        return cls.of(slug).find_stored()

    @classmethod
    def list_slugs(cls) -> Iterator[str]:
        """List the slugs of all apps in alphabetical order. For operators: no request reads across apps."""
        keys = cls.query(
            make_key("APPS"), index_name="gsi1", attributes_to_get=["pk", "sk", "kind", "gsi1sk"]
        )
        for row in keys:
            yield str(row.gsi1sk).removeprefix("SLUG#").removesuffix("#")
