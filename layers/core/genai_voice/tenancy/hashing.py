"""Hashes that are stored in place of secrets and tokens."""

import hashlib
import hmac


def hash_secret(secret: str, salt: bytes, pepper: bytes) -> bytes:
    """Hash an app secret with HMAC-SHA-256: useless without the pepper, which the table does not hold."""
    return hmac.new(pepper, salt + secret.encode(), hashlib.sha256).digest()


def hash_token(token: str) -> str:
    """Hash a session token with SHA-256: its 256 random bits need neither salt nor pepper."""
    return hashlib.sha256(token.encode()).hexdigest()
