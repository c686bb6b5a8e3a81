"""What the demos' rules say to sentences of callers and agents: each table in `sentences/`, line by line."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from genai_voice.demos.scenarios import SLUGS, load
from genai_voice.guardrails.matching import Matcher, problem
from genai_voice.guardrails.patterns import refusal

TABLES = sorted((Path(__file__).parent / "sentences").glob("*.yaml"))
CASES = [
    pytest.param(case["app"], case["text"], case["expect"], id=f"{table.stem}-{place}")
    for table in TABLES
    for place, case in enumerate(yaml.safe_load(table.read_text("utf-8")))
]


def rules_of(slug: str) -> list[dict[str, Any]]:
    return load(slug).rules


@pytest.mark.parametrize(("slug", "text", "expected"), CASES)
def test_a_sentence_is_judged_as_the_table_says(slug: str, text: str, expected: str) -> None:
    rules = rules_of(slug)
    matcher = Matcher([(rule["type"], rule["pattern"]) for rule in rules])
    actions = {rules[place]["action"] for place in matcher.violated(text)}
    outcomes = {"block": "blocked", "warn": "warned", "log": "logged"}
    assert next((outcomes[each] for each in outcomes if each in actions), "clean") == expected


@pytest.mark.parametrize(
    ("slug", "place"), [(slug, place) for slug in SLUGS for place in range(len(rules_of(slug)))]
)
def test_a_rule_of_a_demo_may_be_stored(slug: str, place: int) -> None:
    rule = rules_of(slug)[place]
    assert refusal(rule["type"], rule["pattern"]) is None
    assert problem(rule["type"], rule["pattern"]) is None
