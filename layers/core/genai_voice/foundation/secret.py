"""The secrets of a deployment: the deployment secret, from which the pepper and the signing keys are derived,
and the keys of outside services. Both are fetched on first use.
"""

import json
from pathlib import Path
from typing import NamedTuple

from cachetools import TTLCache

from genai_voice.foundation.aws import open_client
from genai_voice.foundation.caches import cache_results, register_cache
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.settings import SettingsError, get_settings

_refreshed: TTLCache[str, bool] = register_cache(TTLCache(1, 60_000, timer=get_now_ms))
_provider_keys: TTLCache[str, dict[str, str]] = register_cache(TTLCache(1, 300_000, timer=get_now_ms))


class DerivedKey(NamedTuple):
    """A key made for one purpose, and the id of the root it comes from, to be kept beside what it made."""

    id: str
    bytes: bytes


def derive_keys(purpose: str) -> list[DerivedKey]:
    """Derive the keys for a purpose, the current one first. There are two while the deployment secret is
    being rotated.
    """
    return [DerivedKey(key_id, _derive_key(root, purpose)) for key_id, root in _read_roots()]


def find_key(purpose: str, key_id: str) -> bytes | None:
    """Find the key with this id, by which something was stored, or None where its root is gone for good.

    An id that this process has not seen may mean that the secret was rotated since it was read.
    """
    for again in (False, True):
        if again:
            refresh_roots()
        for key in derive_keys(purpose):
            if key.id == key_id:
                return key.bytes
    return None


def refresh_roots() -> None:
    """Have the deployment secret read again when it is next needed, at most once a minute: strangers can
    cause this.
    """
    if "lately" not in _refreshed:
        _refreshed["lately"] = True
        _read_roots.cache_clear()


@cache_results()
def _read_roots() -> tuple[tuple[str, str], ...]:
    """Read `{"id", "key", "previous"?: {"id", "key"}}` as (id, key) pairs, the current one first."""
    try:
        document = json.loads(_read_document())
        pairs = [document, *([document["previous"]] if document.get("previous") else [])]
        return tuple((str(pair["id"]), str(pair["key"])) for pair in pairs)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SettingsError('The deployment secret must be JSON: {"id": "…", "key": "…"}.') from None


def _read_document() -> str:
    """Read the deployment secret from its file, or else from Secrets Manager. Raises SettingsError."""
    if get_settings().deployment_secret_file:
        try:
            return Path(str(get_settings().deployment_secret_file)).read_text()
        except OSError as reason:
            raise SettingsError(f"DEPLOYMENT_SECRET_FILE cannot be read: {reason.strerror}.") from None
    if get_settings().deployment_secret_arn:
        return _read_from_secrets_manager(str(get_settings().deployment_secret_arn))
    raise SettingsError(
        "Set DEPLOYMENT_SECRET_ARN or DEPLOYMENT_SECRET_FILE: secrets cannot be checked without it."
    )


def _read_from_secrets_manager(arn: str) -> str:
    """Read the text of a secret."""
    client = open_client("secretsmanager", connect_timeout_s=1, read_timeout_s=3, attempts=2)
    return str(client.get_secret_value(SecretId=arn)["SecretString"])


def find_provider_key(variable: str) -> str | None:
    """Find the key of an outside service by its name, such as GEMINI_API_KEY: in the variable of this name,
    or in AWS in the provider secret, `{"GEMINI_API_KEY": "…"}`, which is read again every five minutes.

    Raises SettingsError where there is a provider secret that cannot be read.
    """
    arn, given = get_settings().provider_secret_arn, getattr(get_settings(), variable.lower())
    return (given or "").strip() or (_read_provider_keys(arn).get(variable) if arn else None) or None


def _read_provider_keys(arn: str) -> dict[str, str]:
    """Read the keys of the provider secret. Raises SettingsError."""
    from botocore.exceptions import BotoCoreError, ClientError

    known = _provider_keys.get(arn)
    if known is None:
        try:
            document = json.loads(_read_from_secrets_manager(arn))
            known = {name: str(value).strip() for name, value in document.items()}
        except (BotoCoreError, ClientError, ValueError, AttributeError):
            raise SettingsError('PROVIDER_SECRET_ARN cannot be read as {"GEMINI_API_KEY": "…"}.') from None
        _provider_keys[arn] = known
    return known


@cache_results()
def _derive_key(root: str, purpose: str) -> bytes:
    """Derive 32 bytes by HKDF-SHA-256 (RFC 5869), without salt: the root is uniformly random already."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length=32, salt=None, info=b"genai-voice/" + purpose.encode()).derive(root.encode())
