"""What the payloads of events/ name by an id that the service itself would have made up."""

from genai_voice.agents.rows import AgentSessionRow
from genai_voice.experiments.rows import ExperimentRow
from genai_voice.handoffs.rows import HandoffRow
from genai_voice.personas.rows import PersonaRow
from genai_voice.tools import registry

PERSONAS = ("1767225600000000-0000000000", "1767225600000001-0000000000")
"""One to be changed, one to be deleted."""
HANDOFFS = ("1767225600000000-0000000000", "1767225600000001-0000000000")
"""One to be claimed, one to be resolved."""
EXPERIMENTS = ("1767225600000000-0000000000", "1767225600000001-0000000000")
"""One that assigns, one to be stopped."""
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
    for experiment_id in EXPERIMENTS:
        experiment = ExperimentRow.of(app, experiment_id)
        experiment.name, experiment.is_active = "Greeting", True
        experiment.variants = '[{"id":"control","weight":1},{"id":"warm","weight":1}]'
        experiment.created_at = 1767225600000
        experiment.insert()
    registry.put(app, "open_door", description="Opens the door.", parameters_schema="{}")
