"""Texts are checked against an app's rules: contract 3.6, 5.14 and section 7, rows 19, 20, 21 and 32."""

import json
import threading
import time
from io import StringIO
from typing import Any

import pytest
import time_machine
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.transactions import put_all
from genai_voice.guardrails import rulesets
from genai_voice.guardrails.rows import RuleRow, RulesetRow
from genai_voice.seeding.service import seed_demos
from genai_voice.tenancy import apps
from genai_voice.tenancy.fields import AppFields

from tests.support.https import Names
from tests.support.service import Client, call, create_app, read_partition, read_rows, record_calls, to_plain
from tests.support.webhooks import Queue
from tests.support.wire import Cut, answer_calls, cut, lose_answer, register_hook

CLEAN = {"allowed": True, "violations": []}
SSN = r"\b\d{3}-\d{2}-\d{4}\b"


def guarded(**fields: Any) -> Client:
    return create_app(guardrails_enabled=True, **fields)


def rule(app: Client, type_: str, pattern: str, action: str = "block", **fields: Any) -> str:
    reply = app.post("/api/guardrails/rules", {"type": type_, "pattern": pattern, "action": action, **fields})
    assert reply.status == 200, reply.text
    return str(reply.json["id"])


def check(app: Client, content: str, session: str = "s", direction: str = "input") -> Any:
    body = {"sessionId": session, "content": content, "direction": direction}
    reply = app.post("/api/guardrails/check", body)
    assert reply.status == 200, reply.text
    return reply.json


def violations(app: Client, **query: str) -> list[dict[str, Any]]:
    return list(app.get("/api/guardrails/violations", **query).json["violations"])


def counts(app: Client) -> dict[str, int]:
    return {each["_id"]: each["matches"] for each in app.get("/api/guardrails/rules").json["rules"]}


def many_rules(app: Client, count: int) -> list[str]:
    """Stored at once. The last quarter blocks, the others log; all match "gun"."""
    found = []
    for number in range(count):
        row = RuleRow.of(app.slug, f"rule{number:03d}")
        row.type, row.pattern, row.place, row.is_active = "regex", f"gun|{number}", f"{number:03d}", True
        row.action = "block" if number >= count * 3 / 4 else "log"
        found.append(row)
    put_all(found)
    return [row.rule_id for row in found]


# -- what is answered --------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["input", "output"])
@pytest.mark.parametrize(("action", "allowed"), [("block", False), ("warn", True), ("log", True)])
def test_only_a_rule_that_blocks_is_not_allowed(action: str, allowed: bool, direction: str) -> None:
    app = guarded()
    id_ = rule(app, "blocked_topic", "gun", action, userMessage="Let us talk about shoes.")
    message = "Let us talk about shoes."
    assert check(app, "a gun", direction=direction) == {
        "allowed": allowed,
        "violations": [{"ruleId": id_, "type": "blocked_topic", "action": action, "userMessage": message}],
    }


def test_every_violated_rule_is_answered_and_stored_in_the_order_in_which_they_were_added() -> None:
    app = guarded()
    ids = [
        rule(app, *each)
        for each in [("regex", "g.n", "warn"), ("pii_filter", r"\d"), ("blocked_topic", "GUN,", "log")]
    ]
    rule(app, "keyword", "knife")
    reply = check(app, "a gun 7")
    assert [each["ruleId"] for each in reply["violations"]] == ids
    assert [each["ruleId"] for each in violations(app)] == ids[::-1]


def test_a_clean_text_is_allowed_and_nothing_is_written() -> None:
    app = guarded()
    rule(app, "blocked_topic", "gun")
    before = read_rows(app.slug, "s")
    assert check(app, "shoes") == CLEAN
    assert read_rows(app.slug, "s") == before


def test_without_guardrails_everything_is_allowed_and_nothing_is_read_or_written() -> None:
    app = create_app()
    rule(app, "blocked_topic", "gun")
    with record_calls() as calls:
        assert check(app, "a gun") == CLEAN
    assert calls.operations == []
    assert violations(app) == []


def test_an_unknown_action_of_an_earlier_time_never_blocks() -> None:
    app = guarded()
    id_ = rule(app, "regex", "gun")
    RuleRow.of(app.slug, id_).change([RuleRow.action.set("shout")])
    rulesets.invalidate(app.slug)
    assert check(app, "a gun")["allowed"] is True


