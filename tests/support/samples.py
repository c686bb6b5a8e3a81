"""What the payloads of events/ name by an id that the service itself would have made up."""

from genai_voice.agents.rows import AgentSessionRow
from genai_voice.personas.rows import PersonaRow
from genai_voice.tools import registry

PERSONAS = ("1767225600000000-0000000000", "1767225600000001-0000000000")
"""One to be changed, one to be deleted."""
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
    registry.put(app, "open_door", description="Opens the door.", parameters_schema="{}")
