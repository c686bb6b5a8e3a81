"""The violations of an app's rules: listed, filtered, and judged by people (contract 3.6)."""

import threading
from typing import Any

import pytest
import time_machine
from genai_voice.foundation.transactions import put_all
from genai_voice.guardrails.rows import ViolationRow

from tests.support.service import Client, create_app, read_pages, record_calls
from tests.support.wire import Cut, act_before_call, cut, lose_answer

PATH = "/api/guardrails/violations"
MISSING = "Missing required fields: violationId, annotatedCorrectness"


@pytest.fixture
def app(engine: None) -> Client:
    app = create_app(guardrails_enabled=True)
    app.get("/api/tools")
    return app


def rule(app: Client, pattern: str) -> str:
    reply = app.post("/api/guardrails/rules", {"type": "regex", "pattern": pattern, "action": "log"})
    return str(reply.json["id"])


def check(app: Client, content: str, session: str = "s") -> None:
    body = {"sessionId": session, "content": content, "direction": "input"}
    assert app.post("/api/guardrails/check", body).status == 200


def many(app: Client, count: int, session: str, rule_id: str, first: int = 0) -> None:
    """So many violations, as checks have stored them."""
    found = []
    for number in range(first, first + count):
        row = ViolationRow.from_ids(app.slug, session, rule_id, f"{number:016d}-0-00")
        row.type, row.direction, row.content, row.action = "regex", "input", str(number), "log"
        row.created_at = number
        found.append(row)
    put_all(found)


def contents(listed: list[dict[str, Any]]) -> list[str]:
    return [each["content"] for each in listed]


def annotate(app: Client, id_: str, correctness: str, **fields: Any) -> Any:
    return app.patch(PATH, {"violationId": id_, "annotatedCorrectness": correctness, **fields})


# -- lists -------------------------------------------------------------------------------------------------


def test_violations_are_listed_newest_first_100_a_page(app: Client) -> None:
    many(app, 205, "s", "r")
    queries: list[dict[str, str]] = [
        {},
        {"sessionId": "s"},
        {"ruleId": "r"},
        {"sessionId": "s", "ruleId": "r"},
    ]
    for query in queries:
        found = list(read_pages(app, PATH, "violations", **query))
        assert [len(each) for each in found] == [100, 100, 5]
        assert contents([each for page in found for each in page]) == [
            str(each) for each in range(204, -1, -1)
        ]


def test_they_are_of_a_session_of_a_rule_or_of_both(app: Client) -> None:
    for place, (session, rule_id) in enumerate([("a", "r"), ("a", "q"), ("b", "r"), ("ab", "rq")]):
        many(app, 1, session, rule_id, first=place)

    def found(**query: str) -> list[str]:
        return contents(app.get(PATH, **query).json["violations"])

    assert found() == found(all="true") == found(sessionId="", ruleId="") == ["3", "2", "1", "0"]
    assert found(sessionId="a") == ["1", "0"]
    assert found(ruleId="r") == ["2", "0"]
    assert found(sessionId="a", ruleId="r") == ["0"]
    assert found(sessionId="b", ruleId="q") == found(sessionId="c") == found(ruleId="#") == []


def test_of_a_rule_and_a_session_those_are_found_that_lie_among_many_others(app: Client) -> None:
    many(app, 101, "s", "rare")
    many(app, 120, "s", "frequent", first=1000)
    found = list(read_pages(app, PATH, "violations", sessionId="s", ruleId="rare"))
    assert [len(each) for each in found] == [100, 1]


def test_a_page_looks_at_a_bounded_number_of_violations(app: Client) -> None:
    many(app, 30, "s", "rare")
    many(app, 100, "s", "frequent", first=1000)
    found, position = [], None
    for _ in range(3):
        rows, last = ViolationRow.list_newest_of(app.slug, "s", "rare", position, 100, look_at=60)
        position = last.list_position if last else None
        found.append(len(rows))
    assert (found, position) == ([0, 20, 10], None)


def test_a_cursor_serves_its_own_filters_alone(app: Client) -> None:
    many(app, 101, "s", "r")
    cursor = app.get(PATH, sessionId="s").json["cursor"]
    for query in [{}, {"ruleId": "r"}, {"sessionId": "t"}, {"sessionId": "s", "ruleId": "r"}]:
        assert app.get(PATH, cursor=cursor, **query).status == 400
    assert len(app.get(PATH, cursor=cursor, sessionId="s").json["violations"]) == 1


def test_of_another_app_there_is_nothing(app: Client) -> None:
    many(app, 1, "s", "r")
    assert app.get(PATH, appSlug="another").json == {"violations": []}
    assert create_app().get(PATH, sessionId="s", ruleId="r").json == {"violations": []}


# -- annotations -------------------------------------------------------------------------------------------