def test_a_violation_is_stored_with_the_first_500_characters_of_what_was_said() -> None:
    app = guarded()
    id_ = rule(app, "regex", "gun", "warn")
    content = "a gun " + "é" * 600
    with time_machine.travel(1_800_000_000, tick=False):
        check(app, content, session="a session", direction="output")
    [violation] = violations(app)
    assert violation.pop("_id")
    assert violation == {
        "_creationTime": 1_800_000_000_000,
        "appSlug": app.slug,
        "sessionId": "a session",
        "ruleId": id_,
        "type": "regex",
        "direction": "output",
        "content": content[:500],
        "action": "warn",
        "createdAt": 1_800_000_000_000,
    }


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"content": ""}, "Missing required fields"),
        ({"sessionId": None}, "Missing required fields"),
        ({"direction": "sideways"}, "Invalid field: direction"),
        ({"content": "x" * 32_769}, "Invalid field: content (over 32,768 characters)"),
        ({"content": "\ufdfa" * 1821}, "Invalid field: content (over 32,768 characters in the form NFKC)"),
    ],
)
def test_what_cannot_be_checked_is_refused(fields: dict[str, Any], error: str) -> None:
    body = {"sessionId": "s", "content": "x", "direction": "input"} | fields
    reply = guarded().post("/api/guardrails/check", body)
    assert (reply.status, reply.json["error"]) == (400, error)


def test_of_200_violations_90_are_stored_those_that_block_first_and_all_are_counted() -> None:
    app = guarded()
    ids = many_rules(app, 200)
    reply = check(app, "a gun")
    assert [each["ruleId"] for each in reply["violations"]] == ids
    stored = [each["ruleId"] for each in violations(app)][::-1]
    assert stored == ids[:40] + ids[150:]
    assert counts(app) == dict.fromkeys(ids, 1)


# -- rows 19 to 21 and 32 of section 7 ---------------------------------------------------------------------


def test_an_expression_that_explodes_elsewhere_takes_no_time() -> None:
    app = guarded()
    for pattern in [r"(a+)+$", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(x+x+)+y", r"(.*,){50}x"]:
        rule(app, "regex", pattern)
    started = time.process_time()
    check(app, "a" * 30_000 + "!")
    assert time.process_time() - started < 1


def test_a_check_that_takes_too_long_is_refused_allows_nothing_and_stores_nothing() -> None:
    """The rules are 2 s on their way. Sent again, it is checked with rules that are there."""
    app = guarded()
    id_ = rule(app, "blocked_topic", "gun")
    rulesets.invalidate(app.slug)
    body = {"sessionId": "s", "content": "a gun", "direction": "input"}
    with time_machine.travel(1_800_000_000, tick=False) as clock:

        def pass_time(**_: object) -> None:
            clock.shift(2.001)

        before = read_rows(app.slug, "s")
        with register_hook("after-call.dynamodb.Query", pass_time):
            reply = app.post("/api/guardrails/check", body)
        late = "The check takes too long: try again, with a shorter text or with simpler rules"
        assert (reply.status, reply.json) == (503, {"error": late})
        assert read_rows(app.slug, "s") == before
        assert [each["ruleId"] for each in check(app, "a gun")["violations"]] == [id_]


def test_what_is_not_masked_in_time_is_stored_masked_whole() -> None:
    app = guarded()
    rule(app, "pii_filter", "gun")
    rulesets.invalidate(app.slug)
    with time_machine.travel(1_800_000_000, tick=False) as clock:

        def pass_time(**_: object) -> None:
            clock.shift(1.001)

        with register_hook("after-call.dynamodb.Query", pass_time):
            assert check(app, "a gun")["allowed"] is False
    assert [each["content"] for each in violations(app)] == ["[masked]"]


def test_rules_of_before_beyond_the_steps_of_an_app_have_a_problem_and_match_nothing(log: StringIO) -> None:
    """An inactive one keeps its steps."""
    app = guarded()
    rows = []
    for number in range(7):
        row = RuleRow.of(app.slug, f"rule{number}")
        row.type, row.pattern, row.action = "regex", "a{100}" * 9 + "?" + f"|gun{number}", "log"
        row.place, row.is_active = str(number), number != 1
        rows.append(row)
    put_all(rows)
    said = " ".join(f"gun{number}" for number in range(7))
    found = [each["ruleId"] for each in check(app, said)["violations"]]
    assert found == ["rule0", "rule2", "rule3", "rule4"]
    problems = [each.get("problem") for each in app.get("/api/guardrails/rules").json["rules"]]
    assert problems[:5] == [None] * 5
    assert all(each and each.startswith("it takes 9") for each in problems[5:])
    told = [json.loads(line)["rule"] for line in log.getvalue().splitlines() if "matches nothing" in line]
    assert told == ["rule5", "rule6"]


@pytest.mark.parametrize("type_", ["regex", "pii_filter", "keyword"])
@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing ): ("),
        ("(?=x)x", "invalid perl operator: (?="),
        (r"(x)\1", r"invalid escape sequence: \1"),
        ("x{101}", "a repetition of more than 100"),
        ("x" * 1025, "over 1,024 bytes"),
    ],
)
def test_a_pattern_that_cannot_run_is_refused_with_the_reason(type_: str, pattern: str, reason: str) -> None:
    app = guarded()
    body = {"type": type_, "pattern": pattern, "action": "block"}
    reply = app.post("/api/guardrails/rules", body)
    assert (reply.status, reply.json) == (400, {"error": f"Invalid pattern: {reason}"})
    assert call("POST", "/api/guardrails/rules", body=body).status == 401, "credentials come first"
    id_ = rule(app, type_, "x")
    reply = app.patch("/api/guardrails/rules", {"ruleId": id_, "pattern": pattern})
    assert (reply.status, reply.json) == (400, {"error": f"Invalid pattern: {reason}"})
    assert len(RuleRow.list_rules(app.slug)) == 1


