"""Texts are sealed before the table stores them: AES-256-GCM under a key of the deployment secret."""

import os

from pydantic_core import to_json

from genai_voice.foundation.secret import derive_keys, find_key

_PURPOSE = "seal"
_NONCE_BYTES = 12


class Unreadable(Exception):
    """A sealed text cannot be read: it was changed, moved to another place, or its key is gone."""


def seal(text: str, *context: str) -> bytes:
    """Seal a text, so that it can be read only with the deployment secret and the same context: the app, and
    whatever says where the text belongs, so that one that is moved elsewhere cannot be read.

    The bytes are the length of the key's id in one byte, the id, a nonce of 96 random bits, and the
    ciphertext with its tag.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = derive_keys(_PURPOSE)[0]
    key_id, nonce = key.id.encode(), os.urandom(_NONCE_BYTES)
    head = bytes([len(key_id)]) + key_id + nonce
    return head + AESGCM(key.bytes).encrypt(nonce, text.encode(), to_json(context))


def unseal(sealed: bytes, *context: str) -> str:
    """Read a text that was sealed with this context. Raises Unreadable."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    end = 1 + int.from_bytes(sealed[:1])
    key = find_key(_PURPOSE, sealed[1:end].decode(errors="replace"))
    if key is None:
        raise Unreadable
    nonce, ciphertext = sealed[end : end + _NONCE_BYTES], sealed[end + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, to_json(context)).decode()
    except (InvalidTag, ValueError):  # changed, or cut short
        raise Unreadable from None
