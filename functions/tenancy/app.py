"""Sessions: a server trades its app secret for a token that a browser may hold."""

from genai_voice.foundation.incoming import Credentials
from genai_voice.tenancy import Api, sessions
from genai_voice.tenancy.model import SessionOpened, SessionRequest

api = Api()


@api.post("/api/auth/session", lenient_body=True, headers_as_body=True)
def open_session(body: SessionRequest, credentials: Credentials) -> SessionOpened:
    """Trade the app secret for a token that a browser may hold.

    Raises Unauthorized for an unknown or inactive app and a wrong secret.
    """
    return sessions.open_session(body, credentials)


handler = api.handle