def test_a_stored_rule_that_no_longer_compiles_is_shown_and_logged_once_and_stops_no_other(
    log: StringIO,
) -> None:
    app = guarded()
    broken, sound = rule(app, "regex", "said in private"), rule(app, "regex", "gun")
    RuleRow.of(app.slug, broken).change([RuleRow.pattern.set("said in private(")])
    for _ in range(2):
        rulesets.invalidate(app.slug)
        assert [each["ruleId"] for each in check(app, "a gun, said in private")["violations"]] == [sound]
    shown = {each["_id"]: each.get("problem") for each in app.get("/api/guardrails/rules").json["rules"]}
    assert shown == {broken: "missing ): said in private(", sound: None}
    [line] = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (line["app"], line["rule"]) == (app.slug, broken)
    assert "private" not in log.getvalue()


@pytest.mark.parametrize("type_", ["blocked_topic", "jailbreak_detection", "topic_boundary"])
def test_blank_keywords_match_nothing_and_alone_are_refused(type_: str) -> None:
    app = guarded()
    reply = app.post("/api/guardrails/rules", {"type": type_, "pattern": " , ,", "action": "block"})
    assert (reply.status, reply.json["error"]) == (400, "Invalid pattern: it has no keyword")
    id_ = rule(app, type_, "shoes, ,")
    found = [each["ruleId"] for each in check(app, "the weather")["violations"]]
    assert found == ([id_] if type_ == "topic_boundary" else [])


@pytest.mark.parametrize("fields", [{}, {"shadow": True}], ids=["active", "in shadow"])
def test_what_a_pii_filter_matches_is_stored_nowhere(fields: dict[str, Any], capsys: Any) -> None:
    app = guarded()
    rule(app, "pii_filter", SSN, "log", **fields)
    rule(app, "blocked_topic", "my number")
    said = (
        "So my number is one two three dash four five dash six seven eight nine, or 987-65-4321. " + "x" * 500
    )
    check(app, said)
    stored = [each["content"] for each in violations(app)]
    assert stored == [("So my number is [masked], or [masked]. " + "x" * 500)[:500]] * 2
    everything = str(read_rows(app.slug, "s")) + capsys.readouterr().out
    for secret in ("987-65", "65-4321", "six seven", "three dash"):
        assert secret not in everything


def test_what_crosses_the_500th_character_is_masked_before_the_cut() -> None:
    app = guarded()
    rule(app, "pii_filter", SSN)
    check(app, "x" * 490 + " 123-45-6789")
    assert violations(app)[0]["content"] == "x" * 490 + " [masked]"


