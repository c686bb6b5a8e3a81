"""What is stored in place of secrets and tokens."""

import hashlib
import hmac


def hash_secret(secret: str, salt: bytes, pepper: bytes) -> bytes:
    """HMAC-SHA-256 of an app secret: useless without the pepper, which the table does not hold."""
    return hmac.new(pepper, salt + secret.encode(), hashlib.sha256).digest()


def hash_token(token: str) -> str:
    """SHA-256 of a session token, whose 256 random bits need neither salt nor pepper."""
    return hashlib.sha256(token.encode()).hexdigest()
