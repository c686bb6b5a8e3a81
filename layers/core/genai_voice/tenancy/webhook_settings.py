"""The settings of an app's webhooks: the secrets that sign them, and whether its address is used."""

import secrets
from base64 import b64encode

from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import Conflict
from genai_voice.foundation.sealing import Unreadable, seal, unseal
from genai_voice.tenancy.apps import load_app
from genai_voice.tenancy.rows import AppRow, SigningSecret

PREFIX = "whsec_"
_SECRET_BYTES = 32
_PURPOSE = "WEBHOOK_SECRET"


def rotate_secret(slug: str, overlap_ms: int) -> str:
    """Make a new secret that signs the webhooks of an app, and answer it: it is shown here and nowhere else.
    The present secret signs them too for `overlap_ms`. Raises NotFound, Conflict.

    At most two secrets are live: a rotation within an overlap ends the older one.
    """
    app, now = load_app(slug), get_now_ms()
    secret = PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    new = SigningSecret(sealed=seal(secret, slug, _PURPOSE))  # type: ignore[no-untyped-call]
    replaced = [each for each in app.webhook_secrets or () if each.until is None] if overlap_ms else []
    for each in replaced:
        each.until = now + overlap_ms
    actions = [
        AppRow.webhook_secrets.set([new, *replaced]),
        AppRow.updated_at.set(max(now, app.updated_at + 1)),
    ]
    if not AppRow.of(slug).change(actions, AppRow.updated_at == app.updated_at):
        raise Conflict(f"App was changed at the same time: {slug}. Try again.")
    return secret


def list_live_secrets(app: AppRow) -> list[str]:
    """List the secrets that sign now, the newest first; none where the app has none. Raises Unreadable where
    it has some and none can be read.
    """
    now = get_now_ms()
    live = [each for each in app.webhook_secrets or () if each.until is None or each.until >= now]
    readable = [secret for each in live if (secret := _unseal_secret(each, app.slug))]
    if live and not readable:
        raise Unreadable
    return readable


def _unseal_secret(stored: SigningSecret, slug: str) -> str | None:
    """Read a stored secret, or answer None where it cannot be read."""
    try:
        return unseal(stored.sealed, slug, _PURPOSE)
    except Unreadable:
        return None


def disable(slug: str, address: str) -> None:
    """Stop sending to this address. Changes nothing where the app has another address by now."""
    still_there = AppRow.handoff_webhook_url == address
    AppRow.of(slug).change([AppRow.webhook_disabled.set(address)], still_there)


def enable(slug: str) -> None:
    """Send to the app's address again, whatever it has answered. Raises NotFound."""
    load_app(slug)
    AppRow.of(slug).change([AppRow.webhook_disabled.remove()], AppRow.pk.exists())
