"""Check whether a response is what a scenario expects, by its words, tools and handoff (contract 5.5)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from genai_voice.qa.model.runs import AgentAnswer, CheckResult, JudgeScore, RunStatus
from genai_voice.qa.model.scenarios import EvaluatorType, Expectations


class GradingPlan(NamedTuple):
    """How a run is evaluated."""

    has_string_checks: bool
    is_judged: bool
    """Whether it is on the judge path, which shows `llmJudgeScores`."""
    asks_model: bool


def plan_grading(evaluator: EvaluatorType, use_llm_judge: bool, has_criteria: bool) -> GradingPlan:
    """Plan which checks a run has. `useLlmJudge` on a scenario of strings asks no model: it only puts the run
    on the judge path.
    """
    by_model = evaluator != "string_match"
    return GradingPlan(evaluator != "llm_judge", by_model or use_llm_judge, by_model and has_criteria)


def compare_answer(expectations: Expectations, answer: AgentAnswer) -> list[CheckResult]:
    """Compare an answer with what is expected: one check per phrase and tool, and one of the handoff where
    something is expected of it. Letters are compared in lower case.
    """
    said = answer["responseText"].lower()
    called = {tool.lower() for tool in answer.get("calledTools", ())}
    return [
        *(_check_contains(phrase, said) for phrase in expectations.get("shouldContain") or ()),
        *(_check_lacks(phrase, said) for phrase in expectations.get("shouldNotContain") or ()),
        *(_check_called(tool, called) for tool in _list_tools(expectations.get("shouldCallTool"))),
        *_check_handoff(expectations.get("shouldHandoff"), bool(answer.get("handoffTriggered"))),
    ]


def pass_by_default() -> CheckResult:
    """Make the check that stands where a scenario of strings expects nothing."""
    return _make_check("hasExpectations", True, "The scenario expects nothing: passed by default")


def convert_scores(scores: Iterable[JudgeScore]) -> list[CheckResult]:
    """Convert the scores of the judge to checks."""
    return [
        _make_check(f"llm_judge:{each['criterion']}", each["passed"], each["reasoning"]) for each in scores
    ]


class Grade(NamedTuple):
    """What all checks of a run come to."""

    status: RunStatus
    score: float
    total: int
    passed: int


def grade_checks(results: Sequence[CheckResult]) -> Grade:
    """Grade the checks of a run: `passed` where all have passed. The score is the share of those that have,
    and 1 where there are none.
    """
    total, passed = len(results), sum(each["passed"] for each in results)
    return Grade("passed" if passed == total else "failed", passed / total if total else 1, total, passed)


def _make_check(check: str, passed: bool, detail: str) -> CheckResult:
    return {"check": check, "passed": passed, "detail": detail}


def _check_contains(phrase: str, said: str) -> CheckResult:
    found = phrase.lower() in said
    return _make_check("shouldContain", found, f'The response {"contains" if found else "lacks"} "{phrase}"')


def _check_lacks(phrase: str, said: str) -> CheckResult:
    found = phrase.lower() in said
    return _make_check(
        "shouldNotContain", not found, f'The response {"contains" if found else "lacks"} "{phrase}"'
    )


def _list_tools(tools: str | list[str] | None) -> list[str]:
    return [tools] if tools and isinstance(tools, str) else list(tools or ())


def _check_called(tool: str, called: set[str]) -> CheckResult:
    found = tool.lower() in called
    return _make_check("shouldCallTool", found, f'The tool "{tool}" was {"" if found else "not "}called')


def _check_handoff(expected: bool | None, actual: bool) -> list[CheckResult]:
    if expected is None:
        return []
    detail = (
        f"A handoff was {'' if expected else 'not '}expected, and there was {'one' if actual else 'none'}"
    )
    return [_make_check("shouldHandoff", expected == actual, detail)]
