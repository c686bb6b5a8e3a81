"""QA: scenarios, runs and what is told of them (contract 3.12, 5.5)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from genai_voice.qa import suites
from genai_voice.qa.model.runs import MAX_RESPONSE_BYTES
from genai_voice.qa.rows import RecentRow, ScenarioRow
from genai_voice.tools import registry

from tests.support.service import Client, Reply, create_app, read_pages, record_calls
from tests.support.wire import Cut, act_before_call, cut, lose_answer

NOW = 1_800_000_000
TURNS = [{"role": "user", "content": "Please cancel APT-10042."}]


def scenario(app: Client, name: str = "cancel", **fields: Any) -> str:
    reply = app.post("/api/qa/scenarios", {"name": name, "turns": TURNS, **fields})
    assert reply.status == 200, reply.text
    return str(reply.json["id"])


def run(app: Client, scenario_id: str, text: str = "Cancelled.", **fields: Any) -> Reply:
    return app.post("/api/qa/runs", {"scenarioId": scenario_id, "responseText": text, **fields})


def ran(app: Client, scenario_id: str, text: str = "Cancelled.", **fields: Any) -> Any:
    reply = run(app, scenario_id, text, **fields)
    assert reply.status == 200, reply.text
    return reply.json


def scenarios_of(app: Client, **query: str) -> list[dict[str, Any]]:
    reply = app.get("/api/qa/scenarios", **query)
    assert reply.status == 200, reply.text
    return list(reply.json["scenarios"])


def runs_of(app: Client, **query: str) -> list[dict[str, Any]]:
    reply = app.get("/api/qa/runs", **query)
    assert reply.status == 200, reply.text
    return list(reply.json["runs"])


# -- scenarios ---------------------------------------------------------------------------------------------


def test_all_that_is_said_of_a_scenario_is_kept() -> None:
    app = create_app()
    content = {
        "expectations": {
            "shouldContain": ["cancelled"],
            "shouldNotContain": ["refund"],
            "shouldCallTool": "cancel_appointment",
            "shouldHandoff": False,
        },
        "tags": ["smoke", "appointments"],
        "evaluatorType": "hybrid",
        "llmJudgeCriteria": [{"name": "polite", "description": "It is polite.", "weight": 0.5}],
        "isActive": False,
    }
    with time_machine.travel(NOW, tick=False):
        made = scenario(app, "  cancel ", description=" Cancels. ", **content)
    assert scenarios_of(app) == [
        {
            "_id": made,
            "_creationTime": NOW * 1000,
            "appSlug": app.slug,
            "name": "cancel",
            "description": "Cancels.",
            "turns": TURNS,
            **content,
            "createdAt": NOW * 1000,
            "updatedAt": NOW * 1000,
        }
    ]


def test_what_is_not_said_has_its_default() -> None:
    app = create_app()
    scenario(app, description="  ", expectations=None, tags=None, isActive=None, evaluatorType="")
    [found] = scenarios_of(app)
    assert (found["expectations"], found["tags"], found["llmJudgeCriteria"]) == ({}, [], [])
    assert (found["evaluatorType"], found["isActive"], "description" in found) == (
        "string_match",
        True,
        False,
    )


def test_a_scenario_that_is_saved_again_is_replaced_whole_at_its_place() -> None:
    app = create_app()
    with time_machine.travel(NOW, tick=False):
        first = scenario(app, "a", description="x", tags=["x"], expectations={"shouldHandoff": True})
    with time_machine.travel(NOW + 1, tick=False):
        other = scenario(app, "b")
    with time_machine.travel(NOW + 2, tick=False):
        again = scenario(app, " a ", isActive=False)
    found = scenarios_of(app)
    assert (again, [each["_id"] for each in found]) == (first, [other, first])
    assert (found[1]["createdAt"], found[1]["updatedAt"]) == (NOW * 1000, (NOW + 2) * 1000)
    assert (found[1]["tags"], found[1]["expectations"], found[1]["isActive"]) == ([], {}, False)
    assert "description" not in found[1]


def test_names_are_the_apps_own() -> None:
    one, other = create_app(), create_app()
    assert scenario(one) != scenario(other)
    assert len(scenarios_of(one)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"name": None},
        {"name": ""},
        {"name": "  "},
        {"turns": None},
        {"turns": []},
        {"turns": ""},
        {"turns": {}},
    ],
    ids=str,
)
def test_a_scenario_needs_a_name_and_turns(fields: dict[str, Any]) -> None:
    reply = create_app().post("/api/qa/scenarios", {"name": "x", "turns": TURNS, **fields})
    assert (reply.status, reply.json["error"]) == (400, "name and turns are required")


@pytest.mark.parametrize(
    "turn",
    [
        "x",
        None,
        {},
        {"role": "user"},
        {"content": "x"},
        {"role": "agent", "content": "x"},
        {"role": "user", "content": ""},
        {"role": "user", "content": " \n"},
        {"role": "user", "content": 5},
    ],
    ids=str,
)
def test_turns_are_what_the_user_says(turn: Any) -> None:
    reply = create_app().post("/api/qa/scenarios", {"name": "x", "turns": [*TURNS, turn], "tags": 5})
    assert (reply.status, reply.json) == (400, {"error": "turns must be [{ role: 'user', content: string }]"})


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"description": []}, "Invalid field: description"),
        ({"evaluatorType": "guess"}, "Invalid field: evaluatorType"),
        ({"expectations": {"shouldContain": "x"}}, "Invalid field: expectations.shouldContain"),
        ({"expectations": {"shouldHandoff": "yes"}}, "Invalid field: expectations.shouldHandoff"),
        ({"expectations": {"shouldCallTool": False}}, "Invalid field: expectations.shouldCallTool"),
        (
            {"expectations": {"shouldContain": ["x"] * 101}},
            "Invalid field: expectations.shouldContain (over 100 items)",
        ),
        (
            {"expectations": {"shouldContain": ["x" * 20_000]}},
            "Invalid field: expectations (over 20,000 bytes)",
        ),
        ({"turns": [{"role": "user", "content": "x" * 50_000}]}, "Invalid field: turns (over 50,000 bytes)"),
        ({"turns": TURNS * 101}, "Invalid field: turns (over 100 items)"),
        ({"llmJudgeCriteria": [{"name": "x"}]}, "Invalid field: llmJudgeCriteria[0].description"),
        (
            {"llmJudgeCriteria": [{"name": "x", "description": ""}, {"name": " x", "description": ""}]},
            "llmJudgeCriteria must have different names",
        ),
        (
            {"llmJudgeCriteria": [{"name": "x", "description": "y" * 2_001}]},
            "Invalid field: llmJudgeCriteria[0].description (over 2,000 bytes)",
        ),
        ({"tags": ["x"] * 51}, "Invalid field: tags (over 50 items)"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_scenario_is_told(fields: dict[str, Any], error: str) -> None:
    reply = create_app().post("/api/qa/scenarios", {"name": "x", "turns": TURNS, **fields})
    assert (reply.status, reply.json["error"]) == (400, error)


def test_scenarios_are_filtered_by_whether_they_are_active() -> None:
    app = create_app()
    on, off = scenario(app, "on"), scenario(app, "off", isActive=False)
    switched = scenario(app, "switched")
    scenario(app, "switched", isActive=False)
    for active, expected in [("true", {on}), ("false", {off, switched}), ("maybe", {on, off, switched})]:
        assert {each["_id"] for each in scenarios_of(app, active=active)} == expected


def test_an_index_that_still_knows_a_scenario_as_active_is_not_believed() -> None:
    app = create_app()
    made = scenario(app, tags=["smoke"], isActive=False)
    ScenarioRow.of(app.slug, made).change([ScenarioRow.gsi2pk.set(ScenarioRow.make_list_key(app.slug, True))])
    assert scenarios_of(app, active="true") == []
    assert suite(app, tag="smoke", responses={made: "x"})["total"] == 0


def test_scenarios_come_in_pages_of_a_hundred() -> None:
    app = create_app()
    made = [scenario(app, str(number), isActive=number % 2 == 0) for number in range(205)]
    found = list(read_pages(app, "/api/qa/scenarios", "scenarios"))
    assert [len(page) for page in found] == [100, 100, 5]
    assert sorted(each["_id"] for page in found for each in page) == sorted(made)
    active = list(read_pages(app, "/api/qa/scenarios", "scenarios", active="true", stats="true"))
    assert [len(page) for page in active] == [100, 3]


@pytest.mark.usefixtures("strict")
def test_of_many_who_save_a_name_at_once_there_is_one_scenario() -> None:
    app = create_app()
    with ThreadPoolExecutor(12) as pool:
        saving = [pool.submit(scenario, app, "x", description=str(number)) for number in range(24)]
    assert len({each.result() for each in saving}) == 1
    [found] = scenarios_of(app)
    stored = ScenarioRow.of(app.slug, found["_id"]).find_stored()
    assert stored.description == found["description"]


# -- runs --------------------------------------------------------------------------------------------------


def test_a_run_answers_what_it_checked_and_is_kept() -> None:
    app = create_app()
    made = scenario(
        app, expectations={"shouldContain": ["cancelled", "monday"], "shouldCallTool": ["cancel_appointment"]}
    )
    with time_machine.travel(NOW, tick=False):
        answered = ran(
            app,
            made,
            "It is CANCELLED.",
            calledTools=["Cancel_Appointment"],
            sessionId="s",
            handoffTriggered=True,
            executionMode="ci",
        )
    results = [
        {"check": "shouldContain", "passed": True, "detail": 'The response contains "cancelled"'},
        {"check": "shouldContain", "passed": False, "detail": 'The response lacks "monday"'},
        {"check": "shouldCallTool", "passed": True, "detail": 'The tool "cancel_appointment" was called'},
    ]
    came = {"status": "failed", "score": 2 / 3, "totalChecks": 3, "passedChecks": 2, "results": results}
    assert answered == {"id": answered["id"], **came}
    assert runs_of(app) == [
        {
            "_id": answered["id"],
            "_creationTime": NOW * 1000,
            "appSlug": app.slug,
            "scenarioId": made,
            "scenarioName": "cancel",
            "sessionId": "s",
            **came,
            "input": {
                "responseText": "It is CANCELLED.",
                "calledTools": ["Cancel_Appointment"],
                "handoffTriggered": True,
            },
            "executionMode": "ci",
            "llmJudgeScores": [],
            "createdAt": NOW * 1000,
            "completedAt": NOW * 1000,
        }
    ]


def test_a_run_is_a_read_and_a_transaction() -> None:
    app = create_app()
    made = scenario(app)
    with record_calls() as calls:
        ran(app, made)
    assert calls.operations == ["BatchGetItem", "TransactWriteItems"]


def test_without_expectations_a_run_passes_by_default() -> None:
    app = create_app()
    [only] = ran(app, scenario(app), "")["results"]
    assert (only["check"], only["passed"]) == ("hasExpectations", True)


@pytest.mark.parametrize(
    ("evaluator", "expectations"),
    [("string_match", {}), ("llm_judge", {"shouldContain": ["x"]}), ("hybrid", {})],
)
def test_on_the_judge_path_there_is_no_placeholder(evaluator: str, expectations: Any) -> None:
    """Nobody is asked: there are no criteria (contract 9.1, 12)."""
    app = create_app()
    made = scenario(app, evaluatorType=evaluator, expectations=expectations)
    answered = ran(app, made, useLlmJudge=True)
    assert answered == {
        "id": answered["id"],
        "status": "passed",
        "score": 1,
        "totalChecks": 0,
        "passedChecks": 0,
        "results": [],
        "llmJudgeScores": [],
    }


def test_a_judge_that_is_asked_of_a_scenario_of_strings_changes_only_the_reply(gemini: Any) -> None:
    app = create_app()
    criteria = [{"name": "polite", "description": "x"}]
    made = scenario(app, expectations={"shouldContain": ["cancelled"]}, llmJudgeCriteria=criteria)
    answered = ran(app, made, useLlmJudge=True, judgeRuns=5)
    assert (answered["totalChecks"], answered["llmJudgeScores"], "agreement" in answered) == (1, [], False)
    assert gemini.requests == []


@pytest.mark.parametrize("tools", [None, "x", {"a": 1}, 5, False])
def test_called_tools_that_are_no_array_are_none(tools: Any) -> None:
    app = create_app()
    made = scenario(app, expectations={"shouldCallTool": "x"})
    assert ran(app, made, calledTools=tools)["status"] == "failed"
    assert runs_of(app)[0]["input"]["calledTools"] == []


def test_an_inactive_scenario_may_be_run() -> None:
    app = create_app()
    assert ran(app, scenario(app, isActive=False))["status"] == "passed"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scenarioId": "x"},
        {"responseText": "x"},
        {"scenarioId": "", "responseText": "x"},
        {"scenarioId": "x", "responseText": None},
        {"scenarioId": "x", "executionMode": "never"},
        {"scenarioId": "x", "fromConversation": False},
        {"scenarioId": "x", "fromConversation": "true"},
        {"fromConversation": True, "sessionId": "s"},
    ],
    ids=str,
)
def test_a_run_needs_a_scenario_and_a_response(body: dict[str, Any]) -> None:
    reply = create_app().post("/api/qa/runs", body)
    assert (reply.status, reply.json["error"]) == (400, "scenarioId and responseText are required")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"executionMode": "never"}, "Invalid field: executionMode"),
        ({"judgeRuns": 0}, "Invalid field: judgeRuns"),
        ({"judgeRuns": 6}, "Invalid field: judgeRuns"),
        ({"judgeRuns": 1.5}, "Invalid field: judgeRuns"),
        ({"calledTools": ["x", 5]}, "Invalid field: calledTools[1]"),
        ({"handoffTriggered": "yes"}, "Invalid field: handoffTriggered"),
        ({"responseText": "é" * 60_000}, "Invalid field: responseText (over 100,000 bytes)"),
        ({"fromConversation": True}, "sessionId is required with fromConversation"),
        ({"fromConversation": True, "sessionId": ""}, "sessionId is required with fromConversation"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_run_is_told(fields: dict[str, Any], error: str) -> None:
    reply = run(create_app(), "x", **fields)
    assert (reply.status, reply.json["error"]) == (400, error)


def test_a_scenario_of_another_app_is_none() -> None:
    mine, theirs = create_app(), create_app()
    made = scenario(theirs)
    for scenario_id in (made, "unknown", "#"):
        reply = run(mine, scenario_id)
        assert (reply.status, reply.json) == (404, {"error": "Scenario not found"})
    assert ran(theirs, made)["status"] == "passed"


def test_runs_of_a_scenario_stay_within_the_app() -> None:
    """Section 7, row 5."""
    mine, theirs = create_app(), create_app()
    made = scenario(theirs)
    ran(theirs, made)
    assert runs_of(mine, scenarioId=made) == []
    assert len(runs_of(theirs, scenarioId=made)) == 1


def test_runs_are_listed_newest_first_by_scenario_and_moment() -> None:
    app = create_app()
    one, other = scenario(app, "one"), scenario(app, "other")
    made = []
    for at in range(6):
        with time_machine.travel(NOW + at, tick=False):
            made.append(ran(app, (one, other)[at % 2])["id"])
    newest = made[::-1]

    def ids(**query: str) -> list[str]:
        return [each["_id"] for each in runs_of(app, **query)]

    assert ids() == newest
    assert ids(scenarioId=one) == newest[1::2]
    assert ids(since=str((NOW + 3) * 1000)) == newest[:3]
    assert ids(since=str((NOW + 3) * 1000 + 0.5)) == newest[:2]
    assert ids(since=str((NOW + 3) * 1000), scenarioId=one) == [newest[1]]
    assert ids(since="") == newest
    assert ids(since="999999999999999") == []
    assert ids(scenarioId="unknown") == []
    assert ids(limit="2") == newest[:2]
    assert ids(limit="none") == newest
    for query in (
        {},
        {"scenarioId": one},
        {"since": str((NOW + 1) * 1000)},
        {"scenarioId": one, "since": "5"},
    ):
        found = list(read_pages(app, "/api/qa/runs", "runs", limit="2", **query))
        assert [each["_id"] for page in found for each in page] == ids(**query)
        assert [len(page) for page in found][:-1] == [2] * (len(found) - 1)


@pytest.mark.parametrize("since", ["soon", "-1", "1e999", "nan", "[]"])
def test_a_moment_that_is_none_is_told(since: str) -> None:
    reply = create_app().get("/api/qa/runs", since=since)
    assert (reply.status, reply.json["error"]) == (400, "Invalid field: since")


def test_a_run_has_the_name_that_its_scenario_had() -> None:
    app = create_app()
    made = scenario(app, "cancel", expectations={"shouldContain": ["x"]})
    ran(app, made)
    scenario(app, "cancel")
    [found] = runs_of(app)
    assert (found["scenarioName"], found["status"]) == ("cancel", "failed")


def test_runs_that_fill_a_reply_come_in_pages_that_fit() -> None:
    app = create_app()
    made = scenario(app)
    for _ in range(30):
        ran(app, made, '"' * MAX_RESPONSE_BYTES)
    found = list(read_pages(app, "/api/qa/runs", "runs"))
    assert len(found) > 1
    assert sum(map(len, found)) == 30


# -- accidents ---------------------------------------------------------------------------------------------


def kept(app: Client, scenario_id: str) -> tuple[set[str], set[str]]:
    """The runs that are listed, and those that the scenario's last results tell of."""
    recent = RecentRow.of(app.slug, scenario_id).find_stored()
    return {each["_id"] for each in runs_of(app)}, {
        each.run_id for each in recent.results
    } if recent else set()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_run_that_dies_anywhere_is_kept_whole_or_not_at_all(number: int, after: bool) -> None:
    app = create_app()
    made = scenario(app)
    ran(app, made)
    try:
        with cut(number, after=after):
            ran(app, made)
    except Cut:
        pass
    listed, recent = kept(app, made)
    assert listed == recent
    assert len(listed) == (2 if number == 3 or (number == 2 and after) else 1)


