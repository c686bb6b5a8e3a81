"""The start message: where the service answers, how to get in, and a first call to copy."""

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

DEMO_APPS = ("demo-dentist", "demo-earnings", "demo-ecommerce")


def describe_gemini(environ: Mapping[str, str]) -> str:
    """Tell whether live tokens can be made, and what to do when they cannot."""
    if environ.get("GEMINI_API_KEY"):
        return "asked with GEMINI_API_KEY"
    return "GEMINI_API_KEY is not set: POST /api/token makes no tokens before it is"


def format_greeting(address: str, secret: str, log: Path, engine_note: str, *, gemini: str, code: str) -> str:
    """Format the start message. `gemini` tells whether Gemini is asked, `code` when edited code is served."""
    slug = DEMO_APPS[0]
    bearer = shlex.quote(f"Authorization: Bearer {secret}")
    body = shlex.quote(json.dumps({"appSlug": slug, "appSecret": secret}))
    return f"""
The service answers at {address}

  docs        {address}/docs
  apps        {", ".join(DEMO_APPS)}
  app secret  {secret}
  data        {engine_note}
  logs        {_shorten(log)}
  gemini      {gemini}

Try it:

  curl -s {address}/api/persona -H {bearer} -H 'X-App-Slug: {slug}'

or as a browser does, with a session token:

  TOKEN=$(curl -s -X POST {address}/api/auth/session -H 'Content-Type: application/json' \\
    -d {body} | sed 's/.*"sessionToken":"\\([^"]*\\)".*/\\1/')
  curl -s {address}/api/tools -H "Authorization: Bearer $TOKEN"

{code} Ctrl-C to stop."""


def _shorten(path: Path) -> str:
    """Return the path relative to the current folder where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
