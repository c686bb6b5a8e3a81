"""Guardrail rules are added and counted."""

from genai_voice.foundation.clock import now_ms, time_ordered_id
from genai_voice.guardrails.rows import RuleRow


def add_if_new(app: str, type_: str, pattern: str, action: str, user_message: str | None) -> bool:
    """Add an active rule unless the app has one with this type and pattern. Answers whether it was added."""
    if any(rule.type == type_ and rule.pattern == pattern for rule in RuleRow.of_app(app)):
        return False
    rule = RuleRow.of_content(app, type_, pattern)
    rule.action, rule.user_message, rule.is_active = action, user_message, True
    rule.place, rule.created_at = time_ordered_id(), now_ms()
    return rule.insert()


def count(app: str) -> int:
    """The app's rules."""
    return RuleRow.count_of(app)
