"""By what two configurations of a live session are told apart."""

import hashlib
import json

from genai_voice.gemini.model import LiveConfig


def config_hash(config: LiveConfig) -> str:
    """SHA-256, in hexadecimal, of the JSON of what a token is locked to: `LiveConfig.locked`, which is model,
    modalities, the whole prompt, and that sessions are resumed and transcribed. Its keys are sorted, no space
    is between them, and the text is UTF-8.
    """
    text = json.dumps(config.locked(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
