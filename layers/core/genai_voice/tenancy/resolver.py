"""Find who is calling: the app that the credentials of a request belong to.

    bearer ──> session token? ──> app secret for the slug? ──> refused (others are not tried)
    no bearer ──> token in query or body? ──(no)──> slug and secret in query or body? ──> refused

A caller that was found is remembered in the process for 30 s: a warm request authenticates without I/O, and
disabling an app, rotating or revoking takes effect everywhere after 30 s, at once in the process that does
it. Wrong secrets are counted by app and source address, so that nobody can lock others out: an address has
ten guesses a minute, and those that it has in flight at once.
"""

import hmac
from hashlib import sha256
from math import inf
from threading import Lock

from cachetools import TTLCache

from genai_voice.foundation.caches import register_cache
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import TooManyRequests, Unauthorized
from genai_voice.foundation.incoming import Credentials
from genai_voice.foundation.secret import find_key
from genai_voice.foundation.table import find_together
from genai_voice.tenancy.hashing import hash_secret, hash_token
from genai_voice.tenancy.model import TOKEN_PREFIX, Caller, Scope
from genai_voice.tenancy.rows import AppRow, SessionRow, WrongSecretsRow

PEPPER = "app-secret-pepper"

_KEPT_MS = 30_000
_WRONG_PER_WINDOW = 10
_WINDOW_MS = 60_000
_BLOCKED_MS = 30_000
_ALL: frozenset[Scope] = frozenset({"runtime", "manage", "secret"})
_FULL = _ALL - {"secret"}
_RUNTIME: frozenset[Scope] = frozenset({"runtime"})

_callers: TTLCache[tuple[str, ...], tuple[Caller, float]] = register_cache(
    TTLCache(10_000, _KEPT_MS, timer=get_now_ms)
)
"""Callers and the epoch ms until which their credential is valid. The keys hold digests, never a
credential.
"""
_callers_lock = Lock()


def resolve(credentials: Credentials) -> Caller:
    """Find the caller. Raises Unauthorized, or TooManyRequests for an address that sent too many wrong
    secrets.
    """
    slug = credentials.slug or credentials.query.get("appSlug") or credentials.body.get("appSlug")
    secret = credentials.query.get("appSecret") or credentials.body.get("appSecret")
    token = credentials.query.get("sessionToken") or credentials.body.get("sessionToken")
    if credentials.bearer:
        caller = find_by_token(credentials.bearer) or find_by_secret(
            slug, credentials.bearer, credentials.source
        )
    else:
        caller = find_by_token(token) or find_by_secret(slug, secret, credentials.source)
    if caller is None:
        raise Unauthorized
    return caller


def find_by_token(token: str | None) -> Caller | None:
    """Find the caller that holds this session token, or None where it is unknown or expired, or its app is
    inactive.
    """
    if token is None or not token.startswith(TOKEN_PREFIX):
        return None
    hashed = hash_token(token)
    known = _recall("token", hashed)
    if known:
        return known
    session = SessionRow.of(hashed).find_stored()
    if session is None or session.expires_ms < get_now_ms():
        return None
    app = AppRow.find_by_slug(session.app)
    if app is None or not app.is_active or (session.created_at or 0) <= (app.tokens_revoked_at or -1):
        return None
    caller = Caller(app.as_app(), "session", _RUNTIME if app.browser_scope == "runtime" else _FULL)
    return _remember(caller, session.expires_ms, "token", hashed)


def find_by_secret(slug: str | None, secret: str | None, source: str) -> Caller | None:
    """Find the caller that knows this app's secret, or None. Raises TooManyRequests while the source address
    is blocked.
    """
    if not slug or not secret or secret.startswith(TOKEN_PREFIX):
        return None
    remembered_as = ("secret", slug, sha256(secret.encode()).hexdigest(), source)
    known = _recall(*remembered_as)
    if known:
        return known
    wrong_secrets = WrongSecretsRow.of(slug, source)
    app, counted = find_together(AppRow.of(slug), wrong_secrets)
    if app is None:  # nothing is written for names that strangers make up
        return None
    if counted and (counted.blocked_until or 0) > get_now_ms():
        raise _make_too_many()
    valid_until = find_secret_expiry(app, secret)
    if valid_until is None:
        _count_wrong_secret(wrong_secrets)
        return None
    if not app.is_active:
        return None
    return _remember(Caller(app.as_app(), "secret", _ALL), valid_until, *remembered_as)


def find_secret_expiry(app: AppRow, secret: str) -> float | None:
    """Find until when this secret of the app is valid (epoch ms), or None where it is not. Compares it with
    every live secret.
    """
    valid: float | None = None
    for stored in app.secrets:
        until = inf if stored.until is None else float(stored.until)
        pepper = find_key(PEPPER, stored.pepper_id) if until >= get_now_ms() else None
        if pepper and hmac.compare_digest(hash_secret(secret, stored.salt, pepper), stored.hash):
            valid = max(valid or 0.0, until)
    return valid


def forget_callers(slug: str | None = None) -> None:
    """Forget the callers of this app, or of all: what was changed of it takes effect at once in this
    process.
    """
    with _callers_lock:
        for remembered_as, (caller, _) in list(_callers.items()):
            if slug in (None, caller.app.slug):
                del _callers[remembered_as]


def _recall(*remembered_as: str) -> Caller | None:
    """Find a caller that is remembered and still valid."""
    with _callers_lock:
        caller, valid_until = _callers.get(remembered_as, (None, 0.0))
    return caller if valid_until >= get_now_ms() else None


def _remember(caller: Caller, valid_until: float, *remembered_as: str) -> Caller:
    """Remember a caller until its credential ends. Answers it."""
    with _callers_lock:
        _callers[remembered_as] = caller, valid_until
    return caller


def _count_wrong_secret(row: WrongSecretsRow) -> None:
    """Count a wrong secret in its window of a minute. The tenth of a window blocks its sender for 30 s.
    Raises TooManyRequests from the eleventh on.
    """
    now = get_now_ms()
    in_window = WrongSecretsRow.window_started > now - _WINDOW_MS
    expires = WrongSecretsRow.expires_at.set(now // 1000 + 3600)
    counted = row.change_and_return(
        [WrongSecretsRow.wrong.add(1), expires], in_window, returning="UPDATED_NEW"
    )
    if counted is None:
        first = [WrongSecretsRow.window_started.set(now), WrongSecretsRow.wrong.set(1), expires]
        if row.change(first, WrongSecretsRow.window_started.does_not_exist() | ~in_window):
            return
        counted = row.change_and_return([WrongSecretsRow.wrong.add(1), expires], returning="UPDATED_NEW")
    wrong = int(counted.wrong or 0) if counted else 0
    if wrong == _WRONG_PER_WINDOW:
        # The window ends with the block: what is still in flight counts on in it, and is told to wait.
        ends = now + _BLOCKED_MS
        row.change(
            [WrongSecretsRow.blocked_until.set(ends), WrongSecretsRow.window_started.set(ends - _WINDOW_MS)]
        )
    if wrong > _WRONG_PER_WINDOW:
        raise _make_too_many()


def _make_too_many() -> TooManyRequests:
    return TooManyRequests("Too many wrong secrets from this address: try again in 30 seconds")
