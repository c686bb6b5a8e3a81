"""A transfer to a person, as a queue would confirm it."""

from datetime import datetime

from genai_voice.demos.model import DemoOutcome, Parameters
from genai_voice.demos.reading import read_text
from genai_voice.demos.references import make_reference

_WAIT = "2-3 minutes"


def transfer_to_human(parameters: Parameters, now: datetime) -> DemoOutcome:
    """Queue the caller, in words alone: no handoff is created.

    `{handoffId, status: "queued", reason, summary, estimatedWaitTime, queuePosition, message}`; the agent is
    told to announce the handoff.
    """
    reason = read_text(parameters, "reason")
    return DemoOutcome(
        {
            "handoffId": make_reference("HO", now),
            "status": "queued",
            "reason": reason,
            "summary": read_text(parameters, "summary"),
            "estimatedWaitTime": _WAIT,
            "queuePosition": 2,
            "message": f"A member of our team will take over in about {_WAIT} and already has your summary.",
        },
        handoff={"reason": reason, "priority": "normal"},
    )