def test_a_run_whose_answer_is_lost_is_kept_once() -> None:
    app = create_app()
    made = scenario(app)
    with lose_answer(2):
        answered = ran(app, made)
    assert kept(app, made) == ({answered["id"]}, {answered["id"]})


def test_runs_that_come_in_between_are_not_forgotten() -> None:
    app = create_app()
    made = scenario(app)
    with act_before_call("TransactWriteItems", lambda _: ran(app, made), at=(1, 2, 3)):
        ran(app, made)
    listed, recent = kept(app, made)
    assert listed == recent
    assert len(listed) == 4


@pytest.mark.usefixtures("strict")
def test_runs_that_race_are_all_kept() -> None:
    app = create_app()
    made = scenario(app)
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(ran, app, made, str(number)) for number in range(16)]
    ids = {each.result()["id"] for each in running}
    assert kept(app, made) == (ids, ids)


# -- the last results of a scenario ------------------------------------------------------------------------


def test_the_last_results_are_told_of_each_scenario() -> None:
    app = create_app()
    made = scenario(app, "ran", expectations={"shouldContain": ["yes"]})
    never = scenario(app, "never ran")
    ids = [ran(app, made, "yes" if number % 4 else f"no {number}")["id"] for number in range(22)]
    told = {each["_id"]: each for each in scenarios_of(app, stats="true")}
    assert [each["runId"] for each in told[made]["recentResults"]] == ids[:1:-1]
    assert [each["status"] for each in told[made]["recentResults"]][:3] == ["passed", "failed", "passed"]
    assert (told[made]["passRate"], told[made]["flaky"]) == (0.75, False)
    assert (told[never]["recentResults"], told[never]["flaky"], "passRate" in told[never]) == (
        [],
        False,
        False,
    )
    assert all(each.keys().isdisjoint({"recentResults", "passRate", "flaky"}) for each in scenarios_of(app))


