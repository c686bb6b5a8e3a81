"""What the payloads of events/ name by an id that the service itself would have made up."""

from genai_voice.agents.rows import AgentSessionRow
from genai_voice.guardrails.rows import RuleRow, ViolationRow
from genai_voice.personas.rows import PersonaRow
from genai_voice.tools import registry

PERSONAS = ("1767225600000000-0000000000", "1767225600000001-0000000000")
"""One to be changed, one to be deleted."""
RULES = PERSONAS
"""The same."""
VIOLATION = f"{RULES[0]}-00"
AGENT_SESSION = "pi-1767225600000-abc123"


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
    violation = ViolationRow.new(app, "session-1767225600000-abc123", RULES[0], VIOLATION)
    violation.type, violation.direction, violation.content = "blocked_topic", "input", "Is it politics?"
    violation.action, violation.created_at = "log", 1767225600000
    violation.insert()
    session = AgentSessionRow.of(app, AGENT_SESSION, session_id=AGENT_SESSION, runtime="pi", status="active")
    session.created_at, session.run_count = 1767225600000, 0
    session.insert()
    registry.put(app, "open_door", description="Opens the door.", parameters_schema="{}")
