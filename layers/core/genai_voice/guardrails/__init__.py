"""Guardrails: the rules of an app, and what is checked against them."""