def test_the_last_results_of_a_page_are_one_read() -> None:
    app = create_app()
    for number in range(30):
        ran(app, scenario(app, str(number)))
    with record_calls() as calls:
        assert all(each["passRate"] == 1 for each in scenarios_of(app, stats="true"))
    assert calls.operations == ["Query", "BatchGetItem", "BatchGetItem"]


def test_another_scenario_or_other_tools_do_not_make_it_flaky() -> None:
    app = create_app()
    made = scenario(app, expectations={"shouldCallTool": "x", "shouldHandoff": False})
    ran(app, made, "same", calledTools=["x"])
    ran(app, made, "same", calledTools=["X", "x"])
    ran(app, made, "same", calledTools=["y"])
    ran(app, made, "same", calledTools=["x"], handoffTriggered=True)
    scenario(app, expectations={"shouldContain": ["other"], "shouldCallTool": "x"})
    ran(app, made, "same", calledTools=["x"])
    [told] = scenarios_of(app, stats="true")
    assert (told["passRate"], told["flaky"]) == (0.4, False)


# -- conversations -----------------------------------------------------------------------------------------


def said(*lines: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content, "ts": ts} for ts, (role, content) in enumerate(lines)]


def save(app: Client, session: str = "s", **fields: Any) -> None:
    assert app.post("/api/conversations", {"sessionId": session, **fields}).status == 200


