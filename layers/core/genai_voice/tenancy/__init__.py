"""Apps, their secrets and session tokens, and who is calling."""

from collections.abc import Callable
from functools import partial

from genai_voice.foundation import http
from genai_voice.tenancy.model import App, Caller
from genai_voice.tenancy.resolver import resolve

__all__ = ["Api", "App", "Caller"]

Api: Callable[[], http.Api] = partial(http.Api, resolve)
"""An `Api` whose callers are resolved to apps."""
