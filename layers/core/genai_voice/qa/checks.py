"""Whether a response is what a scenario expects, by its words, tools and handoff (contract 5.5)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from genai_voice.qa.model.runs import AgentAnswer, CheckResult, JudgeScore, RunStatus
from genai_voice.qa.model.scenarios import EvaluatorType, Expectations


class GradingPlan(NamedTuple):
    """How a run is evaluated."""

    compares: bool
    """Whether the string checks run."""
    judged: bool
    """Whether it is on the judge path, which shows `llmJudgeScores`."""
    asks: bool
    """Whether the model is asked."""


def plan(evaluator: EvaluatorType, use_llm_judge: bool, has_criteria: bool) -> GradingPlan:
    """`useLlmJudge` on a scenario of strings asks no model: it only puts the run on the judge path."""
    by_model = evaluator != "string_match"
    return GradingPlan(evaluator != "llm_judge", by_model or use_llm_judge, by_model and has_criteria)


def compare(expectations: Expectations, answer: AgentAnswer) -> list[CheckResult]:
    """One check per phrase and tool, one of the handoff where something is expected of it. Letters are
    compared in lower case.
    """
    said = answer["responseText"].lower()
    called = {tool.lower() for tool in answer.get("calledTools", ())}
    return [
        *(_contains(phrase, said) for phrase in expectations.get("shouldContain") or ()),
        *(_lacks(phrase, said) for phrase in expectations.get("shouldNotContain") or ()),
        *(_calls(tool, called) for tool in _listed(expectations.get("shouldCallTool"))),
        *_hands_over(expectations.get("shouldHandoff"), bool(answer.get("handoffTriggered"))),
    ]


def by_default() -> CheckResult:
    """What stands for checks where a scenario of strings expects nothing."""
    return _check("hasExpectations", True, "The scenario expects nothing: passed by default")


def by_judge(scores: Iterable[JudgeScore]) -> list[CheckResult]:
    return [_check(f"llm_judge:{each['criterion']}", each["passed"], each["reasoning"]) for each in scores]


class Grade(NamedTuple):
    status: RunStatus
    score: float
    total: int
    passed: int


def outcome(results: Sequence[CheckResult]) -> Grade:
    """`passed` where all are; the score is the share of those that are, 1 where there are none."""
    total, passed = len(results), sum(each["passed"] for each in results)
    return Grade("passed" if passed == total else "failed", passed / total if total else 1, total, passed)


def _check(check: str, passed: bool, detail: str) -> CheckResult:
    return {"check": check, "passed": passed, "detail": detail}


def _contains(phrase: str, said: str) -> CheckResult:
    found = phrase.lower() in said
    return _check("shouldContain", found, f'The response {"contains" if found else "lacks"} "{phrase}"')


def _lacks(phrase: str, said: str) -> CheckResult:
    found = phrase.lower() in said
    return _check(
        "shouldNotContain", not found, f'The response {"contains" if found else "lacks"} "{phrase}"'
    )


def _listed(tools: str | list[str] | None) -> list[str]:
    return [tools] if tools and isinstance(tools, str) else list(tools or ())


def _calls(tool: str, called: set[str]) -> CheckResult:
    found = tool.lower() in called
    return _check("shouldCallTool", found, f'The tool "{tool}" was {"" if found else "not "}called')


def _hands_over(expected: bool | None, actual: bool) -> list[CheckResult]:
    if expected is None:
        return []
    detail = f"A handoff was {_expected(expected)}, and there was {'one' if actual else 'none'}"
    return [_check("shouldHandoff", expected == actual, detail)]


def _expected(expected: bool) -> str:
    return "expected" if expected else "not expected"