def message(
    app: Client, role: str, content: str, at: int, *, is_final: bool = True, session: str = "s"
) -> None:
    item = {"sessionId": session, "participantIdentity": role, "role": role, "content": content}
    assert (
        app.post("/api/messages", {"messages": [item | {"isFinal": is_final, "createdAt": at}]}).status == 200
    )


def graded(app: Client, scenario_id: str, session: str = "s", **fields: Any) -> Any:
    body = {"scenarioId": scenario_id, "fromConversation": True, "sessionId": session, **fields}
    reply = app.post("/api/qa/runs", body)
    assert reply.status == 200, reply.text
    return runs_of(app)[0]


def test_of_a_conversation_is_graded_what_really_happened() -> None:
    app = create_app("demo-dentist")
    for tool in ("cancel_appointment", "check_availability"):
        registry.put_tool(app.slug, tool, description="", parameters_schema="{}")
    app.post("/api/scenario-state/reset", {})
    made = scenario(app)
    session = "graded"
    lines = [
        ("user", "Cancel it."),
        ("agent", "One moment."),
        ("user", "?"),
        ("Agent", "Done."),
        ("user", "Thanks"),
    ]
    save(app, session, messages=said(*lines))
    parameters = {"appointmentId": "APT-10042"}
    for tool, given, where in [
        ("cancel_appointment", parameters, session),
        ("check_availability", {}, session),
        ("check_availability", {}, session),
        ("unknown", {}, session),
        ("find_doctor", {}, "another"),
    ]:
        app.post("/api/tools/execute", {"sessionId": where, "toolName": tool, "parameters": given})
    app.post("/api/tools/log", {"sessionId": session, "toolName": "look_up", "status": "success"})
    app.post("/api/tools/log", {"sessionId": session, "toolName": "too_slow", "status": "timeout"})
    found = graded(
        app, made, session, responseText="Ignored.", calledTools=["ignored"], handoffTriggered=True
    )
    assert found["sessionId"] == session
    assert found["input"] == {
        "responseText": "Done.",
        "calledTools": ["look_up", "check_availability", "cancel_appointment"],
        "handoffTriggered": False,
        "fromConversation": True,
    }
    handoff = {"sessionId": session, "reason": "user_requested", "transcript": []}
    assert app.post("/api/handoffs", handoff).status == 200
    assert graded(app, made, session)["input"]["handoffTriggered"] is True


