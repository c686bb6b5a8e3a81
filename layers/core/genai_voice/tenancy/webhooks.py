"""What an app has for its webhooks: the secrets that sign them, and an address, which may want no more."""

import secrets
from base64 import b64encode

from genai_voice.foundation.clock import now_ms
from genai_voice.foundation.errors import Conflict
from genai_voice.foundation.sealing import Unreadable, seal, unseal
from genai_voice.tenancy.apps import load_app
from genai_voice.tenancy.rows import AppRow, SigningSecret

PREFIX = "whsec_"
_SECRET_BYTES = 32
_PURPOSE = "WEBHOOK_SECRET"


def rotate_secret(slug: str, overlap_ms: int) -> str:
    """Sign the webhooks of an app with a new secret, which is answered here and nowhere else; the present one
    signs them too for `overlap_ms`. Raises NotFound, Conflict.

    Never more than two are live: a rotation within an overlap ends the older one.
    """
    app, now = load_app(slug), now_ms()
    secret = PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    new = SigningSecret(sealed=seal(secret, slug, _PURPOSE))  # type: ignore[no-untyped-call]
    outgoing = [each for each in app.webhook_secrets or () if each.until is None] if overlap_ms else []
    for each in outgoing:
        each.until = now + overlap_ms
    actions = [
        AppRow.webhook_secrets.set([new, *outgoing]),
        AppRow.updated_at.set(max(now, app.updated_at + 1)),
    ]
    if not AppRow.of(slug).change(actions, AppRow.updated_at == app.updated_at):
        raise Conflict(f"App was changed at the same time: {slug}. Try again.")
    return secret


def list_live_secrets(app: AppRow) -> list[str]:
    """The secrets that sign now, the newest first; none where the app has none. Raises Unreadable where it
    has some and none opens.
    """
    now = now_ms()
    live = [each for each in app.webhook_secrets or () if each.until is None or each.until >= now]
    readable = [secret for each in live if (secret := _unseal(each, app.slug))]
    if live and not readable:
        raise Unreadable
    return readable


def _unseal(stored: SigningSecret, slug: str) -> str | None:
    try:
        return unseal(stored.sealed, slug, _PURPOSE)
    except Unreadable:
        return None


def disable(slug: str, address: str) -> None:
    """Send nothing to this address any more. Nothing happens where the app has another by now."""
    still_there = AppRow.handoff_webhook_url == address
    AppRow.of(slug).change([AppRow.webhook_disabled.set(address)], still_there)


def enable(slug: str) -> None:
    """Use the app's address again, whatever it has answered. Raises NotFound."""
    load_app(slug)
    AppRow.of(slug).change([AppRow.webhook_disabled.remove()], AppRow.pk.exists())
