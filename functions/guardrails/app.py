"""Guardrails: what is said is checked against an app's rules; its rules; its violations."""

from genai_voice.foundation.errors import NotFound
from genai_voice.foundation.model import Created, Listing, Ok
from genai_voice.guardrails import rules, service, violations
from genai_voice.guardrails.model import (
    CheckReply,
    CheckRequest,
    NewRule,
    RuleChange,
    RuleList,
    RuleReference,
    ViolationAnnotation,
    ViolationPage,
    ViolationQuery,
)
from genai_voice.tenancy import Api, Caller

api = Api()


@api.post("/api/guardrails/check")
def check(caller: Caller, body: CheckRequest) -> CheckReply:
    """Check whether a text may be said, and which rules it violates. Only what violates one is stored."""
    return service.check(caller.app, body)


@api.get("/api/guardrails/rules")
def list_rules(caller: Caller, query: Listing) -> RuleList:
    """List all rules, inactive ones too, oldest first, each with how often it was violated and how often that
    was right.
    """
    return rules.list_all(caller.app.slug, query)


@api.post("/api/guardrails/rules", scope="manage")
def create_rule(caller: Caller, body: NewRule) -> Created:
    """Add an active rule. Raises BadRequest for a pattern that RE2 does not take, and beyond 200 rules."""
    return rules.create(caller.app.slug, body)


@api.patch("/api/guardrails/rules", scope="manage", raises=(NotFound,))
def update_rule(caller: Caller, body: RuleChange) -> Ok:
    """Change those fields of a rule that are given; `isActive: false` switches it off, "" removes its
    `userMessage`.
    """
    return rules.update(caller.app.slug, body)


@api.delete("/api/guardrails/rules", scope="manage", raises=(NotFound,))
def delete_rule(caller: Caller, body: RuleReference) -> Ok:
    """Remove a rule. Its violations stay in their list."""
    return rules.delete(caller.app.slug, body)


@api.get("/api/guardrails/violations")
def list_violations(caller: Caller, query: ViolationQuery) -> ViolationPage:
    """List violations, newest first: all, or those of a session, of a rule, or of both."""
    return violations.list_newest(caller.app.slug, query)


@api.patch("/api/guardrails/violations", raises=(NotFound,))
def annotate_violation(caller: Caller, body: ViolationAnnotation) -> Ok:
    """Say whether a violation was rightly found. Said again, the last counts."""
    return violations.annotate(caller.app.slug, body)


handler = api.handle