def test_a_handoff_that_is_over_was_one() -> None:
    app = create_app()
    made = scenario(app, expectations={"shouldHandoff": True})
    body = {"sessionId": "s", "reason": "r", "transcript": said(("agent", "A person comes."))}
    handoff = app.post("/api/handoffs", body).json["id"]
    update = {"handoffId": handoff, "status": "resolved", "returnToAgent": True}
    assert app.patch("/api/handoffs", update).status == 200
    found = graded(app, made)
    assert (found["status"], found["input"]["responseText"]) == ("passed", "A person comes.")


@pytest.mark.parametrize(
    "transcript", [None, [], said(("user", "Hello?"))], ids=["none", "empty", "user alone"]
)
def test_where_no_transcript_has_the_agent_its_messages_do(transcript: list[dict[str, Any]] | None) -> None:
    app = create_app()
    save(app, messages=transcript)
    message(app, "agent", "first", 1)
    message(app, "assistant", "last", 2)
    message(app, "agent", "not fini", 3, is_final=False)
    message(app, "user", "thanks", 4)
    message(app, "agent", "elsewhere", 5, session="other")
    assert graded(app, scenario(app))["input"]["responseText"] == "last"


def test_an_agent_that_said_nothing_is_graded_by_nothing() -> None:
    app = create_app()
    save(app, messages=said(("user", "Hello?")))
    made = scenario(app, expectations={"shouldContain": ["hello"]})
    found = graded(app, made)
    assert (found["input"]["responseText"], found["status"]) == ("", "failed")


