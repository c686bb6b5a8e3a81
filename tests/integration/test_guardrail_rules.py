"""The rules of an app: listed with what became of them, added, changed, removed (contract 3.6)."""

import threading
from typing import Any

import pytest
import time_machine
from genai_voice.foundation.transactions import put_all
from genai_voice.guardrails import rules as use_cases
from genai_voice.guardrails.counts import RuleCountsRow
from genai_voice.guardrails.matching import count_rule_steps
from genai_voice.guardrails.rows import RuleRow, RulesetRow
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields

from tests.support.service import Client, call, create_app, read_partition, read_rows, record_calls, to_plain
from tests.support.wire import Cut, act_before_call, cut, lose_answer

NEW = {"type": "keyword", "pattern": "gun", "action": "block"}


def guarded() -> Client:
    return create_app(guardrails_enabled=True)


def add(app: Client, **fields: Any) -> str:
    reply = app.post("/api/guardrails/rules", NEW | fields)
    assert reply.status == 200, reply.text
    return str(reply.json["id"])


def change(app: Client, id_: str, **fields: Any) -> None:
    assert app.patch("/api/guardrails/rules", {"ruleId": id_, **fields}).json == {"ok": True}


def listed(app: Client) -> list[dict[str, Any]]:
    return list(app.get("/api/guardrails/rules").json["rules"])


def check(app: Client, content: str = "a gun") -> None:
    body = {"sessionId": "s", "content": content, "direction": "input"}
    assert app.post("/api/guardrails/check", body).status == 200


def annotate(app: Client, violation: dict[str, Any], correctness: str) -> None:
    body = {"violationId": violation["_id"], "annotatedCorrectness": correctness}
    assert app.patch("/api/guardrails/violations", body).json == {"ok": True}


def fill_up(app: Client, count: int) -> None:
    """So many rules, as a service stored them that counted none."""
    found = []
    for number in range(count):
        row = RuleRow.of(app.slug, f"old{number:03d}")
        row.type, row.pattern, row.action = "keyword", f"word{number}", "log"
        row.is_active, row.place = True, f"0{number:03d}"
        found.append(row)
    put_all(found)


def all_rules(app: Client) -> RulesetRow:
    row = RulesetRow.of(app.slug).find_stored()
    assert row
    return row


# -- listing and adding ------------------------------------------------------------------------------------


def test_a_new_rule_is_active_and_listed_with_all_it_has() -> None:
    app = guarded()
    with time_machine.travel(1_800_000_000, tick=False):
        id_ = add(app, userMessage="No.", type="pii_filter", pattern=r"\d")
    assert listed(app) == [
        {
            "_id": id_,
            "_creationTime": 1_800_000_000_000,
            "appSlug": app.slug,
            "type": "pii_filter",
            "pattern": r"\d",
            "action": "block",
            "userMessage": "No.",
            "isActive": True,
            "shadow": False,
            "createdAt": 1_800_000_000_000,
            "matches": 0,
            "annotatedTrue": 0,
            "annotatedFalse": 0,
            "precision": None,
        }
    ]


def test_rules_are_listed_oldest_first_inactive_ones_too_and_equal_ones_twice() -> None:
    app = guarded()
    ids = [add(app), add(app), add(app, pattern="knife", userMessage="")]
    change(app, ids[1], isActive=False)
    assert [(each["_id"], each["isActive"]) for each in listed(app)] == [
        (ids[0], True),
        (ids[1], False),
        (ids[2], True),
    ]
    assert "userMessage" not in listed(app)[2]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"type": ""}, "Missing required fields"),
        ({"pattern": None}, "Missing required fields"),
        ({"action": ""}, "Missing required fields"),
        ({"action": "shout"}, "Invalid field: action"),
        ({"userMessage": "x" * 2001}, "Invalid field: userMessage (over 2,000 bytes)"),
    ],
)
def test_what_is_no_rule_is_refused(fields: dict[str, Any], error: str) -> None:
    reply = guarded().post("/api/guardrails/rules", NEW | fields)
    assert (reply.status, reply.json["error"]) == (400, error)


