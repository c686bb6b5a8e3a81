"""Seed an app, or the three demo scenarios with all they need."""

import json
from collections.abc import Iterator
from typing import Any

from genai_voice.demos import service as demos
from genai_voice.demos.scenarios import SLUGS, DemoScenario, load_scenario
from genai_voice.guardrails import rules as guardrails
from genai_voice.knowledge import service as knowledge
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields, NewApp
from genai_voice.tools import registry

_ON_CREATE = ("modelId", "replyAsAudio", "guardrailsEnabled")


def seed_app(slug: str, app: NewApp, secret: str) -> str:
    """Create the app or replace its fields and secret; `isActive` and all else is kept. Answers what was
    done.
    """
    created = apps.put_app(slug, app, secret)
    return f"{slug}: app {'created' if created else 'updated'}"


def seed_demos(secret: str) -> Iterator[str]:
    """Seed the three demo apps, which share this secret, with tools, rules, documents and their initial
    state.

    Answers a line per step, as it is done. What operators have changed is kept, but for the texts that the
    scenario brings and its state, which begins anew.
    """
    for slug in SLUGS:
        yield from _seed_scenario(load_scenario(slug), secret)


def _seed_scenario(scenario: DemoScenario, secret: str) -> Iterator[str]:
    slug = scenario.slug
    created = _put_app(scenario, secret)
    yield f"{slug}: app {'created' if created else 'updated'}"
    for tool in scenario.tools:
        new = registry.put_tool(
            slug,
            tool["name"],
            description=tool["description"],
            parameters_schema=json.dumps(tool["parametersSchema"], ensure_ascii=False),
            requires_confirmation=tool["requiresConfirmation"],
            requires_auth=tool["requiresAuth"],
        )
        yield f"{slug}: tool {tool['name']} {'created' if new else 'updated'}"
    for rule in scenario.rules:
        added = guardrails.add_if_new(
            slug, rule["type"], rule["pattern"], rule["action"], rule.get("userMessage")
        )
        yield f"{slug}: rule {rule['type']} ({rule['action']}) {'added' if added else 'is there already'}"
    present = {(rule["type"], rule["pattern"]) for rule in scenario.rules}
    for type_ in guardrails.remove_outdated(slug, present):
        yield f"{slug}: rule {type_} of an earlier version removed"
    for document in scenario.documents:
        new = knowledge.put_document(
            slug,
            document["title"],
            content=document["content"],
            category=document["category"],
            source_type=document["sourceType"],
            updated_by="seed-script",
        )
        yield f'{slug}: document "{document["title"]}" {"created" if new else "updated"}'
    demos.reset_state(slug)
    yield f"{slug}: state reset"


def _put_app(scenario: DemoScenario, secret: str) -> bool:
    fields: dict[str, Any] = {**scenario.app, "systemPrompt": scenario.system_prompt}
    only_on_create = {name: fields.pop(name) for name in _ON_CREATE if name in fields}
    return apps.put_app(
        scenario.slug,
        AppFields.model_validate(fields),
        secret,
        on_create=AppFields.model_validate(only_on_create),
    )
