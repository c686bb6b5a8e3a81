"""What the payloads of events/ name by an id that the service itself would have made up."""

import json
from typing import Any

from genai_voice.agents.rows import AgentSessionRow
from genai_voice.delivery.rows import DeliveryAttempt
from genai_voice.experiments.rows import ExperimentRow
from genai_voice.foundation.clock import make_time_ordered_id
from genai_voice.foundation.keys import make_time_key
from genai_voice.guardrails.rows import RuleRow, ViolationRow
from genai_voice.handoffs.rows import HandoffRow
from genai_voice.personas.rows import PersonaRow
from genai_voice.qa.rows import ScenarioRow
from genai_voice.tools import registry
from genai_voice.tools.rows import ToolRow
from genai_voice.webhooks.rows import WebhookRow

PERSONAS = ("1767225600000000-0000000000", "1767225600000001-0000000000")
"""One to be changed, one to be deleted."""
HANDOFFS = ("1767225600000000-0000000000", "1767225600000001-0000000000")
"""One to be claimed, one to be resolved."""
DELIVERY = "1767225600000000-0000000000"
SECOND_DELIVERY = "1767225660000000-0000000000"
"""Both were given up; the first is to be replayed."""
RULES = PERSONAS
"""The same."""
VIOLATION = f"{RULES[0]}-00"
SCENARIOS = ("sample-opening-hours", "sample-parking")
"""One to be graded by, one to be deleted."""
EXPERIMENTS = tuple(f"176722560000000{each}-0000000000" for each in range(3))
"""One that assigns, one to be stopped, one to be deleted."""
AGENT_SESSION = "pi-1767225600000-abc123"


def build_tool(app: str, name: str, **fields: Any) -> ToolRow:
    """A tool as it was stored before an app's tools were counted."""
    row = ToolRow.of(app, name)
    row.name, row.description, row.parameters_schema, row.is_active = name, "x", "{}", True
    row.requires_confirmation = row.requires_auth = False
    row.place, row.created_at, row.updated_at = make_time_ordered_id(), 1, 1
    for field, value in fields.items():
        setattr(row, field, value)
    return row


def store_failed_delivery(
    app: str, delivery_id: str, event: str = "handoff.created", **ids: str
) -> WebhookRow:
    """A delivery that the receiver would not take."""
    row, at = WebhookRow.of(app, delivery_id), int(delivery_id[:13])
    body = {"event": event, **ids, "appSlug": app, "timestamp": "2026-01-01T00:00:00.000Z"}
    row.event, row.payload, row.status, row.created_at = event, json.dumps(body), "failed", at
    row.gsi2pk, row.gsi2sk = row.make_list_key(app, "failed", event), row.sk
    row.attempts = [DeliveryAttempt(at=at + 250, duration_ms=84, status=404)]
    row.insert()
    return row


def store_samples(app: str) -> None:
    """Give this app all of it."""
    for persona_id in PERSONAS:
        persona = PersonaRow.of(app, persona_id)
        persona.name, persona.system_prompt, persona.is_active = "Calm", "Speak slowly.", True
        persona.created_at = 1767225600000
        persona.insert()
    for rule_id in RULES:
        rule = RuleRow.of(app, rule_id)
        rule.type, rule.pattern, rule.action, rule.place = "blocked_topic", "politics", "log", rule_id
        rule.is_active, rule.created_at = True, 1767225600000
        rule.insert()
    violation = ViolationRow.from_ids(app, "session-1767225600000-abc123", RULES[0], VIOLATION)
    violation.type, violation.direction, violation.content = "blocked_topic", "input", "Is it politics?"
    violation.action, violation.created_at = "log", 1767225600000
    violation.insert()
    session = AgentSessionRow.of(app, AGENT_SESSION, session_id=AGENT_SESSION, runtime="pi", status="active")
    session.created_at, session.run_count = 1767225600000, 0
    session.insert()
    for handoff_id, end in zip(HANDOFFS, ("abc123", "def456"), strict=True):
        handoff = HandoffRow.of(app, handoff_id)
        handoff.session_id, handoff.channel = f"session-1767225600000-{end}", "web"
        handoff.reason, handoff.priority, handoff.status = "user_requested", "normal", "pending"
        handoff.gsi1pk, handoff.gsi1sk = handoff.make_session_key(app, handoff.session_id), handoff.sk
        handoff.created_at, handoff.transcript_revision, handoff.transcript_bytes = 1767225600000, "", 0
        handoff.insert()
    for scenario_id, name in zip(SCENARIOS, ("Knows the opening hours", "Knows where to park"), strict=True):
        scenario = ScenarioRow.of(app, scenario_id)
        scenario.name, scenario.tags = name, ["hours"]
        scenario.turns = '[{"role":"user","content":"When are you open?"}]'
        scenario.expectations, scenario.criteria = '{"shouldContain":["8 to 5"]}', "[]"
        scenario.evaluator_type, scenario.is_active = "string_match", True
        scenario.created_at = scenario.updated_at = 1767225600000
        scenario.gsi1pk, scenario.gsi2pk = scenario.make_list_key(app), scenario.make_list_key(app, True)
        scenario.gsi1sk = scenario.gsi2sk = make_time_key(1767225600000, scenario_id)
        scenario.insert()
    for experiment_id in EXPERIMENTS:
        experiment = ExperimentRow.of(app, experiment_id)
        experiment.name, experiment.is_active = f"Greeting of {app}", True
        experiment.variants = '[{"id":"control","weight":1},{"id":"warm","weight":1}]'
        experiment.created_at = 1767225600000
        experiment.insert()
    registry.put_tool(app, "open_door", description="Opens the door.", parameters_schema="{}")
    for delivery_id in (DELIVERY, SECOND_DELIVERY):
        store_failed_delivery(app, delivery_id, handoffId="a-handoff", sessionId=AGENT_SESSION)
