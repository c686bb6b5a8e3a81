"""The quality of the agent: its session takes part in an experiment, and what it said is graded."""

from typing import Any

from local.demo.clients import Json, VoiceAgent
from local.demo.steps import Steps

EXPERIMENT = "How to greet"
_VARIANTS = [{"id": "short", "weight": 1}, {"id": "warm", "weight": 1}]


def assign_variant(steps: Steps, agent: VoiceAgent) -> str:
    """Assign a variant of the experiment to this session, and check that it stays the same."""
    what = "POST /api/experiments/assign"

    def ask() -> Any:
        return agent.post("/api/experiments/assign", experimentId=experiment, sessionId=agent.session)

    experiment = steps.take_step("The experiment", lambda: _find_experiment(agent))
    first, again = steps.take_step(what, ask), steps.take_step(what, ask)
    variant = str(first.get("variantId"))
    steps.check(what, [] if variant in [each["id"] for each in _VARIANTS] else [f"variantId is {variant}"])
    steps.check_same(what, {"alreadyAssigned": False}, first)
    steps.check_same(f"{what}, again", {"variantId": variant, "alreadyAssigned": True}, again)
    steps.account.tell_fact("experiment", f'"{EXPERIMENT}": this session has the variant {variant}')
    return variant


def _find_experiment(agent: VoiceAgent) -> str:
    """Find the experiment of an earlier demo, or create one."""
    listed = agent.get("/api/experiments")["experiments"]
    running = [each["_id"] for each in listed if each["name"] == EXPERIMENT and each["isActive"]]
    return str(running[0] if running else _create_experiment(agent)["id"])


def _create_experiment(agent: VoiceAgent) -> Json:
    return agent.post("/api/experiments", name=EXPERIMENT, variants=_VARIANTS)


def grade(steps: Steps, agent: VoiceAgent, scenario: Json) -> None:
    """Grade the conversation that was just held, by what the scenario expects of it."""
    saved = steps.take_step("POST /api/qa/scenarios", lambda: agent.post("/api/qa/scenarios", **scenario))
    what = "POST /api/qa/runs"
    run = steps.take_step(
        what,
        lambda: agent.post(
            "/api/qa/runs", scenarioId=saved["id"], sessionId=agent.session, fromConversation=True
        ),
    )
    right = steps.check_same(what, {"status": "passed", "score": 1}, run)
    steps.check(what, [each["detail"] for each in run["results"] if not each["passed"]])
    if right:
        checks = f"{run['passedChecks']} of {run['totalChecks']} checks passed"
        steps.account.tell_success(f'QA of this conversation, "{scenario["name"]}": {checks}')
