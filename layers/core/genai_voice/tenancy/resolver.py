"""Find who is calling: the app that the credentials of a request belong to.

    bearer ──> session token? ──> app secret for the slug? ──> refused (others are not tried)
    no bearer ──> token in query or body? ──(no)──> slug and secret in query or body? ──> refused

A credential that has proven itself is remembered in the process for 30 s, and so is an app, by its slug: a
warm request authenticates without I/O. Neither is ever older, so disabling an app, rotating or revoking takes
effect everywhere after 30 s, at once in the process that does it.

A secret is checked by the small credential row of its app, which is read together with the sender's count of
wrong ones; a session token is a row of its own. Wrong secrets are counted by slug and sender, so that nobody
can lock others out: a sender has ten guesses a minute, and those that it has in flight at once.
"""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from math import inf
from threading import Lock

from cachetools import TTLCache

from genai_voice.foundation.caches import register_cache
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import Unauthorized
from genai_voice.foundation.incoming import Credentials
from genai_voice.foundation.secret import derive_keys, find_key
from genai_voice.foundation.table import find_together
from genai_voice.tenancy.brake import check_not_blocked, count_wrong_secret
from genai_voice.tenancy.credential_rows import CredentialRow, SecretHash, SessionRow, WrongSecretsRow
from genai_voice.tenancy.hashing import hash_secret, hash_token
from genai_voice.tenancy.known_apps import KEPT_MS, KnownApp, find_app, forget_apps
from genai_voice.tenancy.model import TOKEN_PREFIX, Caller, Scope
from genai_voice.tenancy.senders import name_sender
from genai_voice.tenancy.splitting import find_unsplit, make_note_to_read, record_note

PEPPER = "app-secret-pepper"

_ALL: frozenset[Scope] = frozenset({"runtime", "manage", "secret"})
_FULL = _ALL - {"secret"}
_RUNTIME: frozenset[Scope] = frozenset({"runtime"})
_NOBODYS = secrets.token_bytes(16), secrets.token_bytes(32)
"""Salt and hash of no secret: what is compared for a slug that no app has."""


@dataclass(frozen=True, slots=True)
class _Proof:
    """That a credential was valid, as far as its own row says; the app is looked up for each request."""

    slug: str
    valid_until: float
    """Epoch ms; after that it has to be proven again."""
    opened_at: float | None = None
    """Epoch ms, of a session token."""


_proofs: TTLCache[tuple[str, ...], _Proof] = register_cache(TTLCache(10_000, KEPT_MS, timer=get_now_ms))
"""The keys hold digests, never a credential."""
_proofs_lock = Lock()


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
    inactive or has revoked it.
    """
    if token is None or not token.startswith(TOKEN_PREFIX):
        return None
    hashed = hash_token(token)
    proof = _recall("token", hashed) or _prove_token(hashed)
    known = _find_active_app(proof.slug) if proof else None
    if proof is None or known is None or (proof.opened_at or 0) <= known.tokens_revoked_at:
        return None
    return Caller(known.app, "session", _RUNTIME if known.is_runtime_only else _FULL)


def find_by_secret(slug: str | None, secret: str | None, source: str) -> Caller | None:
    """Find the caller that knows this app's secret, or None. Raises TooManyRequests while the source address
    is blocked.
    """
    known = _find_active_app(slug) if slug and check_app_secret(slug, secret, source) else None
    return Caller(known.app, "secret", _ALL) if known else None


def check_app_secret(slug: str, secret: str | None, source: str) -> bool:
    """Check whether this is a valid secret of this app, which is active; a wrong one is counted. Raises
    TooManyRequests while the source address is blocked.
    """
    if not secret or secret.startswith(TOKEN_PREFIX):
        return False
    remembered_as = ("secret", slug, sha256(secret.encode()).hexdigest(), source)
    return bool(_recall(*remembered_as) or _prove_secret(slug, secret, source, remembered_as))


def find_secret_expiry(stored: Iterable[SecretHash], secret: str) -> float | None:
    """Find until when this secret is valid (epoch ms), or None where it is not. Compares it with every live
    secret of those that are stored.
    """
    valid: float | None = None
    for each in stored:
        until = inf if each.until is None else float(each.until)
        pepper = find_key(PEPPER, each.pepper_id) if until >= get_now_ms() else None
        if pepper and hmac.compare_digest(hash_secret(secret, each.salt, pepper), each.hash):
            valid = max(valid or 0.0, until)
    return valid


def forget_callers(slug: str | None = None) -> None:
    """Forget this app and its credentials, or all: what was changed takes effect at once in this process."""
    with _proofs_lock:
        for remembered_as, proof in list(_proofs.items()):
            if slug in (None, proof.slug):
                del _proofs[remembered_as]
    forget_apps(slug)


def _find_active_app(slug: str) -> KnownApp | None:
    """Find the app, or None where there is none that is active."""
    known = find_app(slug)
    return known if known and known.is_active else None


def _prove_token(hashed: str) -> _Proof | None:
    """Read the session token. None where it is unknown or expired."""
    now = get_now_ms()
    session = SessionRow.of(hashed).find_stored()
    if session is None or session.expires_ms < now:
        return None
    return _remember(_Proof(session.app, session.expires_ms, session.created_at or 0), now, "token", hashed)


def _prove_secret(slug: str, secret: str, source: str, remembered_as: tuple[str, ...]) -> _Proof | None:
    """Compare the secret with those of the app. None where it is wrong, which is counted, or the app is
    inactive. Raises TooManyRequests.
    """
    now, wrong_secrets = get_now_ms(), WrongSecretsRow.of(slug, name_sender(source))
    found, counted, note = find_together(CredentialRow.of(slug), wrong_secrets, make_note_to_read())
    check_not_blocked(counted)
    record_note(note)
    app = found or find_unsplit(slug)
    valid_until = find_secret_expiry(app.secrets if app else [_make_nobodys_hash()], secret)
    if app is None or valid_until is None:
        count_wrong_secret(wrong_secrets, counted)
        return None
    if not app.is_active:
        return None
    return _remember(_Proof(slug, valid_until), now, *remembered_as)


def _make_nobodys_hash() -> SecretHash:
    """Make what a secret is compared with where there is no app, with as much work as where there is one."""
    salt, hashed = _NOBODYS
    return SecretHash(salt=salt, hash=hashed, pepper_id=derive_keys(PEPPER)[0].id)  # type: ignore[no-untyped-call]


def _recall(*remembered_as: str) -> _Proof | None:
    """Find a proof that is remembered and still valid."""
    with _proofs_lock:
        proof = _proofs.get(remembered_as)
    return proof if proof and proof.valid_until >= get_now_ms() else None


def _remember(proof: _Proof, read_at: int, *remembered_as: str) -> _Proof:
    """Remember a proof for 30 s from before it was read, and while its credential is valid. Answers it."""
    until = min(proof.valid_until, read_at + KEPT_MS)
    with _proofs_lock:
        _proofs[remembered_as] = replace(proof, valid_until=until)
    return proof
