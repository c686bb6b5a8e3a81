"""The events after a handoff: a person claims and resolves it, and the app's webhooks tell of all that."""

from collections.abc import Sequence
from typing import Any

from local.demo.clients import VoiceAgent
from local.demo.receiver import Receiver
from local.demo.steps import Steps

PERSON, OTHER = "Robin", "Kim"
_PATIENCE_S = 30


def take_over(steps: Steps, desk: VoiceAgent, handoff: str) -> None:
    """Claim and resolve a handoff at the desk, which knows the app's secret as the voice agent does."""

    def ask(status: str, **fields: Any) -> Any:
        return desk.patch("/api/handoffs", handoffId=handoff, status=status, **fields)

    waiting = steps.take_step(
        "GET /api/handoffs", lambda: desk.get("/api/handoffs", status="pending", sessionId=desk.session)
    )
    expected = [{"_id": handoff, "sessionId": desk.session, "status": "pending"}]
    steps.check_same("GET /api/handoffs", expected, waiting["handoffs"])
    steps.check_same(
        "The claim", {"ok": True}, steps.take_step("The claim", lambda: ask("claimed", assignedAgent=PERSON))
    )
    steps.check_refused("A second claim", "already claimed", lambda: ask("claimed", assignedAgent=OTHER))
    steps.check_same(
        "The end", {"ok": True}, steps.take_step("The end", lambda: ask("resolved", resolutionQuality="good"))
    )
    mine = steps.take_step("GET /api/handoffs", lambda: desk.get("/api/handoffs", assignedAgent=PERSON))
    kept = {"_id": handoff, "status": "resolved", "assignedAgent": PERSON, "resolutionQuality": "good"}
    if steps.check_same("The handoff of " + PERSON, [kept], mine["handoffs"][:1]):
        steps.account.tell_success(
            f"{PERSON} has claimed the handoff, {OTHER} could not any more; it is resolved"
        )


def check_announced(steps: Steps, receiver: Receiver, agent: VoiceAgent, expected: Sequence[str]) -> None:
    """Check that each event has come with a valid signature."""
    came = receiver.await_events(agent.session, len(expected), _PATIENCE_S)
    names = [event["event"] for event in came]
    right = steps.check_same("The webhooks", list(expected), names)
    right &= steps.check("The signatures", receiver.refused)
    if right and came:
        steps.account.tell_success(f"webhooks received, their signatures verified: {', '.join(names)}")
