"""What is sent to the service when it is measured, and the environment it is measured in."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stdout
from datetime import UTC, datetime
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from local.serve.gateway import HttpRequest, build_event

ROOT = Path(__file__).resolve().parents[1]
APP = "demo-dentist"
SESSION = "session-5f0c2a7e-2f6b-4a0e-9a51-7f3f6c1b9d20"
TRACE = "trace-8c1e4b90"
TOKEN = "gvs_" + "A" * 43
ENVIRONMENT = {
    "TABLE_NAME": "genai-voice",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "POWERTOOLS_SERVICE_NAME": "genai-voice",
}

Event = dict[str, Any]
Reply = dict[str, Any]
Handler = Callable[[Event, object], Reply]

_NOW_MS = 1_760_000_000_000
_SAID = (
    "Good morning, I would like to move my appointment on Thursday to the week after, if that is possible.",
    "Of course. I see your cleaning with Dr. Okafor on Thursday at 10:30. Would next Tuesday suit you?",
    "Tuesday is fine, but only in the afternoon. And could you tell me whether my insurance covers it?",
    "I have 14:00 and 15:30. Your plan covers two cleanings a year, and this would be the first one.",
)


def make_messages(count: int) -> dict[str, Any]:
    """The body of POST /api/messages."""
    return {
        "messages": [
            {
                "sessionId": SESSION,
                "participantIdentity": "agent" if place % 2 else "caller-17",
                "role": "agent" if place % 2 else "user",
                "content": _SAID[place % len(_SAID)],
                "isFinal": True,
                "createdAt": _NOW_MS + 1700 * place,
                "roomName": "room-42",
                "language": "en-US",
            }
            for place in range(count)
        ]
    }


def make_conversation(count: int) -> dict[str, Any]:
    """The body of POST /api/conversations with so many messages in its transcript."""
    said = [
        {
            "role": "agent" if place % 2 else "user",
            "content": _SAID[place % len(_SAID)],
            "ts": _NOW_MS + 1700 * place,
        }
        for place in range(count)
    ]
    return {"sessionId": SESSION, "startedAt": _NOW_MS, "messages": said, "channel": "voice"}


def make_events(count: int) -> dict[str, Any]:
    """The body of POST /api/events."""
    data = json.dumps({"latencyMs": 412, "model": "gemini-live", "tokens": {"in": 311, "out": 87}})
    reported = [
        {"eventType": "turn_complete", "ts": _NOW_MS + 900 * place, "data": data} for place in range(count)
    ]
    return {"sessionId": SESSION, "events": reported}


def make_post(path: str, body: dict[str, Any]) -> Event:
    """The event of this request as a browser sends it, with a session token in the header."""
    headers = {
        "host": "api.example.test",
        "content-type": "application/json",
        "authorization": f"Bearer {TOKEN}",
        "x-app-slug": APP,
        "x-trace-id": TRACE,
        "origin": "https://app.example.test",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate, br",
        "accept-language": "en-US,en;q=0.9",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0",
    }
    request = HttpRequest("POST", path, "", list(headers.items()), json.dumps(body).encode(), "203.0.113.7")
    return build_event(request, f"POST {path}", "4c1f0f4e-0000-4000-8000-000000000000", datetime.now(UTC))


@cache
def load_function(group: str) -> ModuleType:
    """A function's module, imported by path, as Lambda does."""
    os.environ.update(ENVIRONMENT)
    name = f"functions_{group}_app"
    spec = spec_from_file_location(name, ROOT / "functions" / group / "app.py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def log_to_nowhere() -> AbstractContextManager[TextIO]:
    """Log lines and metrics go to the null device, which swallows what a pipe to Lambda would take.

    It stays open: the service's logger keeps the standard output that it found first.
    """
    return redirect_stdout(_open_nowhere())


@cache
def _open_nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")
