"""How agent sessions and their runs are stored: in the partition of the session they belong to."""

from typing import Any, Self

from genai_voice.foundation.keys import digest, make_key, make_time_key
from genai_voice.foundation.table import CompressedText, Item, NumberAttribute, UnicodeAttribute


class AgentSessionRow(Item, discriminator="agent_session"):
    session_id = UnicodeAttribute()
    runtime = UnicodeAttribute()
    status = UnicodeAttribute()
    provider = UnicodeAttribute(null=True)
    model = UnicodeAttribute(null=True)
    branch_id = UnicodeAttribute(null=True)
    thread_id = UnicodeAttribute(null=True)
    cwd = UnicodeAttribute(null=True)
    run_count = NumberAttribute()
    last_run_at = NumberAttribute(null=True)  # epoch ms
    last_failure_reason = UnicodeAttribute(null=True)
    ended_at = NumberAttribute(null=True)

    @classmethod
    def of(cls, app: str, session: str, **attributes: Any) -> Self:
        return cls(make_key("APP", app, "SESSION", session), make_key("AGENT_SESSION"), **attributes)


class AgentRunRow(Item, discriminator="agent_run"):
    session_id = UnicodeAttribute()
    run_id = UnicodeAttribute()
    runtime = UnicodeAttribute()
    provider = UnicodeAttribute()
    model = UnicodeAttribute()
    status = UnicodeAttribute()
    started_at = NumberAttribute()  # epoch ms
    ended_at = NumberAttribute()  # epoch ms
    duration_ms = NumberAttribute()
    attempt_count = NumberAttribute()
    fallback_count = NumberAttribute()
    context_recovery_count = NumberAttribute()
    tool_output_truncated_chars = NumberAttribute()
    prompt_chars = NumberAttribute()
    response_chars = NumberAttribute()
    auth_profile_id = UnicodeAttribute(null=True)
    failure_reason = UnicodeAttribute(null=True)
    error_message = UnicodeAttribute(null=True)
    metadata = CompressedText(null=True)  # JSON

    @classmethod
    def of(cls, app: str, session: str, run_id: str, started_at: float, **attributes: Any) -> Self:
        """Make the row of a run, whose key is its run id: a run that is reported again is the same row."""
        return cls(
            make_key("APP", app, "SESSION", session),
            make_key("AGENT_RUN", run_id),
            session_id=session,
            run_id=run_id,
            started_at=started_at,
            gsi1pk=cls.make_list_key(app, session),
            gsi1sk=make_time_key(started_at, digest(run_id)),
            **attributes,
        )

    @staticmethod
    def make_list_key(app: str, session: str) -> str:
        """Make the key of the partition in which a session's runs are listed."""
        return make_key("APP", app, "SESSION", session, "AGENT_RUNS")
