"""What the payloads of events/ name by an id that the service itself would have made up."""

from genai_voice.agents.rows import AgentSessionRow
from genai_voice.foundation.keys import at
from genai_voice.handoffs.rows import HandoffRow
from genai_voice.personas.rows import PersonaRow
from genai_voice.qa.rows import ScenarioRow
from genai_voice.tools import registry

PERSONAS = ("1767225600000000-0000000000", "1767225600000001-0000000000")
"""One to be changed, one to be deleted."""
HANDOFFS = ("1767225600000000-0000000000", "1767225600000001-0000000000")
"""One to be claimed, one to be resolved."""
SCENARIO = "sample-opening-hours"
AGENT_SESSION = "pi-1767225600000-abc123"


def store_samples(app: str) -> None:
    """Give this app all of it."""
    for persona_id in PERSONAS:
        persona = PersonaRow.of(app, persona_id)
        persona.name, persona.system_prompt, persona.is_active = "Calm", "Speak slowly.", True
        persona.created_at = 1767225600000
        persona.insert()
    session = AgentSessionRow.of(app, AGENT_SESSION, session_id=AGENT_SESSION, runtime="pi", status="active")
    session.created_at, session.run_count = 1767225600000, 0
    session.insert()
    for handoff_id in HANDOFFS:
        handoff = HandoffRow.of(app, handoff_id)
        handoff.session_id, handoff.channel = "session-1767225600000-abc123", "web"
        handoff.reason, handoff.priority, handoff.status = "user_requested", "normal", "pending"
        handoff.created_at, handoff.transcript_revision, handoff.transcript_bytes = 1767225600000, "", 0
        handoff.insert()
    scenario = ScenarioRow.of(app, SCENARIO)
    scenario.name, scenario.tags = "Knows the opening hours", ["hours"]
    scenario.turns = '[{"role":"user","content":"When are you open?"}]'
    scenario.expectations, scenario.criteria = '{"shouldContain":["8 to 5"]}', "[]"
    scenario.evaluator_type, scenario.is_active = "string_match", True
    scenario.created_at = scenario.updated_at = 1767225600000
    scenario.gsi1pk, scenario.gsi2pk = scenario.list_key(app), scenario.list_key(app, True)
    scenario.gsi1sk = scenario.gsi2sk = at(1767225600000, SCENARIO)
    scenario.insert()
    registry.put(app, "open_door", description="Opens the door.", parameters_schema="{}")