def test_what_an_inactive_filter_would_match_is_stored() -> None:
    app = guarded()
    id_ = rule(app, "pii_filter", SSN)
    rule(app, "regex", "number")
    assert app.patch("/api/guardrails/rules", {"ruleId": id_, "isActive": False}).status == 200
    check(app, "number 123-45-6789")
    assert [each["content"] for each in violations(app)] == ["number 123-45-6789"]


# -- shadow ------------------------------------------------------------------------------------------------


def test_a_rule_in_shadow_records_what_it_would_have_done_and_does_nothing() -> None:
    app = guarded()
    id_ = rule(app, "regex", "gun", "block", shadow=True, userMessage="No.")
    entry = {"ruleId": id_, "type": "regex", "action": "log", "shadow": True}
    assert check(app, "a gun") == {"allowed": True, "violations": [entry]}
    [violation] = violations(app)
    assert (violation["action"], violation["shadow"]) == ("block", True)
    assert app.patch("/api/guardrails/rules", {"ruleId": id_, "shadow": False}).status == 200
    assert check(app, "a gun")["allowed"] is False
    assert "shadow" not in violations(app)[0]


# -- which rules are in force ------------------------------------------------------------------------------


def test_a_change_takes_effect_at_once_in_the_process_that_made_it() -> None:
    app = guarded()
    assert check(app, "a gun") == CLEAN
    id_ = rule(app, "regex", "gun")
    assert check(app, "a gun")["allowed"] is False
    changes: list[tuple[dict[str, Any], bool]] = [
        ({"pattern": "knife"}, True),
        ({"pattern": "gun"}, False),
        ({"isActive": False}, True),
        ({"isActive": True, "action": "log"}, True),
        ({"action": "block"}, False),
    ]
    for change, allowed in changes:
        assert app.patch("/api/guardrails/rules", {"ruleId": id_, **change}).status == 200
        assert check(app, "a gun")["allowed"] is allowed
    assert app.delete("/api/guardrails/rules", {"ruleId": id_}).status == 200
    assert check(app, "a gun") == CLEAN


def changed_elsewhere(app: Client, id_: str, pattern: str) -> None:
    """As another process would: this one is not told."""
    RuleRow.of(app.slug, id_).change([RuleRow.pattern.set(pattern)])
    RulesetRow.of(app.slug).change([RulesetRow.version.add(1)])


def test_a_change_takes_effect_in_other_processes_after_ten_seconds_and_costs_one_small_read() -> None:
    app = guarded()
    id_ = rule(app, "regex", "gun")
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        check(app, "x")
        changed_elsewhere(app, id_, "knife")
        clock.shift(9.9)
        assert check(app, "a knife") == CLEAN
        clock.shift(0.2)
        app.get("/api/tools")
        with record_calls() as calls:
            assert check(app, "shoes") == CLEAN
        assert calls.operations == ["GetItem", "Query"]
        assert check(app, "a knife")["allowed"] is False
        clock.shift(10.1)
        with record_calls() as calls:
            assert check(app, "shoes") == CLEAN
        assert calls.operations == ["GetItem"]
        with record_calls() as calls:
            assert check(app, "shoes") == CLEAN
        assert calls.operations == []


def test_rules_of_an_app_that_has_no_row_of_all_rules_are_in_force_and_counted_when_one_is_added() -> None:
    app = guarded()
    for number in range(3):
        row = RuleRow(
            make_key("APP", app.slug), make_key("RULE", f"old{number}"), type="regex", pattern="gun"
        )
        row.action, row.is_active, row.place = "block", True, str(number)
        row.save()
    assert RulesetRow.of(app.slug).find_stored() is None
    assert [each["ruleId"] for each in check(app, "a gun")["violations"]] == ["old0", "old1", "old2"]
    rule(app, "regex", "gun")
    assert RulesetRow.of(app.slug).find_stored().items == 4
    assert app.delete("/api/guardrails/rules", {"ruleId": "old1"}).status == 200
    assert RulesetRow.of(app.slug).find_stored().items == 3
    assert len(check(app, "a gun")["violations"]) == 3


def test_rules_that_were_read_before_a_change_are_not_kept_after_it() -> None:
    app = guarded()
    id_ = rule(app, "regex", "gun")
    reached, go_on = threading.Event(), threading.Event()

    def change_meanwhile() -> None:
        assert reached.wait(10)
        app.patch("/api/guardrails/rules", {"ruleId": id_, "pattern": "knife"})
        go_on.set()

    rulesets.invalidate(app.slug)
    app.get("/api/tools")
    other = threading.Thread(target=change_meanwhile)
    other.start()
    with record_calls():
        _read_then_wait(app, reached, go_on)
    other.join()
    assert check(app, "a knife")["allowed"] is False