def test_the_last_answer_of_a_long_transcript_is_found() -> None:
    from tests.integration.test_handoffs import long_transcript

    app = create_app()
    save(app, messages=[*long_transcript(1_000), *said(("agent", "At last."))])
    assert graded(app, scenario(app))["input"]["responseText"] == "At last."


def test_an_answer_that_is_too_long_is_not_graded() -> None:
    app = create_app()
    save(app, messages=said(("agent", "x" * (MAX_RESPONSE_BYTES + 1))))
    body = {"scenarioId": scenario(app), "fromConversation": True, "sessionId": "s"}
    reply = app.post("/api/qa/runs", body)
    assert (reply.status, reply.json["error"]) == (
        400,
        "The last answer in the conversation has over 100,000 bytes",
    )


def test_a_conversation_that_is_not_there_is_told_after_the_scenario() -> None:
    app, other = create_app(), create_app()
    save(other, messages=said(("agent", "x")))
    message(app, "agent", "said without a conversation", 1, session="t")
    made = scenario(app)
    for session in ("s", "t"):
        body = {"scenarioId": made, "fromConversation": True, "sessionId": session}
        reply = app.post("/api/qa/runs", body)
        assert (reply.status, reply.json) == (404, {"error": "Conversation not found"})
        reply = app.post("/api/qa/runs", body | {"scenarioId": "unknown"})
        assert (reply.status, reply.json) == (404, {"error": "Scenario not found"})
    assert runs_of(app) == []


