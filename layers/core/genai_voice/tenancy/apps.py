"""What operators do with apps: create and change them, rotate their secrets, switch them, show them."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from math import inf
from typing import Any

from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import Conflict, NotFound
from genai_voice.foundation.model import Request, add_optional
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.secret import derive_keys
from genai_voice.foundation.table import Action, Item
from genai_voice.foundation.transactions import Change, write, write_together
from genai_voice.tenancy.credential_rows import CredentialRow, SecretHash
from genai_voice.tenancy.fields import AppFields, NewApp, check_secret
from genai_voice.tenancy.hashing import hash_secret
from genai_voice.tenancy.resolver import PEPPER, find_secret_expiry, forget_callers
from genai_voice.tenancy.rows import AppRow


def create_app(slug: str, app: NewApp, secret: str) -> None:
    """Create an app. Raises Conflict when the slug is taken, ValueError for a secret that may not be one."""
    if not _insert_app(slug, secret, app):
        raise Conflict(f"App exists already: {slug}")


def put_app(slug: str, fields: AppFields, secret: str, on_create: AppFields | None = None) -> bool:
    """Create the app, or replace the given fields and the secret of an existing one. Answers whether it was
    created.

    `on_create` is set only on a new app. An existing app keeps `isActive`, and its stored hash when the
    secret is the same, so that seeding again changes nothing.
    """
    if _insert_app(slug, secret, fields, on_create):
        return True

    def decide(app: AppRow) -> dict[str, Any]:
        keeps_secret = find_secret_expiry(app.secrets, secret) == inf
        return _merge_given(fields) | ({} if keeps_secret else {"secrets": [_hash_new_secret(secret)]})

    _change(slug, decide)
    return False


def update_app(slug: str, fields: Request, clear: frozenset[str] = frozenset()) -> None:
    """Set the fields that are given, remove those named in `clear` (python names). Raises NotFound, Busy."""
    change_fields(slug, _merge_given(fields) | dict.fromkeys(clear))


def change_fields(slug: str, given: Mapping[str, Any]) -> int:
    """Set fields of an app (python names; None removes one). Answers the version of its persona fields after
    that. Raises NotFound, Busy.
    """
    return _change(slug, lambda _: given)


def rotate_secret(slug: str, secret: str, overlap_ms: int) -> None:
    """Make this the app's secret. The present one stays valid for `overlap_ms`. Raises NotFound, ValueError,
    Conflict where the secret is rotated at the same time, Busy.

    At most two secrets are live. Rotating to the present secret once more ends the overlap.
    """
    new, before = _hash_new_secret(secret), _to_plain(load_app(slug).secrets)

    def decide(app: AppRow) -> dict[str, Any]:
        if new.hash in (each.hash for each in app.secrets):
            return {}  # it was written, and the answer was lost
        if _to_plain(app.secrets) != before:
            raise Conflict(f"The secret of {slug} was rotated at the same time. Try again.")
        ends = get_now_ms() + overlap_ms
        is_present = find_secret_expiry(app.secrets, secret) == inf
        keeps_present = overlap_ms and not is_present
        replaced = [each for each in app.secrets if each.until is None] if keeps_present else []
        return {"secrets": [new, *(_end_at(ends, each) for each in replaced)]}

    _change(slug, decide)


def set_active(slug: str, active: bool) -> None:
    """Switch an app on or off. Raises NotFound, Busy."""
    change_fields(slug, {"is_active": active})


def revoke_tokens(slug: str) -> None:
    """Refuse every session token of the app that was opened until now: within 30 s everywhere, at once in
    this process. New tokens can be opened. Raises NotFound, Busy.

    "Now" is this machine's: by a clock that is slow the newest tokens stay valid, by one that is fast new
    ones are refused until that time has come.
    """
    change_fields(slug, {"tokens_revoked_at": get_now_ms()})


def _insert_app(slug: str, secret: str, *fields: Request | None) -> bool:
    """Create both rows of an app, unless there is one. Answers whether it was created. Raises Busy."""
    row, given = AppRow.of(slug), _merge_given(*fields)
    given |= {"is_active": True, "secrets": [_hash_new_secret(secret)]}
    creation = Change(row, _creation_changes(row, given), AppRow.pk.does_not_exist())
    credentials = CredentialRow.of_app(row, given)

    def try_once() -> bool | None:
        if write_together([creation], [credentials]):
            return True
        return False if row.find_stored() else None

    created = retry_lost_races(try_once, busy=f"{slug} is created by others at once: try again")
    if created:
        forget_callers(slug)
    return created


def _change(slug: str, decide: Callable[[AppRow], Mapping[str, Any]]) -> int:
    """Change what `decide` answers for the app as it is. Answers the version of its persona fields after
    that. Raises NotFound, and Busy when other writers win every time.
    """
    busy = "Too many changes of this app at once: try again"
    number = retry_lost_races(partial(_try_change, slug, decide), busy=busy)
    forget_callers(slug)
    return number


def _try_change(slug: str, decide: Callable[[AppRow], Mapping[str, Any]]) -> int | None:
    """Change the app as it is read here. Answers the version after that, or None when another writer was
    first.

    Where a persona field becomes another, the present version is kept in the same transaction; where one is
    set that decides about credentials, the credential row is written in it.
    """
    app, now = load_app(slug), get_now_ms()
    given, number = decide(app), app.number
    actions = [*AppRow.field_changes(given), AppRow.updated_at.set(now)]
    condition, puts = app.is_unchanged(), list[Item]()
    if app.is_changed_by(given):
        number += 1
        actions += app.next_version_changes(now)
        puts.append(app.as_version())
    if given.keys() & set(app.proving):
        condition &= app.has_same_credentials()
        puts.append(CredentialRow.of_app(app, given))
    return number if write([Change(AppRow.of(slug), actions, condition)], puts) else None


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


def _creation_changes(row: AppRow, given: Mapping[str, Any]) -> list[Action]:
    """Set all that a new app has: these fields, and its place in the list of apps."""
    now = get_now_ms()
    return [
        *AppRow.field_changes(given),
        AppRow.slug.set(row.slug),
        AppRow.gsi1pk.set(row.gsi1pk),
        AppRow.gsi1sk.set(row.gsi1sk),
        AppRow.created_at.set(now),
        AppRow.updated_at.set(now),
    ]


def _end_at(ends_ms: float, secret: SecretHash) -> SecretHash:
    """Make the same secret that is valid until then."""
    return SecretHash(salt=secret.salt, hash=secret.hash, pepper_id=secret.pepper_id, until=ends_ms)  # type: ignore[no-untyped-call]


def _to_plain(stored: Iterable[SecretHash]) -> list[tuple[bytes, float | None]]:
    """Convert secrets to what tells them apart."""
    return [(each.hash, each.until) for each in stored]


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