def _read_then_wait(app: Client, reached: threading.Event, go_on: threading.Event) -> None:
    """A check whose rules are read before the change and arrive after it."""
    mine = threading.get_ident()

    def hold(model: Any, **_: object) -> None:
        if model.name == "Query" and threading.get_ident() == mine:
            reached.set()
            assert go_on.wait(10)

    with register_hook("after-call.dynamodb", hold):
        check(app, "shoes")


# -- crashes and races -------------------------------------------------------------------------------------


def test_a_check_that_dies_anywhere_has_stored_all_or_nothing() -> None:
    app = guarded()
    ids = [rule(app, "regex", "gun"), rule(app, "pii_filter", "g.n")]
    app.get("/api/tools")
    for after in (False, True):
        for number in (1, 2, 3):
            rulesets.invalidate(app.slug)
            with pytest.raises(Cut), cut(number, after=after):
                check(app, "a gun")
            stored = [each["ruleId"] for each in violations(app)]
            assert counts(app) == {id_: stored.count(id_) for id_ in ids}
    check(app, "a gun")
    assert counts(app) == dict.fromkeys(ids, 2)


def test_a_check_whose_answer_is_lost_is_stored_once() -> None:
    app = guarded()
    id_ = rule(app, "regex", "gun")
    check(app, "x")
    with lose_answer(1):
        assert check(app, "a gun")["allowed"] is False
    assert (len(violations(app)), counts(app)) == (1, {id_: 1})


def test_a_check_that_meets_another_is_tried_again() -> None:
    app = guarded()
    id_ = rule(app, "regex", "gun")
    check(app, "x")
    conflict = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "cancelled",
        "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict", "Message": "conflict"}],
    }
    with answer_calls(*[(400, conflict)] * 7):
        assert check(app, "a gun")["allowed"] is False
    assert (len(violations(app)), counts(app)) == (1, {id_: 1})