# -- suites ------------------------------------------------------------------------------------------------


def test_one_answer_with_strange_tools_takes_nothing_from_the_others() -> None:
    app = create_app()
    ids = [scenario(app, name) for name in "ab"]
    answers = {ids[0]: "fine", ids[1]: {"responseText": "fine", "calledTools": None}}
    assert suite(app, scenarioIds=ids, responses=answers)["errors"] == 0


def suite(app: Client, **body: Any) -> Any:
    reply = app.post("/api/qa/suites/run", body)
    assert reply.status == 200, reply.text
    return reply.json


def test_a_suite_tells_of_each_scenario_what_came_of_it() -> None:
    app, other = create_app(), create_app()
    good = scenario(app, "good", expectations={"shouldContain": ["yes"]})
    bad = scenario(app, "bad", expectations={"shouldContain": ["no"]}, isActive=False)
    with_tool = scenario(app, "with tool", expectations={"shouldCallTool": "x"})
    held = scenario(app, "held", expectations={"shouldContain": ["held"]})
    lost, silent, foreign = scenario(app, "lost"), scenario(app, "silent"), scenario(other, "foreign")
    save(app, messages=said(("agent", "Held.")))
    told = suite(
        app,
        scenarioIds=[good, bad, with_tool, held, lost, silent, foreign, good],
        responses={
            good: "Yes.",
            bad: {"responseText": "Yes."},
            with_tool: {"responseText": "", "calledTools": ["x"], "handoffTriggered": None},
            foreign: "x",
            "not asked for": "x",
        },
        fromConversations={held: "s", lost: "unknown"},
    )
    assert {name: told[name] for name in ("total", "passed", "failed", "errors")} == {
        "total": 7,
        "passed": 3,
        "failed": 1,
        "errors": 3,
    }
    by_id = {each["scenarioId"]: each for each in told["results"]}
    assert [each["scenarioId"] for each in told["results"]] == [
        good,
        bad,
        with_tool,
        held,
        lost,
        silent,
        foreign,
    ]
    assert {id_: by_id[id_]["status"] for id_ in (good, bad, with_tool, held)} == {
        good: "passed",
        bad: "failed",
        with_tool: "passed",
        held: "passed",
    }
    assert by_id[bad] == {
        "scenarioId": bad,
        "scenarioName": "bad",
        "status": "failed",
        "runId": by_id[bad]["runId"],
        "score": 0,
        "totalChecks": 1,
        "passedChecks": 0,
    }
    assert by_id[lost] == {
        "scenarioId": lost,
        "scenarioName": "lost",
        "status": "error",
        "error": "Conversation not found",
    }
    assert by_id[silent]["error"] == "No response is given"
    assert by_id[foreign] == {"scenarioId": foreign, "status": "error", "error": "Scenario not found"}
    stored = runs_of(app)
    assert {each["_id"] for each in stored} == {each["runId"] for each in told["results"] if "runId" in each}
    assert {each["executionMode"] for each in stored} == {"automated"}
    assert next(each for each in stored if each["scenarioId"] == held)["sessionId"] == "s"
    assert runs_of(other) == []


