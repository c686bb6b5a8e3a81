"""Read the demo scenarios from the files beside it, each file once, when it is first asked for."""

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


def load_scenario(slug: str) -> DemoScenario:
    """Load the scenario of one of SLUGS, a copy of its own for every call. Raises KeyError for any other
    slug.
    """
    if slug not in SLUGS:
        raise KeyError(slug)
    return DemoScenario(
        slug=slug,
        app=_load_json(slug, "app.json"),
        system_prompt=_read_file(slug, "prompt.md").strip(),
        tools=_load_json(slug, "tools.json"),
        rules=_load_json(slug, "rules.json"),
        documents=[_load_document(slug, **listed) for listed in _load_json(slug, "documents.json")],
    )


def load_initial_state(slug: str) -> State | None:
    """Load the state a scenario starts in, a new copy for every call; None for any slug without one."""
    if slug not in SLUGS:
        return None
    state: State | None = _load_json(slug, "state.json")
    return state


def load_shop() -> State:
    """Load the shop's initial state, on which its tools fall back where an app has none."""
    return load_initial_state("demo-ecommerce") or {}


def load_figures() -> dict[str, Any]:
    """Load TechCorp's published figures, shaped as `metrics.Figures`."""
    table: dict[str, Any] = _load_json("demo-earnings", "metrics.json")
    return table


def _load_document(slug: str, *, file: str, **described: Any) -> dict[str, Any]:
    return {**described, "content": _read_file(slug, "documents", file).strip()}


def _load_json(*path: str) -> Any:
    return json.loads(_read_file(*path))  # parsed anew each time: what a caller changes is its own


@cache_results()
def _read_file(*path: str) -> str:
    return _FOLDER.joinpath(*path).read_text(encoding="utf-8")
