"""What no other function answers: preflights, unknown paths, and whether the service is up."""

import genai_voice
from genai_voice.foundation.http import Api
from typing_extensions import TypedDict

api = Api()


class Health(TypedDict):
    ok: bool
    version: str


@api.get("/api/health")
def health() -> Health:
    """Whether the service is up, and which version."""
    return {"ok": True, "version": genai_voice.__version__}


handler = api.handler
