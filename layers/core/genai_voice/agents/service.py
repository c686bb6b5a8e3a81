"""Agent sessions are opened, prompted, and told of each run."""

import secrets
import string
from functools import partial
from typing import Any, Final, cast

from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from genai_voice.agents.model import (
    AgentRunPage,
    AgentRunQuery,
    AgentRunRecorded,
    AgentRunRequest,
    AgentRuntimes,
    AgentRunView,
    AgentSessionCreated,
    AgentSessionQuery,
    AgentSessionView,
    NewAgentSession,
    PromptQueued,
    PromptRequest,
)
from genai_voice.agents.rows import AgentRunRow, AgentSessionRow
from genai_voice.foundation.clock import back_off, now_ms
from genai_voice.foundation.errors import BadRequest, Busy, NotFound
from genai_voice.foundation.keys import digest
from genai_voice.foundation.pages import fill, read_cursor, sign_cursor
from genai_voice.foundation.table import Change, Item, find_together, write_together

RUNTIMES: Final[AgentRuntimes] = {
    "runtimes": [
        {
            "id": "pi",
            "name": "Pi",
            "description": "A coding agent that runs on its own machine and reports its runs here",
            "providers": ["google", "anthropic", "openai", "deepseek", "mistral", "xai", "groq"],
        }
    ]
}
_ATTEMPTS = 12
_BASE36 = string.digits + string.ascii_lowercase


def create(app: str, request: NewAgentSession) -> AgentSessionCreated:
    """Open a session with a new id. Raises Busy when a dozen ids running are taken."""
    for _ in range(_ATTEMPTS):
        now = now_ms()
        session_id = f"pi-{now}-{''.join(secrets.choice(_BASE36) for _ in range(6))}"
        row = AgentSessionRow.of(app, session_id, **request.model_dump())
        row.session_id, row.created_at, row.status, row.run_count = session_id, now, "active", 0
        if row.insert():
            return {"sessionId": session_id, "runtime": row.runtime, "status": row.status}
    raise Busy("Too many agent sessions at once: try again")


def read(app: str, query: AgentSessionQuery) -> AgentSessionView:
    """Raises NotFound."""
    row = AgentSessionRow.of(app, query.session_id).find_stored() if query.is_for(app) else None
    if row is None:
        raise NotFound("Agent session not found")
    return cast(
        AgentSessionView,
        {
            "_id": digest(app, "agent_session", row.session_id),
            "createdAt": row.created_at,
            **_shown(app, row),
        },
    )


def prompt(app: str, request: PromptRequest) -> PromptQueued:
    """Acknowledge a prompt; nothing is executed or stored. Raises NotFound, BadRequest once the session has
    ended.
    """
    row = AgentSessionRow.of(app, request.session_id).find_stored()
    if row is None:
        raise NotFound("Agent session not found")
    if row.status != "active":
        raise BadRequest("Agent session is not active")
    return {
        "sessionId": row.session_id,
        "status": "queued",
        "message": "Prompt received. The agent runs elsewhere and reports its run here.",
    }


def record(app: str, request: AgentRunRequest) -> AgentRunRecorded:
    """Store the run and count it in its session, together. A run id that is stored already stays as it is and
    counts once. Raises NotFound, Busy when other runs win a dozen times running.
    """
    session, run = AgentSessionRow.of(app, request.session_id), _row(app, request)
    recorded: AgentRunRecorded = {"ok": True, "sessionId": request.session_id, "runId": run.run_id}
    stored: AgentSessionRow | None = None
    for attempt in range(_ATTEMPTS):
        if write_together([_counted(session, run, stored)], inserts=[run]):
            return recorded
        stored, same_run = find_together(session, run)
        if stored is None:
            raise NotFound("Agent session not found")
        if same_run is not None:
            return recorded
        back_off(attempt)
    raise Busy("Too many runs of this agent session at once: try again")


def find_runs(app: str, query: AgentRunQuery) -> AgentRunPage:
    """Latest start first, as many as were asked for and fit 5 MB; `cursor` where more are left."""
    page: AgentRunPage = {"sessionId": query.session_id, "runs": []}
    if not query.is_for(app):
        return page
    scope = (app, "agent runs", query.session_id)
    before = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else None
    listed = AgentRunRow.list_latest(
        "gsi1", AgentRunRow.list_key(app, query.session_id), before, query.limit + 1
    )
    page["runs"], last = fill(AgentRunRow.load_full(listed[: query.limit]), partial(_run_view, app))
    if last is None and len(listed) > query.limit:
        last = listed[query.limit - 1]
    if last is not None:
        page["cursor"] = sign_cursor([last.gsi1sk], *scope)
    return page


def _row(app: str, request: AgentRunRequest) -> AgentRunRow:
    run, now = request.run, now_ms()
    given = {"started_at": now, "ended_at": now, **run.model_dump(exclude_none=True, exclude={"metadata"})}
    row = AgentRunRow.of(app, request.session_id, **given)
    row.created_at = now
    if run.metadata is not None:
        row.metadata = to_json(run.metadata).decode()
    return row


def _counted(session: AgentSessionRow, run: AgentRunRow, stored: AgentSessionRow | None) -> Change:
    """The session after the run. What it tells of its last run is of the one that ended last, in whatever
    order they are reported: `stored` is what refused to be replaced.
    """
    row = AgentSessionRow
    count = row.run_count.add(1)
    if stored is not None and (stored.last_run_at or 0) > run.ended_at:  # and it only grows
        return Change(session, [count], row.pk.exists())
    reason = row.last_failure_reason
    about = [
        row.provider.set(run.provider),
        row.model.set(run.model),
        row.last_run_at.set(run.ended_at),
        reason.set(run.failure_reason) if run.failure_reason is not None else reason.remove(),
    ]
    latest = row.last_run_at.does_not_exist() | (row.last_run_at <= run.ended_at)
    return Change(session, [count, *about], row.pk.exists() & latest)


def _run_view(app: str, row: AgentRunRow) -> AgentRunView:
    return cast(
        AgentRunView, {"_id": digest(app, "agent_run", row.session_id, row.run_id), **_shown(app, row)}
    )


def _shown(app: str, row: AgentSessionRow | AgentRunRow) -> dict[str, Any]:
    """The row's own attributes as the wire names them, without those that have no value."""
    own = row.get_attributes().keys() - Item.get_attributes().keys()
    given = {name: getattr(row, name) for name in own}
    return {
        "_creationTime": row.created_at,
        "appSlug": app,
        **{to_camel(name): value for name, value in sorted(given.items()) if value is not None},
    }
