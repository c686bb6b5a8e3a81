"""Session tokens: a browser gets one in exchange for the app secret. They can be revoked."""

import secrets

from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import NotFound, Unauthorized
from genai_voice.foundation.incoming import Credentials
from genai_voice.tenancy.credential_rows import SessionRow
from genai_voice.tenancy.hashing import hash_token
from genai_voice.tenancy.model import TOKEN_PREFIX, SessionOpened, SessionRequest
from genai_voice.tenancy.resolver import check_app_secret, forget_callers


def open_session(request: SessionRequest, credentials: Credentials) -> SessionOpened:
    """Open a session: answer a new token for whoever knows the app secret. Raises Unauthorized,
    TooManyRequests.
    """
    if not check_app_secret(request.app_slug, request.app_secret, credentials.source):
        raise Unauthorized
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    now = get_now_ms()
    row = SessionRow.of(hash_token(token))
    row.app, row.created_at, row.expires_ms = request.app_slug, now, now + request.ttl_ms
    row.expires_at = row.expires_ms // 1000 + 1
    row.insert()
    return {"sessionToken": token, "expiresAt": row.expires_ms}


def find_app_slug(token: str) -> str:
    """Find the slug of the app that a session token was opened for, also when the token has expired. Raises
    NotFound.
    """
    session = SessionRow.of(hash_token(token)).find_stored()
    if session is None:
        raise NotFound("No such session token: it was never opened, or has expired and is gone")
    return session.app


def revoke_token(token: str) -> None:
    """Refuse this session token from now on: within 30 s everywhere, at once in this process. Revoking it
    again does no harm. Raises NotFound.
    """
    ended = [SessionRow.expires_ms.set(0)]
    revoked = SessionRow.of(hash_token(token)).change_and_return(
        ended, SessionRow.pk.exists(), returning="ALL_NEW"
    )
    if revoked is None:
        raise NotFound("No such session token: it was never opened, or has expired and is gone")
    forget_callers(revoked.app)
