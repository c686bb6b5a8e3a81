"""The fingerprint by which two configurations of a live session are told apart."""

import hashlib
import json

from genai_voice.gemini.model import LiveConfig


def hash_config(config: LiveConfig) -> str:
    """Hash what a token is locked to: the SHA-256, in hexadecimal, of the JSON of
    `LiveConfig.to_locked_fields`, which is model, modalities, the whole prompt, and that sessions are resumed
    and transcribed. Its keys are sorted, no space is between them, and the text is UTF-8.
    """
    text = json.dumps(config.to_locked_fields(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
