"""What is checked of a response by its words, tools and handoff, and what that comes to (contract 5.5)."""

from typing import Any

import pytest
from genai_voice.qa.checks import (
    GradingPlan,
    compare_answer,
    convert_scores,
    grade_checks,
    pass_by_default,
    plan_grading,
)
from genai_voice.qa.flakiness import KEPT, RecentResult, add_newest, compute_pass_rate, is_flaky

ANSWER = {
    "responseText": "Your Appointment APT-1 is CANCELLED.",
    "calledTools": ["cancel_appointment"],
    "handoffTriggered": False,
}

COMPARED: dict[str, tuple[dict[str, Any], list[tuple[str, bool]]]] = {
    "nothing expected": ({}, []),
    "a phrase in other letters": (
        {"shouldContain": ["appointment", "Cancelled"]},
        [("shouldContain", True)] * 2,
    ),
    "a phrase that is missing": ({"shouldContain": ["sorry"]}, [("shouldContain", False)]),
    "a phrase within a word": ({"shouldContain": ["cancel"]}, [("shouldContain", True)]),
    "a phrase that must be missing and is": ({"shouldNotContain": ["refund"]}, [("shouldNotContain", True)]),
    "a phrase that must be missing and is not": (
        {"shouldNotContain": ["apt-1"]},
        [("shouldNotContain", False)],
    ),
    "a tool that was called": ({"shouldCallTool": "Cancel_Appointment"}, [("shouldCallTool", True)]),
    "several tools": (
        {"shouldCallTool": ["cancel_appointment", "check_availability"]},
        [("shouldCallTool", True), ("shouldCallTool", False)],
    ),
    "a part of a tool's name": ({"shouldCallTool": "cancel"}, [("shouldCallTool", False)]),
    "no tool by name": ({"shouldCallTool": ""}, []),
    "no tools": ({"shouldCallTool": []}, []),
    "a handoff": ({"shouldHandoff": True}, [("shouldHandoff", False)]),
    "no handoff": ({"shouldHandoff": False}, [("shouldHandoff", True)]),
    "all, in their order": (
        {"shouldHandoff": False, "shouldCallTool": "x", "shouldNotContain": ["x"], "shouldContain": ["your"]},
        [
            ("shouldContain", True),
            ("shouldNotContain", True),
            ("shouldCallTool", False),
            ("shouldHandoff", True),
        ],
    ),
}


@pytest.mark.parametrize(("expectations", "expected"), COMPARED.values(), ids=COMPARED.keys())
def test_each_expectation_is_a_check(expectations: Any, expected: list[tuple[str, bool]]) -> None:
    found = compare_answer(expectations, ANSWER)  # type: ignore[arg-type]
    assert [(each["check"], each["passed"]) for each in found] == expected


@pytest.mark.parametrize(("actual", "passed"), [(True, True), (False, False), (None, False)])
def test_what_is_not_said_of_a_handoff_is_none(actual: bool | None, passed: bool) -> None:
    [check] = compare_answer({"shouldHandoff": True}, {"responseText": "", "handoffTriggered": actual})
    assert check["passed"] is passed


def test_a_check_names_what_it_looked_for() -> None:
    expectations: Any = {
        "shouldContain": ["sorry"],
        "shouldNotContain": ["APT-1"],
        "shouldCallTool": "refund",
    }
    assert [each["detail"] for each in compare_answer(expectations | {"shouldHandoff": True}, ANSWER)] == [  # type: ignore[arg-type]
        'The response lacks "sorry"',
        'The response contains "APT-1"',
        'The tool "refund" was not called',
        "A handoff was expected, and there was none",
    ]


PLANS = {
    ("string_match", False, False): GradingPlan(has_string_checks=True, is_judged=False, asks_model=False),
    ("string_match", False, True): GradingPlan(has_string_checks=True, is_judged=False, asks_model=False),
    ("string_match", True, True): GradingPlan(has_string_checks=True, is_judged=True, asks_model=False),
    ("llm_judge", False, True): GradingPlan(has_string_checks=False, is_judged=True, asks_model=True),
    ("llm_judge", False, False): GradingPlan(has_string_checks=False, is_judged=True, asks_model=False),
    ("hybrid", False, True): GradingPlan(has_string_checks=True, is_judged=True, asks_model=True),
    ("hybrid", True, False): GradingPlan(has_string_checks=True, is_judged=True, asks_model=False),
}


@pytest.mark.parametrize(("asked", "expected"), PLANS.items(), ids=str)
def test_the_model_is_asked_only_where_a_judge_evaluates_by_criteria(
    asked: Any, expected: GradingPlan
) -> None:
    assert plan_grading(*asked) == expected


def test_a_run_passes_where_all_checks_do() -> None:
    passed, failed = convert_scores(
        [{"criterion": "polite", "passed": ok, "reasoning": "because"} for ok in (True, False)]
    )
    assert failed == {"check": "llm_judge:polite", "passed": False, "detail": "because"}
    assert grade_checks([passed, passed]) == ("passed", 1, 2, 2)
    assert grade_checks([passed, failed, passed, passed]) == ("failed", 0.75, 4, 3)
    assert grade_checks([failed]) == ("failed", 0, 1, 0)
    assert grade_checks([]) == ("passed", 1, 0, 0)
    assert grade_checks([pass_by_default()]) == ("passed", 1, 1, 1)


# -- the last results --------------------------------------------------------------------------------------


def results(text: str) -> list[RecentResult]:
    """`a+ b- a-`: what was graded, and whether it passed; newest first."""
    return [
        RecentResult(str(at), "passed" if each[1] == "+" else "failed", each[0])
        for at, each in enumerate(text.split())
    ]


@pytest.mark.parametrize(
    ("text", "flaky", "rate"),
    [
        ("", False, None),
        ("a+", False, 1),
        ("a-", False, 0),
        ("a+ a+ a+", False, 1),
        ("a- b+ c+ d+", False, 0.75),
        ("a+ a-", True, 0.5),
        ("b+ a- c+ a+", True, 0.75),
    ],
)
def test_the_same_answer_that_passes_and_fails_is_flaky(text: str, flaky: bool, rate: float | None) -> None:
    assert (is_flaky(results(text)), compute_pass_rate(results(text))) == (flaky, rate)


def test_the_last_twenty_results_are_kept() -> None:
    kept: list[RecentResult] = []
    for each in range(KEPT + 5):
        kept = add_newest(kept, RecentResult(str(each), "passed", "x"))
    assert [each.run_id for each in kept] == [str(each) for each in range(KEPT + 4, 4, -1)]