def test_an_annotation_says_who_and_when(app: Client) -> None:
    rule(app, "gun")
    check(app, "a gun")
    [violation] = app.get(PATH).json["violations"]
    with time_machine.travel(1_800_000_000, tick=False):
        assert annotate(app, violation["_id"], "true_positive").json == {"ok": True}
    [shown] = app.get(PATH).json["violations"]
    assert shown == violation | {
        "annotatedCorrectness": "true_positive",
        "annotatedBy": "dashboard-user",
        "annotatedAt": 1_800_000_000_000,
    }
    annotate(app, violation["_id"], "false_positive", annotatedBy="Kim")
    [shown] = app.get(PATH, sessionId="s").json["violations"]
    assert (shown["annotatedCorrectness"], shown["annotatedBy"]) == ("false_positive", "Kim")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"violationId": "x"}, "Missing required fields: violationId, annotatedCorrectness"),
        (
            {"annotatedCorrectness": "true_positive"},
            "Missing required fields: violationId, annotatedCorrectness",
        ),
        (
            {"violationId": "x", "annotatedCorrectness": "maybe"},
            "annotatedCorrectness must be 'true_positive' or 'false_positive'",
        ),
    ],
)
def test_what_is_no_annotation_is_refused(app: Client, body: dict[str, Any], error: str) -> None:
    reply = app.patch(PATH, body)
    assert (reply.status, reply.json["error"]) == (400, error)


def test_a_violation_of_nobody_or_of_another_app_is_not_found(app: Client) -> None:
    theirs = create_app()
    many(theirs, 1, "s", "r")
    [violation] = theirs.get(PATH).json["violations"]
    for id_ in (violation["_id"], "unknown", "#"):
        reply = annotate(app, id_, "true_positive")
        assert (reply.status, reply.json) == (404, {"error": "Violation not found"})
    assert "annotatedBy" not in theirs.get(PATH).json["violations"][0]


def counts(app: Client) -> tuple[int, int]:
    [shown] = app.get("/api/guardrails/rules").json["rules"]
    return shown["annotatedTrue"], shown["annotatedFalse"]


def annotated(app: Client) -> tuple[int, int]:
    """What the counts must be."""
    said = [each.get("annotatedCorrectness") for each in app.get(PATH).json["violations"]]
    return said.count("true_positive"), said.count("false_positive")


def test_an_annotation_that_dies_anywhere_is_counted_or_not_there(app: Client) -> None:
    rule(app, "gun")
    check(app, "a gun")
    id_ = app.get(PATH).json["violations"][0]["_id"]
    for correctness in ("true_positive", "false_positive"):
        for number, after in [(1, False), (1, True), (2, False), (2, True)]:
            with pytest.raises(Cut), cut(number, after=after):
                annotate(app, id_, correctness)
            assert counts(app) == annotated(app)
    with lose_answer(2):
        assert annotate(app, id_, "true_positive").status == 200
    assert counts(app) == annotated(app) == (1, 0)


def test_of_two_annotations_at_the_same_time_the_last_counts(app: Client) -> None:
    rule(app, "gun")
    check(app, "a gun")
    id_ = app.get(PATH).json["violations"][0]["_id"]
    with act_before_call("TransactWriteItems", lambda _: annotate(app, id_, "true_positive"), at=(1,)):
        assert annotate(app, id_, "false_positive").status == 200
    assert counts(app) == annotated(app) == (0, 1)


def test_annotations_that_race_are_counted_right(app: Client, strict: None) -> None:
    rule(app, "gun")
    for _ in range(3):
        check(app, "a gun")
    ids = [each["_id"] for each in app.get(PATH).json["violations"]]

    def some(correctness: str) -> None:
        for id_ in ids * 2:
            assert annotate(app, id_, correctness).status in (200, 503)

    said = ("true_positive", "false_positive") * 2
    threads = [threading.Thread(target=some, args=(each,)) for each in said]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert counts(app) == annotated(app)
    assert sum(counts(app)) == 3


# -- traces ------------------------------------------------------------------------------------------------


def test_a_timeline_shows_the_violations_of_its_session(app: Client) -> None:
    id_ = rule(app, "gun")
    with time_machine.travel(1_800_000_000, tick=False):
        check(app, "a gun")
    check(app, "another gun", session="another")
    [entry] = app.get("/api/traces", traceId="t", sessionId="s").json["timeline"]
    assert entry["data"].pop("id") == app.get(PATH, sessionId="s").json["violations"][0]["_id"]
    assert entry == {
        "type": "guardrail_violation",
        "timestamp": 1_800_000_000_000,
        "data": {
            "ruleId": id_,
            "violationType": "regex",
            "direction": "input",
            "content": "a gun",
            "action": "log",
        },
    }


def test_without_a_session_a_timeline_shows_no_violation_and_looks_for_none(app: Client) -> None:
    rule(app, "gun")
    check(app, "a gun")
    with record_calls() as calls:
        assert app.get("/api/traces", traceId="t").json["timeline"] == []
    assert calls.operations == ["Query"] * 2
