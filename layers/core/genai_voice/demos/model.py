"""The words of the demos: a scenario's state, a tool's parameters, and what a mock tool answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NotRequired

from typing_extensions import TypedDict

State = dict[str, Any]
"""What tools change: `{appointments}` or `{orders, inventory}`. Any part may be missing or damaged."""
Parameters = Mapping[str, Any]
"""The arguments of a tool call: any JSON, of which nothing is believed."""


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """`data` for the caller, `error` or `found: false` included; `state` to store, None if unchanged;
    `handoff`, where a person is to take over: `{reason, priority}`.
    """

    data: dict[str, Any]
    state: State | None = None
    handoff: dict[str, str] | None = None


Handler = Callable[[Parameters, State | None, datetime], DemoOutcome]
"""(parameters, state or None where the app has none, now in UTC) -> outcome. Pure; no JSON makes it raise."""


class ScenarioStateView(TypedDict):
    appSlug: str
    state: dict[str, Any] | None
    updatedAt: float | None


class ScenarioReset(TypedDict):
    ok: bool
    state: NotRequired[dict[str, Any]]
    message: NotRequired[str]
