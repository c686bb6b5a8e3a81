"""What operators do with apps: create and change them, rotate their secrets, switch them, show them."""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any

from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import Conflict, NotFound
from genai_voice.foundation.model import Request, add_optional
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.secret import derive_keys
from genai_voice.foundation.table import Action
from genai_voice.foundation.transactions import Change, write_together
from genai_voice.tenancy.fields import AppFields, NewApp, check_secret
from genai_voice.tenancy.hashing import hash_secret
from genai_voice.tenancy.resolver import PEPPER, find_secret_expiry, forget_callers
from genai_voice.tenancy.rows import AppRow, SecretHash


def create_app(slug: str, app: NewApp, secret: str) -> None:
    """Create an app. Raises Conflict when the slug is taken, ValueError for a secret that may not be one."""
    row = AppRow.of(slug)
    if not row.change(_creation_changes(row, secret, app), AppRow.pk.does_not_exist()):
        raise Conflict(f"App exists already: {slug}")
    forget_callers(slug)


def put_app(slug: str, fields: AppFields, secret: str, on_create: AppFields | None = None) -> bool:
    """Create the app, or replace the given fields and the secret of an existing one. Answers whether it was
    created.

    `on_create` is set only on a new app. An existing app keeps `isActive`, and its stored hash when the
    secret is the same, so that seeding again changes nothing.
    """
    row = AppRow.of(slug)
    if row.change(_creation_changes(row, secret, fields, on_create), AppRow.pk.does_not_exist()):
        return True
    existing = load_app(slug)
    keep = find_secret_expiry(existing, secret) == inf
    new_secret = [] if keep else [AppRow.secrets.set([_hash_new_secret(secret)])]
    change_fields(slug, _merge_given(fields), new_secret)
    return False


def update_app(slug: str, fields: Request, clear: frozenset[str] = frozenset()) -> None:
    """Set the fields that are given, remove those named in `clear` (python names). Raises NotFound, Busy."""
    change_fields(slug, _merge_given(fields) | dict.fromkeys(clear))


def change_fields(slug: str, given: Mapping[str, Any], more: Sequence[Action] = ()) -> int:
    """Set fields of an app (python names; None removes one). Answers the version of its persona fields after
    that.

    Where a persona field becomes another, the present version is kept in the same transaction. Raises
    NotFound, and Busy when other writers win every time.
    """
    number = retry_lost_races(
        partial(_try_change_fields, slug, given, more),
        busy="Too many changes of this app at once: try again",
    )
    forget_callers(slug)
    return number


def _try_change_fields(slug: str, given: Mapping[str, Any], more: Sequence[Action]) -> int | None:
    """Change the app as it is read here. Answers the version after that, or None when another writer was
    first.
    """
    app, now = load_app(slug), get_now_ms()
    actions = [*AppRow.field_changes(given), *more, AppRow.updated_at.set(now)]
    if not app.is_changed_by(given):
        return app.number if AppRow.of(slug).change(actions, app.is_unchanged()) else None
    change = Change(AppRow.of(slug), [*actions, *app.next_version_changes(now)], app.is_unchanged())
    return app.number + 1 if write_together([change], [app.as_version()]) else None


def rotate_secret(slug: str, secret: str, overlap_ms: int) -> None:
    """Make this the app's secret. The present one stays valid for `overlap_ms`. Raises NotFound, ValueError,
    Conflict.

    At most two secrets are live. Rotating to the present secret once more ends the overlap.
    """
    app = load_app(slug)
    new = _hash_new_secret(secret)
    now = get_now_ms()
    is_present = find_secret_expiry(app, secret) == inf
    replaced = [each for each in app.secrets if each.until is None] if overlap_ms and not is_present else []
    for each in replaced:
        each.until = now + overlap_ms
    unchanged = AppRow.updated_at == app.updated_at
    actions = [AppRow.secrets.set([new, *replaced]), AppRow.updated_at.set(max(now, app.updated_at + 1))]
    if not AppRow.of(slug).change(actions, unchanged):
        raise Conflict(f"App was changed at the same time: {slug}. Try again.")
    forget_callers(slug)


