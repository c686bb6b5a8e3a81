"""Live tokens: a client talks to Gemini itself, in a session that is locked to what its app says."""

from genai_voice.live_tokens import tokens
from genai_voice.live_tokens.model import LiveToken, TokenRequest
from genai_voice.tenancy import Api, Caller

api = Api()


@api.post("/api/token", caller_first=True)
def create_token(caller: Caller, body: TokenRequest) -> LiveToken:
    """Create a token that opens one live session with Gemini.

    Where Gemini makes none the answer is 500 `Token creation failed`, with a sentence in `details`. Above the
    app's `tokensPerMinute` it is 429 `Too many tokens requested`.
    """
    return tokens.create(caller.app.slug, body)


handler = api.handle
