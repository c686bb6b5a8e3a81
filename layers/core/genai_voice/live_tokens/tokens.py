"""Tokens with which a client opens one live session, locked to what its app says now."""

from datetime import UTC, datetime, timedelta

from genai_voice.conversations.saving import save_config_hash
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import FailedWithDetails, TooManyRequests, UpstreamFailed
from genai_voice.gemini.client import create_live_token
from genai_voice.gemini.model import LiveConfig
from genai_voice.live_tokens.fingerprint import hash_config
from genai_voice.live_tokens.model import LiveToken, TokenRequest
from genai_voice.live_tokens.rows import TokenMinuteRow
from genai_voice.tenancy.apps import load_app

DEFAULT_MINUTES = 30
STARTS_WITHIN = timedelta(minutes=2)


def create(app: str, request: TokenRequest) -> LiveToken:
    """Create a token for one session, which begins within two minutes and lives as long as the app says.

    The app is read as it is now: its own prompt, also where it links a persona (contract 3.1). A token
    counts in its minute before Gemini is asked, and keeps its place there when Gemini fails. With a session
    the hash of the configuration is kept on that conversation once there is a token: of several the last.

    Raises TooManyRequests, and FailedWithDetails with a sentence when Gemini makes none.
    """
    row, now = load_app(app), get_now_ms()
    limit = int(row.tokens_per_minute or 0)
    if limit and not TokenMinuteRow.of_minute(app, now).count_one_more(limit, now):
        raise TooManyRequests("Too many tokens requested")
    config = LiveConfig(row.model_id, row.reply_as_audio, row.system_prompt)
    life = timedelta(minutes=float(row.token_expire_minutes or DEFAULT_MINUTES))
    expires = datetime.fromtimestamp(now / 1000, UTC) + life
    try:
        token = create_live_token(config, expires, STARTS_WITHIN)
    except UpstreamFailed as failed:
        raise FailedWithDetails("Token creation failed", failed.message) from None
    fingerprint = hash_config(config)
    if request.session_id:
        save_config_hash(app, request.session_id, fingerprint)
    ends = expires.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"token": token, "expiresAt": ends, "configHash": fingerprint}