def test_a_browser_that_is_kept_to_runtime_calls_changes_no_rule_and_may_check() -> None:
    app = guarded()
    id_ = add(app)
    apps.update_app(app.slug, AppFields.model_validate({"browserScope": "runtime"}))
    token = {"authorization": f"Bearer {app.open_session()}"}
    for method, body in [
        ("POST", NEW),
        ("PATCH", {"ruleId": id_, "isActive": False}),
        ("DELETE", {"ruleId": id_}),
    ]:
        assert call(method, "/api/guardrails/rules", body=body, headers=token).status == 401
    said = {"sessionId": "s", "content": "a gun", "direction": "input"}
    assert call("POST", "/api/guardrails/check", body=said, headers=token).json["allowed"] is False


# -- changing ----------------------------------------------------------------------------------------------


def test_only_what_is_given_changes() -> None:
    app = guarded()
    id_ = add(app, userMessage="No.")
    [before] = listed(app)
    steps: list[dict[str, Any]] = [
        {"type": "regex"},
        {"pattern": "knives?"},
        {"action": "warn"},
        {"userMessage": "Please not."},
        {"isActive": False},
        {"shadow": True},
        {"shadow": False, "isActive": True},
    ]
    for step in steps:
        change(app, id_, **step)
        before |= step
        assert listed(app) == [before]
    change(app, id_, type=None, pattern=None, action=None, userMessage=None, isActive=None, shadow=None)
    change(app, id_)
    assert listed(app) == [before]


def test_an_empty_message_is_removed() -> None:
    app = guarded()
    id_ = add(app, userMessage="No.")
    change(app, id_, userMessage="")
    assert "userMessage" not in listed(app)[0]
    assert "user_message" not in next(row for row in read_rows(app.slug) if row["kind"] == "rule")


def test_a_type_is_changed_only_to_one_that_fits_the_pattern() -> None:
    app = guarded()
    id_ = add(app, type="blocked_topic", pattern="(")
    reply = app.patch("/api/guardrails/rules", {"ruleId": id_, "type": "regex"})
    assert (reply.status, reply.json["error"]) == (400, "Invalid pattern: missing ): (")
    change(app, id_, type="regex", pattern="gun")
    assert listed(app)[0]["type"] == "regex"


def test_a_pattern_that_was_checked_for_a_type_is_not_stored_for_another() -> None:
    app = guarded()
    id_ = add(app, type="blocked_topic", pattern="gun")
    with act_before_call("TransactWriteItems", lambda _: change(app, id_, type="regex"), at=(1,)):
        reply = app.patch("/api/guardrails/rules", {"ruleId": id_, "pattern": "("})
    assert (reply.status, reply.json["error"]) == (400, "Invalid pattern: missing ): (")


@pytest.mark.parametrize("id_", ["unknown", "#", "~", "x" * 1000])
def test_a_rule_that_is_not_there_is_not_found(id_: str) -> None:
    app = guarded()
    bodies: list[dict[str, Any]] = [{"isActive": False}, {"pattern": "x"}, {"type": "x", "pattern": "y"}, {}]
    for body in bodies:
        reply = app.patch("/api/guardrails/rules", {"ruleId": id_, **body})
        assert (reply.status, reply.json) == (404, {"error": "Rule not found"})
    reply = app.delete("/api/guardrails/rules", {"ruleId": id_})
    assert (reply.status, reply.json) == (404, {"error": "Rule not found"})
    assert listed(app) == []


# -- removing ----------------------------------------------------------------------------------------------


