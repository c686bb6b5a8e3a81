"""What no other function answers: preflights, unknown paths, and whether the service is up."""

import genai_voice
from genai_voice.foundation.http import Api
from typing_extensions import TypedDict

api = Api()


class Health(TypedDict):
    ok: bool
    version: str


@api.get("/api/health")
def check_health() -> Health:
    """Tell that the service is up, and its version."""
    return {"ok": True, "version": genai_voice.__version__}


@api.head("/api/health")
def tell_health() -> Health:
    """Tell that the service is up, as GET does, without a body."""
    return check_health()


handler = api.handle
