"""Read and reset the state of an app's demo scenario, and run the tools that change it."""

from datetime import UTC, datetime
from zlib import compress

from pydantic_core import to_json

from genai_voice.demos.handlers import HANDLERS
from genai_voice.demos.model import DemoOutcome, Parameters, ScenarioReset, ScenarioStateView, State
from genai_voice.demos.rows import StateRow, StoredState
from genai_voice.demos.scenarios import load_initial_state
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.model import Scoped
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.transactions import Change

BUSY = "Too many tool calls change this scenario at once: try again"


def read_state(app: str, query: Scoped) -> ScenarioStateView:
    """Read the stored state; before any tool call the initial one, which is not stored by looking at it."""
    if not query.is_for(app):
        return {"appSlug": query.app_slug or "", "state": None, "updatedAt": None}
    row = StoredState.find(app).newest
    if row is None:
        return {"appSlug": app, "state": load_initial_state(app), "updatedAt": None}
    state = row.read_state()
    return {"appSlug": app, "state": state, "updatedAt": row.updated_at if state is not None else None}


def reset_state(app: str) -> ScenarioReset:
    """Put the state back to the initial one: a tool call that runs meanwhile starts over from it. Raises Busy
    when tool calls win every time.
    """
    state = load_initial_state(app)
    if state is None:
        return {"ok": True, "message": "This app has no scenario state: nothing to reset"}

    def try_reset() -> bool | None:
        change = _state_changes(state, StoredState.find(app))
        return change.row.change(change.actions, change.condition) or None

    retry_lost_races(try_reset, busy=BUSY)
    return {"ok": True, "state": state}


def may_have_state(app: str, tool: str) -> bool:
    """Whether a call of this tool may read or change a state."""
    return has_tool(tool) or load_initial_state(app) is not None


def has_tool(name: str) -> bool:
    """Whether there is a demo tool of this name."""
    return name in HANDLERS


def run_tool(
    name: str | None, parameters: Parameters, app: str, stored: StoredState
) -> tuple[DemoOutcome | None, Change | None]:
    """Run the demo tool on the stored state. Answers its outcome, and the change that its effect waits for,
    if it has one.

    Without a name, or on the first call of a demo app, the effect is that the initial state is stored. The
    change holds only while the state is the one given: after a refusal read it and run again.
    """
    newest = stored.newest
    state = newest.read_state() if newest else load_initial_state(app)
    outcome = HANDLERS[name](parameters, state, datetime.now(UTC)) if name else None
    changed = outcome.state if outcome else None
    to_store = changed if changed is not None or newest else state
    if to_store is None:
        return outcome, None
    return outcome, _state_changes(to_store, stored)


def _state_changes(state: State, stored: StoredState) -> Change:
    actions = [
        StateRow.state.set(compress(to_json(state))),
        StateRow.updated_at.set(get_now_ms()),
        StateRow.version.set(stored.next_version),
    ]
    return Change(stored.next_place, actions, stored.is_unchanged())
