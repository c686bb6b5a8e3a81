"""How what proves a caller is stored: the secrets of apps, session tokens, and wrong secrets.

An app has two rows. `AppRow` says all of it. `CredentialRow` repeats the part that a secret is checked by. It
is small and lies in a partition of its own: a stranger's guess does not cost what a long prompt costs, and
does not wear out the key that the app's other rows have.
"""

from collections.abc import Mapping
from functools import reduce
from operator import and_
from typing import Any, ClassVar, Self, cast

from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import (
    BinaryAttribute,
    BooleanAttribute,
    Condition,
    Item,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
)


class SecretHash(MapAttribute[str, Any]):
    """The hash of one valid secret of an app."""

    salt = BinaryAttribute(legacy_encoding=False)
    hash = BinaryAttribute(legacy_encoding=False)
    pepper_id = UnicodeAttribute()
    until = NumberAttribute(null=True)  # epoch ms; absent: for good


class CredentialFields(Item):
    """The base of both rows of an app: what decides whether a credential of it is valid.

    Whoever changes one of these writes both rows in one transaction, under the condition that all of them are
    as they were read in `AppRow`. So the rows agree, whoever races with whom.
    """

    proving: ClassVar[tuple[str, ...]] = ("secrets", "is_active", "browser_scope", "tokens_revoked_at")

    slug = UnicodeAttribute()
    secrets = ListAttribute(of=SecretHash)
    is_active = BooleanAttribute()
    browser_scope = UnicodeAttribute(null=True)
    tokens_revoked_at = NumberAttribute(null=True)  # epoch ms: tokens opened until then count no more

    def has_same_credentials(self) -> Condition:
        """Whether all of these fields are still those that were read: a condition."""
        pairs = [(getattr(type(self), name), getattr(self, name)) for name in self.proving]
        same = [path.does_not_exist() if value is None else path == value for path, value in pairs]
        return cast(Condition, reduce(and_, same))


class CredentialRow(CredentialFields, discriminator="credential"):
    """The credentials of an app: under 1 KB, as at most two secrets are valid. An app of before has no such
    row until its credentials are changed or the sweep comes by (`tenancy.splitting`).
    """

    @classmethod
    def of(cls, slug: str) -> Self:
        return cls(make_key("APP", slug, "CREDENTIAL"), make_key("CREDENTIAL"), slug=slug)

    @classmethod
    def of_app(cls, app: CredentialFields, given: Mapping[str, Any]) -> Self:
        """Make the row of an app that has been read, with these fields changed (None removes one)."""
        row = cls.of(app.slug)
        for name in cls.proving:
            setattr(row, name, given[name] if name in given else getattr(app, name))
        return row


class AppsSplitRow(Item, discriminator="apps_split"):
    """That every app has its credential row: where a slug has none, there is no such app."""

    @classmethod
    def of(cls) -> Self:
        return cls(make_key("APPS"), make_key("SPLIT"))


class SessionRow(Item, discriminator="session"):
    app = UnicodeAttribute()
    expires_ms = NumberAttribute()

    @classmethod
    def of(cls, hashed_token: str) -> Self:
        return cls(make_key("TOKEN", hashed_token), make_key("TOKEN"))


class WrongSecretsRow(Item, discriminator="brake"):
    """How many wrong secrets one sender has sent for one slug, whether there is such an app or not. Each lies
    in a partition of its own: who guesses heats nothing that others need.
    """

    window_started = NumberAttribute(null=True)  # epoch ms
    wrong = NumberAttribute(null=True)
    blocked_until = NumberAttribute(null=True)  # epoch ms

    @classmethod
    def of(cls, slug: str, sender: str) -> Self:
        return cls(make_key("APP", slug, "BRAKE", sender), make_key("BRAKE"))