def set_active(slug: str, active: bool) -> None:
    """Switch an app on or off. Raises NotFound."""
    _change_existing(slug, AppRow.is_active.set(active))


def revoke_tokens(slug: str) -> None:
    """Refuse every session token of the app that was opened until now: within 30 s everywhere, at once in
    this process. New tokens can be opened. Raises NotFound.

    "Now" is this machine's: by a clock that is slow the newest tokens stay valid, by one that is fast new
    ones are refused until that time has come.
    """
    _change_existing(slug, AppRow.tokens_revoked_at.set(get_now_ms()))


def _change_existing(slug: str, action: Action) -> None:
    """Change one thing of an app. Raises NotFound where there is no such app."""
    if not AppRow.of(slug).change([action, AppRow.updated_at.set(get_now_ms())], AppRow.pk.exists()):
        raise _make_not_found(slug)
    forget_callers(slug)


def show_app(slug: str) -> dict[str, Any]:
    """Show the app's fields with the names of the wire, and until when its secrets are valid. Raises
    NotFound.
    """
    row, now = load_app(slug), get_now_ms()
    shown = {"slug": row.slug, "isActive": row.is_active}
    fields = {field.alias or name: getattr(row, name) for name, field in AppFields.model_fields.items()}
    add_optional(shown, **fields, personaId=row.persona_id or None)
    shown |= {"personaVersion": row.persona_version_in_force, "secrets": _list_live(row.secrets, now)}
    add_optional(
        shown,
        webhookSecrets=_list_live(row.webhook_secrets, now) if row.webhook_secrets else None,
        webhookDisabled=row.webhook_disabled or None,
    )
    return shown | {"createdAt": row.created_at, "updatedAt": row.updated_at}


def _list_live(stored: Iterable[Any], now: int) -> list[dict[str, Any]]:
    """List until when each valid secret is valid."""
    return [{"validUntil": each.until} for each in stored if each.until is None or each.until >= now]


def check_app(slug: str) -> str:
    """Answer this slug, if there is such an app. Raises NotFound."""
    return load_app(slug).slug


def list_slugs() -> Iterator[str]:
    """List the slugs of all apps, in alphabetical order."""
    return AppRow.list_slugs()


def list_apps() -> Iterator[dict[str, Any]]:
    """List all apps, by slug."""
    for slug in AppRow.list_slugs():
        row = AppRow.find_by_slug(slug)
        if row:
            yield {"slug": slug, "name": row.name, "isActive": row.is_active}


def load_app(slug: str) -> AppRow:
    """Load the app as it is now. Raises NotFound."""
    row = AppRow.find_by_slug(slug)
    if row is None:
        raise _make_not_found(slug)
    return row


def _make_not_found(slug: str) -> NotFound:
    return NotFound(f"App not found: {slug}")


def _creation_changes(row: AppRow, secret: str, *fields: Request | None) -> list[Action]:
    """Set all that a new app has: these fields, its secret, and its place in the list of apps."""
    now = get_now_ms()
    return [
        *AppRow.field_changes(_merge_given(*fields)),
        AppRow.slug.set(row.slug),
        AppRow.gsi1pk.set(row.gsi1pk),
        AppRow.gsi1sk.set(row.gsi1sk),
        AppRow.is_active.set(True),
        AppRow.secrets.set([_hash_new_secret(secret)]),
        AppRow.created_at.set(now),
        AppRow.updated_at.set(now),
    ]


def _merge_given(*fields: Request | None) -> dict[str, Any]:
    """Merge the fields that are given, by their python names; later ones win."""
    given: dict[str, Any] = {}
    for each in fields:
        given |= each.model_dump(exclude_none=True) if each else {}
    return given


def _hash_new_secret(secret: str) -> SecretHash:
    """Hash a secret to be stored, with a new salt and the current pepper. Raises ValueError for one that may
    not be a secret.
    """
    pepper = derive_keys(PEPPER)[0]
    salt = secrets.token_bytes(16)
    hashed = hash_secret(check_secret(secret), salt, pepper.bytes)
    return SecretHash(salt=salt, hash=hashed, pepper_id=pepper.id)  # type: ignore[no-untyped-call]
