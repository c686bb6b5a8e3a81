"""Open agent sessions, acknowledge their prompts, and record their runs."""

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
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import BadRequest, NotFound
from genai_voice.foundation.keys import digest
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import Item, find_together
from genai_voice.foundation.transactions import Change, write_together

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
_BASE36 = string.digits + string.ascii_lowercase


def create_session(app: str, request: NewAgentSession) -> AgentSessionCreated:
    """Open a session with a new id. Raises Busy when every id that is drawn is taken."""
    row = retry_lost_races(
        partial(_try_create_session, app, request), busy="Too many agent sessions at once: try again"
    )
    return {"sessionId": row.session_id, "runtime": row.runtime, "status": row.status}


def _try_create_session(app: str, request: NewAgentSession) -> AgentSessionRow | None:
    """Store a session under an id that is drawn anew each time. Answers None where the id is taken."""
    now = get_now_ms()
    session_id = f"pi-{now}-{''.join(secrets.choice(_BASE36) for _ in range(6))}"
    row = AgentSessionRow.of(app, session_id, **request.model_dump())
    row.session_id, row.created_at, row.status, row.run_count = session_id, now, "active", 0
    return row if row.insert() else None


def read_session(app: str, query: AgentSessionQuery) -> AgentSessionView:
    """Read a session with what its last run told. Raises NotFound."""
    row = AgentSessionRow.of(app, query.session_id).find_stored() if query.is_for(app) else None
    if row is None:
        raise NotFound("Agent session not found")
    return cast(
        AgentSessionView,
        {
            "_id": digest(app, "agent_session", row.session_id),
            "createdAt": row.created_at,
            **_view_attributes(app, row),
        },
    )


def acknowledge_prompt(app: str, request: PromptRequest) -> PromptQueued:
    """Acknowledge a prompt. Nothing is executed or stored. Raises NotFound, and BadRequest once the session
    has ended.
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


def record_run(app: str, request: AgentRunRequest) -> AgentRunRecorded:
    """Store the run and count it in its session, in one transaction. A run id that is stored already stays as
    it is and counts once. Raises NotFound, and Busy when other runs win every time.
    """
    session, run = AgentSessionRow.of(app, request.session_id), _make_run_row(app, request)
    recorded: AgentRunRecorded = {"ok": True, "sessionId": request.session_id, "runId": run.run_id}

    def try_first() -> AgentRunRecorded | None:
        """Record the run without reading: nearly always it is the one that has ended last."""
        return recorded if write_together([_run_changes(session, run, None)], inserts=[run]) else None

    def try_again() -> AgentRunRecorded | None:
        stored, same_run = find_together(session, run)
        if stored is None:
            raise NotFound("Agent session not found")
        if same_run is not None:
            return recorded
        return recorded if write_together([_run_changes(session, run, stored)], inserts=[run]) else None

    return retry_lost_races(
        try_first, after_loss=try_again, busy="Too many runs of this agent session at once: try again"
    )


def list_runs(app: str, query: AgentRunQuery) -> AgentRunPage:
    """List the runs of a session, latest start first, as many as were asked for and fit 5 MB; `cursor` where
    more are left.
    """

    def read(before: str | None) -> PageRows[AgentRunRow, AgentRunView]:
        partition = AgentRunRow.make_list_key(app, query.session_id)
        listed = AgentRunRow.list_latest("gsi1", partition, before, query.limit + 1)
        return PageRows.of(
            listed,
            query.limit,
            partial(_view_run, app),
            narrow=AgentRunRow.load_full,
            position=lambda row: row.gsi1sk,
        )

    views, cursor = read_page(app, query, ("agent runs", query.session_id), read)
    return add_optional(AgentRunPage(sessionId=query.session_id, runs=views), cursor=cursor)


def _make_run_row(app: str, request: AgentRunRequest) -> AgentRunRow:
    run, now = request.run, get_now_ms()
    given = {"started_at": now, "ended_at": now, **run.model_dump(exclude_none=True, exclude={"metadata"})}
    row = AgentRunRow.of(app, request.session_id, **given)
    row.created_at = now
    if run.metadata is not None:
        row.metadata = to_json(run.metadata).decode()
    return row


def _run_changes(session: AgentSessionRow, run: AgentRunRow, stored: AgentSessionRow | None) -> Change:
    """Count the run in its session, and tell of it there if it has ended last. Runs may be reported in any
    order: `stored` is the session as it was read after it has refused to be told of an earlier end.
    """
    row = AgentSessionRow
    count = row.run_count.add(1)
    if stored is not None and (stored.last_run_at or 0) > run.ended_at:  # which never becomes earlier
        return Change(session, [count], row.pk.exists())
    reason = row.last_failure_reason
    about = [
        row.provider.set(run.provider),
        row.model.set(run.model),
        row.last_run_at.set(run.ended_at),
        reason.set(run.failure_reason) if run.failure_reason is not None else reason.remove(),
    ]
    is_latest = row.last_run_at.does_not_exist() | (row.last_run_at <= run.ended_at)
    return Change(session, [count, *about], row.pk.exists() & is_latest)


def _view_run(app: str, row: AgentRunRow) -> AgentRunView:
    return cast(
        AgentRunView,
        {"_id": digest(app, "agent_run", row.session_id, row.run_id), **_view_attributes(app, row)},
    )


def _view_attributes(app: str, row: AgentSessionRow | AgentRunRow) -> dict[str, Any]:
    """Show the row's own attributes under the names of the wire. Those that have no value are left out."""
    own = row.get_attributes().keys() - Item.get_attributes().keys()
    given = {name: getattr(row, name) for name in own}
    return {
        "_creationTime": row.created_at,
        "appSlug": app,
        **{to_camel(name): value for name, value in sorted(given.items()) if value is not None},
    }