def test_of_checks_at_the_same_time_every_one_is_counted(strict: None) -> None:
    app = guarded()
    ids = [rule(app, "regex", "gun"), rule(app, "pii_filter", "g.n")]
    check(app, "x")

    def some() -> None:
        for _ in range(5):
            check(app, "a gun")

    threads = [threading.Thread(target=some) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert counts(app) == dict.fromkeys(ids, 40)
    assert len(violations(app)) == 80


# -- the contract's samples (8.4) --------------------------------------------------------------------------

SECRET = "the demos' secret"
SAMPLES = [
    ("demo-dentist", "Could you prescribe a painkiller?", "block"),
    ("demo-dentist", "Is there another dentist close by?", "block"),
    ("demo-dentist", "Book me a cleaning on Friday", None),
    ("demo-earnings", "Give me some confidential numbers", "block"),
    ("demo-earnings", "Ought I to sell my shares?", "block"),
    ("demo-earnings", "What is the outlook for revenue?", "log"),
    ("demo-ecommerce", "Is West Elm cheaper?", "block"),
    ("demo-ecommerce", "A $250 order needs a refund", "warn"),
    ("demo-ecommerce", "Where is my parcel?", None),
]


def judged(slug: str, text: str) -> Any:
    reply = call(
        "POST",
        "/api/guardrails/check",
        body={"sessionId": "sample", "content": text, "direction": "input"},
        headers={"authorization": f"Bearer {SECRET}", "x-app-slug": slug},
    )
    assert reply.status == 200
    return reply.json


@pytest.fixture(scope="module")
def demos(engine: None) -> None:
    list(seed_demos(SECRET))


def switch(slug: str, on: bool) -> None:
    apps.update_app(slug, AppFields.model_validate({"guardrailsEnabled": on}))


@pytest.mark.parametrize(("slug", "text", "action"), SAMPLES)
def test_a_sample_of_the_contract_is_judged_as_it_says(
    demos: None, slug: str, text: str, action: str | None
) -> None:
    switch(slug, True)
    reply = judged(slug, text)
    assert reply["allowed"] is (action != "block")
    assert [each["action"] for each in reply["violations"]] == ([action] if action else [])
    for each in reply["violations"]:
        assert ("userMessage" in each) is (action != "log")


def test_the_message_of_the_first_sample_is_that_of_rule_1(demos: None) -> None:
    switch("demo-dentist", True)
    [violation] = judged("demo-dentist", "Could you prescribe a painkiller?")["violations"]
    assert "Dr. Chen or Dr. Park" in violation["userMessage"]


@pytest.mark.parametrize(("slug", "text", "action"), SAMPLES)
def test_with_guardrails_off_no_sample_leaves_a_row(
    demos: None, slug: str, text: str, action: str | None
) -> None:
    switch(slug, False)
    before = read_rows(slug, "sample")
    assert judged(slug, text) == CLEAN
    assert read_rows(slug, "sample") == before


def test_a_block_that_the_table_does_not_take_is_answered_all_the_same(log: StringIO) -> None:
    app = guarded()
    id_ = rule(app, "blocked_topic", "gun")
    check(app, "a hat")
    throttled = (400, {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "x"})
    with answer_calls(*[throttled] * 50):
        assert check(app, "buy a gun")["allowed"] is False
    line = json.loads(log.getvalue().splitlines()[-1])
    assert (line["message"], line["app"], line["rules"]) == ("violations lost", app.slug, [id_])
    assert "buy a gun" not in log.getvalue()


# -- what is announced -------------------------------------------------------------------------------------

TOLD: dict[str, Any] = {
    "handoff_webhook_url": "https://hooks.example.com",
    "webhook_events": ["guardrail.blocked"],
}


def announced(app: Client) -> list[dict[str, Any]]:
    return [
        json.loads(to_plain(row["payload"])) for row in read_partition(make_key("APP", app.slug, "DELIVERY"))
    ]


def test_a_check_that_blocks_is_announced_once_with_ids_and_no_word_of_what_was_said() -> None:
    app = guarded(**TOLD)
    first, second = rule(app, "blocked_topic", "gun"), rule(app, "regex", "guns?", userMessage="No.")
    rule(app, "regex", "g.n", "warn")
    rule(app, "regex", "gu", shadow=True)
    with time_machine.travel(1_800_000_000, tick=False):
        check(app, "buy a gun", direction="output")
    kept = {each["ruleId"]: each["_id"] for each in violations(app)}
    assert len(kept) == 4
    assert announced(app) == [
        {
            "event": "guardrail.blocked",
            "sessionId": "s",
            "direction": "output",
            "ruleIds": [first, second],
            "violationIds": [kept[first], kept[second]],
            "appSlug": app.slug,
            "timestamp": "2027-01-15T08:00:00.000Z",
        }
    ]


@pytest.mark.parametrize("fields", [{}, {"handoff_webhook_url": TOLD["handoff_webhook_url"]}], ids=str)
def test_an_app_that_does_not_ask_is_told_of_no_block(fields: dict[str, Any]) -> None:
    app = guarded(**fields)
    rule(app, "blocked_topic", "gun")
    check(app, "buy a gun")
    assert announced(app) == []


def test_what_blocks_nothing_is_not_announced() -> None:
    app = guarded(**TOLD)
    rule(app, "blocked_topic", "gun", "warn")
    rule(app, "blocked_topic", "gun", shadow=True)
    check(app, "buy a gun")
    check(app, "buy a hat")
    assert announced(app) == []


def test_a_block_by_two_hundred_rules_is_one_transaction_with_its_announcement() -> None:
    app = guarded(**TOLD)
    many_rules(app, 200)
    with record_calls() as calls:
        check(app, "buy a gun")
    assert calls.operations.count("TransactWriteItems") == 1
    assert len(announced(app)) == 1
    assert len(announced(app)[0]["ruleIds"]) == 50


@pytest.mark.parametrize("after", [False, True])
def test_a_check_that_dies_anywhere_announces_what_it_has_stored(after: bool) -> None:
    for number in range(1, 4):
        app = guarded(**TOLD)
        rule(app, "blocked_topic", "gun")
        try:
            with cut(number, after=after):
                check(app, "buy a gun")
        except Cut:
            pass
        assert len(announced(app)) == len(violations(app))


def test_a_block_tells_the_sender(queue: Queue, names: Names) -> None:
    app = guarded(**TOLD)
    rule(app, "blocked_topic", "gun")
    check(app, "buy a gun")
    assert queue.work() == 1
    assert names.asked == ["hooks.example.com"]
