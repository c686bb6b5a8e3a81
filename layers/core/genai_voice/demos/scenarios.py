"""Reads the demo scenarios from the files beside it, each file once, when it is first asked for."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genai_voice.demos.model import State
from genai_voice.foundation.caches import cache_results

SLUGS: tuple[str, ...] = ("demo-dentist", "demo-earnings", "demo-ecommerce")
_FOLDER = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, slots=True)
class DemoScenario:
    """All that seeding one app takes; the keys inside are the wire's."""

    slug: str
    app: dict[str, Any]
    """Everything of the app's row but slug, secret and prompt."""
    system_prompt: str
    tools: list[dict[str, Any]]
    """`{name, description, parametersSchema: object, requiresConfirmation, requiresAuth}`."""
    rules: list[dict[str, Any]]
    """`{type, pattern, action, userMessage?}`, in the order in which they apply."""
    documents: list[dict[str, Any]]
    """`{title, category, sourceType, content}`."""


def load(slug: str) -> DemoScenario:
    """The scenario of one of SLUGS, a copy of its own for every call. Raises KeyError for any other slug."""
    if slug not in SLUGS:
        raise KeyError(slug)
    return DemoScenario(
        slug=slug,
        app=_json(slug, "app.json"),
        system_prompt=_text(slug, "prompt.md").strip(),
        tools=_json(slug, "tools.json"),
        rules=_json(slug, "rules.json"),
        documents=[_document(slug, **listed) for listed in _json(slug, "documents.json")],
    )


def initial_state(slug: str) -> State | None:
    """The state a scenario starts in, a copy of its own for every call; None for any slug without one."""
    if slug not in SLUGS:
        return None
    state: State | None = _json(slug, "state.json")
    return state


def shop() -> State:
    """The shop's initial state, for which its tools fall back on where an app has none."""
    return initial_state("demo-ecommerce") or {}


def figures() -> dict[str, Any]:
    """TechCorp's published figures, shaped as `metrics.Figures`."""
    table: dict[str, Any] = _json("demo-earnings", "metrics.json")
    return table


def _document(slug: str, *, file: str, **described: Any) -> dict[str, Any]:
    return {**described, "content": _text(slug, "documents", file).strip()}


def _json(*path: str) -> Any:
    return json.loads(_text(*path))  # parsed anew each time: what a caller changes is its own


@cache_results()
def _text(*path: str) -> str:
    return _FOLDER.joinpath(*path).read_text(encoding="utf-8")
