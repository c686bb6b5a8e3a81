"""Live tokens: requests and replies."""

from typing_extensions import TypedDict

from genai_voice.foundation.model import EnumOrDefault, Name, Request


class TokenRequest(Request):
    session_id: EnumOrDefault[Name | None] = None
    """The conversation that the token is for: it keeps the hash of the configuration."""


class LiveToken(TypedDict):
    token: str
    """What the client gives to Gemini in place of a key."""
    expiresAt: str
    """ISO 8601, in UTC."""
    configHash: str
    """Of the configuration that the token is locked to: the same for the same one."""