def test_a_suite_by_tag_runs_the_active_scenarios_that_have_it() -> None:
    app = create_app()
    tagged = [scenario(app, str(number), tags=["other", "smoke"]) for number in range(3)]
    scenario(app, "inactive", tags=["smoke"], isActive=False)
    scenario(app, "another tag", tags=["smoke test"])
    told = suite(app, tag="smoke", responses=dict.fromkeys(tagged, "x"))
    assert sorted(each["scenarioId"] for each in told["results"]) == sorted(tagged)
    assert (told["passed"], "cursor" in told) == (3, False)


def test_a_suite_of_many_goes_on_with_a_cursor() -> None:
    app = create_app()
    tagged = [scenario(app, str(number), tags=["smoke"]) for number in range(51)]
    answers = dict.fromkeys(tagged, "x")
    first = suite(app, tag="smoke", responses=answers)
    rest = suite(app, tag="smoke", responses=answers, cursor=first["cursor"])
    assert (first["total"], rest["total"], "cursor" in rest) == (50, 1, False)
    assert sorted(each["scenarioId"] for each in first["results"] + rest["results"]) == sorted(tagged)
    reply = app.post("/api/qa/suites/run", {"tag": "other", "responses": {}, "cursor": first["cursor"]})
    assert (reply.status, "cursor" in reply.json["error"]) == (400, True)


def test_where_a_tag_is_rare_a_call_looks_at_a_part_and_goes_on() -> None:
    app = create_app()
    rare = scenario(app, "rare", tags=["rare"])
    row = ScenarioRow.of(app.slug, rare).find_stored()
    assert row
    for number in range(suites.LOOKED_AT + 1):
        copy = ScenarioRow.from_name(app.slug, str(number))
        for attribute in ("turns", "expectations", "criteria", "evaluator_type", "is_active", "updated_at"):
            setattr(copy, attribute, getattr(row, attribute))
        copy.name, copy.tags, copy.gsi2pk = str(number), [], row.gsi2pk
        copy.gsi2sk = f"{row.gsi2sk}{number:04d}"
        copy.save()
    first = suite(app, tag="rare", responses={rare: "x"})
    assert (first["total"], "cursor" in first) == (0, True)
    rest = suite(app, tag="rare", responses={rare: "x"}, cursor=first["cursor"])
    assert (rest["passed"], "cursor" in rest) == (1, False)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "tag or scenarioIds is required, not both"),
        ({"tag": "", "responses": {}}, "tag or scenarioIds is required, not both"),
        ({"tag": "x", "scenarioIds": ["x"], "responses": {}}, "tag or scenarioIds is required, not both"),
        ({"tag": "x"}, "responses or fromConversations is required"),
        (
            {"tag": "x", "responses": {"a": "x"}, "fromConversations": {"a": "s"}},
            "A scenario is in responses or in fromConversations, not in both",
        ),
        ({"scenarioIds": [], "responses": {}}, "Invalid field: scenarioIds"),
        ({"scenarioIds": ["x"] * 51, "responses": {}}, "Invalid field: scenarioIds (over 50 items)"),
        ({"tag": "x", "responses": {"a": 5}}, "Invalid field: responses.a"),
        ({"tag": "x", "responses": {"a": {}}}, "Invalid field: responses.a"),
        ({"tag": "x", "fromConversations": {"a": ""}}, "Invalid field: fromConversations.a"),
        ({"tag": "x", "responses": {str(each): "" for each in range(501)}}, "Invalid field: responses"),
        ({"tag": "x", "responses": {}, "judgeRuns": 6}, "Invalid field: judgeRuns"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_suite_is_told(body: dict[str, Any], error: str) -> None:
    reply = create_app().post("/api/qa/suites/run", body)
    assert (reply.status, reply.json["error"].partition(" (")[0]) == (400, error.partition(" (")[0])


def test_a_conversation_that_several_scenarios_grade_is_read_once() -> None:
    app = create_app()
    save(app, messages=said(("agent", "x")))
    ids = [scenario(app, str(number)) for number in range(4)]
    with record_calls() as calls:
        told = suite(app, scenarioIds=ids, fromConversations=dict.fromkeys(ids, "s"))
    assert told["passed"] == 4
    assert calls.operations == [
        *("BatchGetItem", "GetItem", "Query", "Query"),
        *["TransactWriteItems"] * 4,
    ]