def test_a_removed_rule_is_gone_with_its_counts_and_its_violations_stay() -> None:
    app = guarded()
    id_, other = add(app), add(app)
    for _ in range(5):
        check(app)
    [first, *_] = app.get("/api/guardrails/violations", ruleId=id_).json["violations"]
    annotate(app, first, "true_positive")
    assert app.delete("/api/guardrails/rules", {"ruleId": id_}).json == {"ok": True}
    assert app.delete("/api/guardrails/rules", {"ruleId": id_}).status == 404
    assert [(each["_id"], each["matches"]) for each in listed(app)] == [(other, 5)]
    counted = {name for row in read_partition(f"APP#{app.slug}#") for name in row if name.endswith(id_)}
    assert counted == set()
    assert len(app.get("/api/guardrails/violations", ruleId=id_).json["violations"]) == 5
    assert all_rules(app).items == 1


# -- counts ------------------------------------------------------------------------------------------------


def test_a_precision_is_told_from_five_annotations_on() -> None:
    app = guarded()
    add(app)
    for _ in range(6):
        check(app)
    found = app.get("/api/guardrails/violations").json["violations"]
    for place, violation in enumerate(found):
        annotate(app, violation, "true_positive" if place < 3 else "false_positive")
        [shown] = listed(app)
        assert shown["annotatedTrue"] == min(place + 1, 3)
        assert shown["annotatedFalse"] == max(place - 2, 0)
        total = shown["annotatedTrue"] + shown["annotatedFalse"]
        assert shown["precision"] == (shown["annotatedTrue"] / total if total >= 5 else None)


def test_an_annotation_that_is_revised_moves_the_counts() -> None:
    app = guarded()
    add(app)
    check(app)
    [violation] = app.get("/api/guardrails/violations").json["violations"]
    for correctness, true, false in [
        ("true_positive", 1, 0),
        ("true_positive", 1, 0),
        ("false_positive", 0, 1),
        ("true_positive", 1, 0),
    ]:
        annotate(app, violation, correctness)
        [shown] = listed(app)
        assert (shown["annotatedTrue"], shown["annotatedFalse"]) == (true, false)


def test_a_rule_that_is_changed_keeps_its_counts() -> None:
    app = guarded()
    id_ = add(app)
    check(app)
    change(app, id_, pattern="knife", type="regex")
    assert listed(app)[0]["matches"] == 1


def test_counts_are_spread_and_read_in_one_query() -> None:
    app = guarded()
    add(app)
    for _ in range(40):
        check(app)
    shards = [row for row in read_rows(app.slug) if row["kind"] == "rule_stats"]
    assert len(shards) > 8
    with record_calls() as calls:
        assert listed(app)[0]["matches"] == 40
    assert calls.operations == ["Query"]


# -- at most 200 -------------------------------------------------------------------------------------------


def test_beyond_200_rules_none_is_added_until_one_is_gone() -> None:
    app = guarded()
    fill_up(app, 199)
    id_ = add(app)
    reply = app.post("/api/guardrails/rules", NEW)
    assert (reply.status, reply.json["error"]) == (
        400,
        "At most 200 rules: delete some, or put what they match into fewer",
    )
    assert app.delete("/api/guardrails/rules", {"ruleId": id_}).status == 200
    add(app)
    assert len(listed(app)) == all_rules(app).items == 200


