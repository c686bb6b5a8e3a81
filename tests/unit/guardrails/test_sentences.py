"""What the demos' rules say to sentences of callers and agents. The tables `tuned` and `untouched` were
written by somebody who did not see the patterns; the untouched one was never tuned on.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from genai_voice.demos.scenarios import SLUGS, load_scenario
from genai_voice.guardrails.matching import Matcher, find_problem
from genai_voice.guardrails.patterns import find_refusal

OUTCOMES = {"block": "blocked", "warn": "warned", "log": "logged"}


def table(name: str) -> list[dict[str, str]]:
    file = Path(__file__).parent / "sentences" / f"{name}.yaml"
    return list(yaml.safe_load(file.read_text("utf-8")))


CASES = [
    pytest.param(case["app"], case["text"], case["expect"], id=f"{name}-{place}")
    for name in ("tuned", "more")
    for place, case in enumerate(table(name))
]


def rules_of(slug: str) -> list[dict[str, Any]]:
    return load_scenario(slug).rules


@pytest.mark.parametrize(("slug", "text", "expected"), CASES)
def test_a_sentence_is_judged_as_the_table_says(slug: str, text: str, expected: str) -> None:
    assert judged(slug, text) == expected


def judged(slug: str, text: str) -> str:
    rules = rules_of(slug)
    matcher = Matcher([(rule["type"], rule["pattern"]) for rule in rules])
    actions = {rules[place]["action"] for place in matcher.find(text, lambda: False).violated}
    return next((OUTCOMES[each] for each in OUTCOMES if each in actions), "clean")


def test_the_untouched_table_is_judged_nearly_as_well() -> None:
    """40 sentences, half of them innocent: nothing innocent is blocked, nothing guilty missed. A weather
    forecast is taken for a forward-looking word, which is only logged: to mend that here would be to tune.
    """
    cases = table("untouched")
    assert len(cases) == 2 * sum(case["expect"] == "clean" for case in cases) == 40
    wrong = [
        (case["expect"], got)
        for case in cases
        if (got := judged(case["app"], case["text"])) != case["expect"]
    ]
    assert wrong == [("clean", "logged")]


@pytest.mark.parametrize(
    ("slug", "place"), [(slug, place) for slug in SLUGS for place in range(len(rules_of(slug)))]
)
def test_a_rule_of_a_demo_may_be_stored(slug: str, place: int) -> None:
    rule = rules_of(slug)[place]
    assert find_refusal(rule["type"], rule["pattern"]) is None
    assert find_problem(rule["type"], rule["pattern"]) is None