def test_of_rules_that_are_added_at_the_same_time_200_remain(strict: None) -> None:
    app = guarded()
    fill_up(app, 190)
    statuses: list[int] = []

    def some() -> None:
        statuses.extend(app.post("/api/guardrails/rules", NEW).status for _ in range(5))

    threads = [threading.Thread(target=some) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(set(statuses)) in ([200, 400], [200, 400, 503])
    assert statuses.count(200) == 10
    assert len(listed(app)) == all_rules(app).items == 200


def test_rules_that_come_and_go_at_the_same_time_are_counted_right(strict: None) -> None:
    app = guarded()
    fill_up(app, 12)
    ids = [each["_id"] for each in listed(app)]

    def come_and_go(mine: list[str]) -> None:
        for id_ in mine:
            assert app.delete("/api/guardrails/rules", {"ruleId": id_}).status == 200
            change(app, add(app), isActive=False)
            add(app)

    threads = [threading.Thread(target=come_and_go, args=(ids[part::4],)) for part in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(listed(app)) == all_rules(app).items == 24


# -- at most 5,000 steps -----------------------------------------------------------------------------------

FULL = (
    "At most 5,000 steps of RE2 in all rules together: delete some, or use "
    "smaller repetitions and fewer words"
)


def make_pattern(steps: int) -> str:
    """A pattern of so many steps, of 104 at least."""
    return "a{100}" * ((steps - 4) // 100) + "a" * ((steps - 4) % 100)


def assert_steps_are_counted(app: Client) -> int:
    rows = RuleRow.list_rules(app.slug)
    steps = sum(count_rule_steps(row.type, row.pattern) for row in rows)
    assert (all_rules(app).items, all_rules(app).bytes) == (len(rows), steps)
    return steps


def test_rules_take_five_thousand_steps_together_and_no_more() -> None:
    app = guarded()
    ids = [add(app, pattern=make_pattern(1000)) for _ in range(4)]
    last = add(app, pattern=make_pattern(996))
    assert assert_steps_are_counted(app) == 4996
    for refused in (
        app.post("/api/guardrails/rules", NEW | {"pattern": "a"}),
        app.patch("/api/guardrails/rules", {"ruleId": last, "pattern": make_pattern(1000) + "|b"}),
        app.patch("/api/guardrails/rules", {"ruleId": last, "pattern": make_pattern(997) + "b" * 4}),
    ):
        assert refused.status == 400
    assert refused.json == {
        "error": "Invalid pattern: it takes 1,001 steps of at most 1,000: use smaller repetitions"
    }
    assert app.post("/api/guardrails/rules", NEW | {"pattern": "a"}).json == {"error": FULL}
    assert app.patch("/api/guardrails/rules", {"ruleId": last, "type": "blocked_topic"}).json == {"ok": True}
    change(app, last, pattern="gun", type="regex")
    change(app, ids[0], pattern=make_pattern(900))
    change(app, ids[0], isActive=False)
    assert assert_steps_are_counted(app) == 3907
    assert app.delete("/api/guardrails/rules", {"ruleId": ids[1]}).status == 200
    add(app, pattern=make_pattern(1000))
    assert assert_steps_are_counted(app) == 3907


def test_a_rule_grows_only_into_what_is_left() -> None:
    app = guarded()
    for _ in range(4):
        add(app, pattern=make_pattern(1000))
    small = add(app, pattern=make_pattern(500))
    add(app, pattern=make_pattern(400))
    reply = app.patch("/api/guardrails/rules", {"ruleId": small, "pattern": make_pattern(601)})
    assert (reply.status, reply.json["error"]) == (400, FULL)
    change(app, small, pattern=make_pattern(600))
    assert assert_steps_are_counted(app) == 5000


def test_an_app_of_before_that_takes_more_may_take_less_and_nothing_more() -> None:
    """Its rules were counted, and their steps were not."""
    app = guarded()
    rows = []
    for number in range(8):
        row = RuleRow.of(app.slug, f"old{number}")
        row.type, row.pattern, row.action = "regex", make_pattern(1000 if number else 1500), "log"
        row.is_active, row.place = True, str(number)
        rows.append(row)
    put_all(rows)
    RulesetRow.of(app.slug).change([RulesetRow.items.set(8), RulesetRow.version.set(3)])
    assert app.delete("/api/guardrails/rules", {"ruleId": "old7"}).status == 200
    assert app.post("/api/guardrails/rules", NEW).json == {"error": FULL}
    assert assert_steps_are_counted(app) == 6000, "that of 1,500 matches nothing and takes nothing"
    reply = app.patch("/api/guardrails/rules", {"ruleId": "old0", "pattern": "gun"})
    assert (reply.status, reply.json["error"]) == (400, FULL)
    change(app, "old1", pattern=make_pattern(999))
    assert app.delete("/api/guardrails/rules", {"ruleId": "old0"}).status == 200
    assert app.delete("/api/guardrails/rules", {"ruleId": "old2"}).status == 200
    assert assert_steps_are_counted(app) == 4999
    assert app.post("/api/guardrails/rules", NEW).json == {"error": FULL}


def test_of_rules_that_grow_at_the_same_time_as_many_do_as_there_is_room_for(strict: None) -> None:
    app = guarded()
    ids = [add(app, pattern="gun") for _ in range(8)]
    statuses: list[int] = []

    def grow(id_: str) -> None:
        body = {"ruleId": id_, "pattern": make_pattern(900)}
        statuses.append(app.patch("/api/guardrails/rules", body).status)
        statuses.append(app.post("/api/guardrails/rules", NEW | {"pattern": make_pattern(900)}).status)

    threads = [threading.Thread(target=grow, args=(id_,)) for id_ in ids]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert statuses.count(200) == 5
    assert 4500 <= assert_steps_are_counted(app) <= 5000


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_rule_whose_change_died_anywhere_is_counted_as_it_is(number: int, after: bool) -> None:
    app = guarded()
    id_ = add(app)
    try:
        with cut(number, after=after):
            app.patch("/api/guardrails/rules", {"ruleId": id_, "pattern": make_pattern(900)})
    except Cut:
        pass
    assert_steps_are_counted(app)


def test_a_rule_that_is_changed_while_it_is_removed_is_counted_no_more() -> None:
    app = guarded()
    id_ = add(app)
    with act_before_call(
        "TransactWriteItems", lambda _: change(app, id_, pattern=make_pattern(900)), at=(1,)
    ):
        assert app.delete("/api/guardrails/rules", {"ruleId": id_}).status == 200
    assert assert_steps_are_counted(app) == 0


# -- crashes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 8))
def test_a_rule_whose_adding_died_anywhere_is_there_and_counted_or_neither(number: int, after: bool) -> None:
    app = guarded()
    fill_up(app, 2)
    app.get("/api/tools")
    with pytest.raises(Cut), cut(number, after=after):
        _add_and_list(app)
    stored = RulesetRow.of(app.slug).find_stored()
    if stored and stored.items is not None:
        assert stored.items == len(listed(app))
    add(app)
    assert all_rules(app).items == len(listed(app))


def _add_and_list(app: Client) -> None:
    add(app)
    listed(app)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_rule_whose_removal_died_anywhere_is_gone_and_counted_or_neither(number: int, after: bool) -> None:
    app = guarded()
    id_ = add(app)
    check(app)
    with pytest.raises(Cut), cut(number, after=after):
        app.delete("/api/guardrails/rules", {"ruleId": id_})
    assert all_rules(app).items == len(listed(app))
    app.delete("/api/guardrails/rules", {"ruleId": id_})
    assert all_rules(app).items == len(listed(app)) == 0


def test_a_change_whose_answer_is_lost_is_in_force() -> None:
    app = guarded()
    id_ = add(app)
    check(app)
    with lose_answer(1):
        change(app, id_, pattern="knife")
    assert listed(app)[0]["pattern"] == "knife"


def test_a_rule_that_is_changed_before_any_was_counted_is_counted_with_the_others() -> None:
    app = guarded()
    fill_up(app, 3)
    change(app, "old001", isActive=False)
    assert all_rules(app).items is None
    add(app)
    assert all_rules(app).items == 4


def test_stats_rows_know_no_rule_by_name() -> None:
    """Names of attributes hold nothing that was said: rule ids are the service's own."""
    app = guarded()
    id_ = add(app)
    check(app)
    [row] = [row for row in read_partition(f"APP#{app.slug}#") if to_plain(row["kind"]) == "rule_stats"]
    assert set(row) == {"pk", "sk", "kind", f"m_{id_}"}
    assert to_plain(row["pk"]) == RuleCountsRow.choose(app.slug)[0].pk
    assert use_cases.count(app.slug) == 1
