"""Experiments: kept, listed, stopped; each session is assigned one variant (contract 3.11, 4.14, 5.4)."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from genai_voice.conversations.rows import ConversationRow
from genai_voice.experiments.draw import draw_variant
from genai_voice.experiments.rows import ExposureRow
from genai_voice.foundation.keys import make_key
from genai_voice.tools import registry

from tests.support.operator import run
from tests.support.service import (
    Client,
    Reply,
    call,
    create_app,
    read_pages,
    read_partition,
    read_rows,
    record_calls,
    to_plain,
)
from tests.support.wire import Cut, act_before_call, cut, lose_answer

NOW = 1_800_000_000
HOOK = "https://hooks.example.com/x"
PAIR = [{"id": "control", "weight": 1}, {"id": "warm", "weight": 1}]
NOT_FOUND = {"error": "Experiment not found or inactive"}


def create(app: Client, variants: list[dict[str, Any]] = PAIR, name: str = "Greeting") -> str:
    reply = app.post("/api/experiments", {"name": name, "variants": variants})
    assert reply.status == 200, reply.text
    assert list(reply.json) == ["id"]
    return str(reply.json["id"])


def ask(app: Client, experiment: str, session: str = "s") -> Reply:
    return app.post("/api/experiments/assign", {"experimentId": experiment, "sessionId": session})


def assign(app: Client, experiment: str, session: str = "s") -> str:
    reply = ask(app, experiment, session)
    assert reply.status == 200, reply.text
    return str(reply.json["variantId"])


def save(app: Client, session: str = "s", **fields: Any) -> None:
    assert app.post("/api/conversations", {"sessionId": session, **fields}).status == 200


def conversations(app: Client) -> dict[str, dict[str, Any]]:
    listed = app.get("/api/conversations").json["conversations"]
    return {each["sessionId"]: each for each in listed}


def exposures(app: Client, experiment: str) -> dict[str, str]:
    """The variant of each session."""
    found = read_partition(make_key("APP", app.slug, "EXPERIMENT", experiment), "SESSION#")
    return {to_plain(row["session_id"]): to_plain(row["variant_id"]) for row in found}


def exposed(app: Client, experiment: str) -> dict[str, int]:
    """What results count."""
    found = app.get("/api/experiments/results", experimentId=experiment).json["variants"]
    return {each["variantId"]: each["exposures"] for each in found}


# -- kept and listed ---------------------------------------------------------------------------------------


def test_an_experiment_is_kept_as_it_was_said() -> None:
    app = create_app()
    variants = [
        {"id": "control", "weight": 0, "config": None, "unknown": 1},
        {"id": "warm", "weight": 0.5, "config": {"greeting": "Hello", "deep": [1, {"x": None}]}},
        {"id": "control ", "weight": 3, "config": {}},
    ]
    with time_machine.travel(NOW, tick=False):
        made = create(app, variants)
    assert app.get("/api/experiments").json == {
        "experiments": [
            {
                "_id": made,
                "_creationTime": NOW * 1000,
                "appSlug": app.slug,
                "name": "Greeting",
                "variants": [{"id": "control", "weight": 0}, *variants[1:]],
                "isActive": True,
                "createdAt": NOW * 1000,
            }
        ]
    }


def test_experiments_are_listed_newest_first_and_names_need_not_differ() -> None:
    app = create_app()
    made = [create(app) for _ in range(3)]
    listed = app.get("/api/experiments", all="true").json["experiments"]
    assert [each["_id"] for each in listed] == made[::-1]


def test_a_list_that_no_reply_can_hold_comes_in_pages() -> None:
    app = create_app()
    big = [{"id": str(n), "weight": 1, "config": {"x": '"' * 4_900}} for n in range(20)]
    made = [create(app, big) for _ in range(20)]
    found = list(read_pages(app, "/api/experiments", "experiments"))
    assert len(found) > 1
    assert [each["_id"] for page in found for each in page] == made[::-1]


MISSING = {"error": "Name and at least 2 variants required"}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": None}, MISSING["error"]),
        ({"name": ""}, MISSING["error"]),
        ({"variants": None}, MISSING["error"]),
        ({"variants": "two"}, MISSING["error"]),
        ({"variants": {}}, MISSING["error"]),
        ({"variants": PAIR[:1]}, MISSING["error"]),
        ({"variants": []}, MISSING["error"]),
        ({"variants": [PAIR[0], {"weight": 1}]}, "Invalid field: variants[1].id"),
        ({"variants": [PAIR[0], {"id": "", "weight": 1}]}, "Invalid field: variants[1].id"),
        ({"variants": [PAIR[0], {"id": None, "weight": 1}]}, "Invalid field: variants[1].id"),
        (
            {"variants": [*PAIR, {"id": "warm", "weight": 2}]},
            "Invalid field: variants[2].id (two variants have this id)",
        ),
        (
            {"variants": [PAIR[0], {"id": "x" * 101, "weight": 1}]},
            "Invalid field: variants[1].id (String should have at most 100 characters)",
        ),
        ({"variants": [PAIR[0], {"id": "b"}]}, "Invalid field: variants[1].weight"),
        ({"variants": [PAIR[0], {"id": "b", "weight": -0.1}]}, "Invalid field: variants[1].weight"),
        ({"variants": [PAIR[0], {"id": "b", "weight": "1"}]}, "Invalid field: variants[1].weight"),
        ({"variants": [PAIR[0], {"id": "b", "weight": 1e15}]}, "Invalid field: variants[1].weight"),
        ({"variants": [PAIR[0], {"id": "b", "weight": 1e-101}]}, "Invalid field: variants[1].weight"),
        ({"variants": [PAIR[0], {"id": "b", "weight": True}]}, "Invalid field: variants[1].weight"),
        (
            {"variants": [{"id": "a", "weight": 0}, {"id": "b", "weight": 0.0}]},
            "Invalid field: variants (a weight must be more than 0)",
        ),
        (
            {"variants": [PAIR[0], {"id": "b", "weight": 1, "config": "x"}]},
            "Invalid field: variants[1].config",
        ),
        (
            {"variants": [PAIR[0], {"id": "b", "weight": 1, "config": {"x": "y" * 10_000}}]},
            "Invalid field: variants[1].config (over 10,000 bytes)",
        ),
        (
            {"variants": [{"id": str(n), "weight": 1} for n in range(21)]},
            "Invalid field: variants (over 20 items)",
        ),
    ],
    ids=str,
)
def test_what_is_no_experiment_is_refused(fields: dict[str, Any], error: str) -> None:
    app = create_app()
    reply = app.post("/api/experiments", {"name": "x", "variants": PAIR, **fields})
    assert (reply.status, reply.json["error"]) == (400, error)
    assert app.get("/api/experiments").json == {"experiments": []}


@pytest.mark.parametrize("weight", ["NaN", "Infinity", "1e999"])
def test_a_weight_that_is_not_finite_is_refused(weight: str) -> None:
    app = create_app()
    raw = f'{{"name": "x", "variants": [{{"id": "a", "weight": 1}}, {{"id": "b", "weight": {weight}}}]}}'
    reply = call("POST", "/api/experiments", raw=raw.encode(), headers=app.headers)
    assert reply.status == 400


# -- stopped -----------------------------------------------------------------------------------------------


def switch(app: Client, experiment: str, active: bool) -> Reply:
    return app.patch("/api/experiments", {"experimentId": experiment, "isActive": active})


def test_a_stopped_experiment_assigns_nobody_new_and_who_has_a_variant_keeps_it() -> None:
    app = create_app()
    made = create(app)
    had = assign(app, made)
    for _ in range(2):
        assert switch(app, made, False).json == {"ok": True}
    assert app.get("/api/experiments").json["experiments"][0]["isActive"] is False
    assert ask(app, made).json == {"variantId": had, "alreadyAssigned": True}
    refused = ask(app, made, "new")
    assert (refused.status, refused.json) == (404, NOT_FOUND)
    switch(app, made, True)
    assert ask(app, made, "new").json["alreadyAssigned"] is False
    assert len(exposures(app, made)) == 2


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"experimentId": ""}, 400, "experimentId and isActive required"),
        ({"isActive": None}, 400, "experimentId and isActive required"),
        ({"isActive": "false"}, 400, "Invalid field: isActive"),
        ({"experimentId": "unknown"}, 404, "Experiment not found"),
        ({"experimentId": "x" * 1000}, 404, "Experiment not found"),
    ],
    ids=str,
)
def test_only_what_there_is_can_be_switched(fields: dict[str, Any], status: int, error: str) -> None:
    app = create_app()
    body = {"experimentId": create(app), "isActive": False, **fields}
    reply = app.patch("/api/experiments", body)
    assert (reply.status, reply.json["error"]) == (status, error)
    assert app.get("/api/experiments").json["experiments"][0]["isActive"] is True


def test_a_browser_may_be_kept_from_beginning_and_stopping_but_is_assigned() -> None:
    app = create_app(browser_scope="runtime")
    made = create(app)
    headers = {"authorization": f"Bearer {app.open_session()}"}
    body = {"name": "x", "variants": PAIR, "experimentId": made, "isActive": False, "sessionId": "s"}
    for method in ("POST", "PATCH"):
        assert call(method, "/api/experiments", body=body, headers=headers).status == 401
    assert call("POST", "/api/experiments/assign", body=body, headers=headers).status == 200


# -- assigned ----------------------------------------------------------------------------------------------


def test_a_session_has_one_variant_and_is_told_whether_it_had_it() -> None:
    app = create_app()
    made = create(app, [*PAIR, {"id": "off", "weight": 0, "config": {"x": 1}}])
    first = ask(app, made)
    assert first.json == {
        "variantId": draw_variant(made, "s", [("control", 1), ("warm", 1), ("off", 0)]),
        "alreadyAssigned": False,
    }
    for _ in range(2):
        assert ask(app, made).json == first.json | {"alreadyAssigned": True}
    assert exposures(app, made) == {"s": first.json["variantId"]}
    assert sum(exposed(app, made).values()) == 1


@pytest.mark.parametrize("field", ["experimentId", "sessionId"])
@pytest.mark.parametrize("absent", ["", None])
def test_an_assignment_names_both(field: str, absent: str | None) -> None:
    body = {"experimentId": "e", "sessionId": "s", field: absent}
    reply = call("POST", "/api/experiments/assign", body=body)
    assert (reply.status, reply.json["error"]) == (400, "experimentId and sessionId required")


def test_another_apps_experiment_is_none_and_leaves_no_trace() -> None:
    """Contract, section 7, row 7."""
    mine, theirs = create_app(), create_app()
    made = create(theirs)
    assign(theirs, made)
    before = read_rows(theirs.slug, "s")
    reply = ask(mine, made)
    assert (reply.status, reply.json) == (404, NOT_FOUND)
    assert switch(mine, made, False).status == 404
    assert mine.get("/api/experiments/results", experimentId=made).status == 404
    assert read_rows(theirs.slug, "s") == before
    assert [row["kind"] for row in read_rows(mine.slug, "s")] == ["app", "credential"]
    assert not list(read_partition(make_key("APP", mine.slug, "EXPERIMENT", made)))


def test_the_same_session_of_two_apps_is_two() -> None:
    one, other = create_app(), create_app()
    for app in (one, other):
        assert ask(app, create(app)).json["alreadyAssigned"] is False


@pytest.mark.usefixtures("strict")
def test_200_who_ask_at_once_for_one_session_get_one_variant_and_one_was_first() -> None:
    """Contract, section 7, row 24."""
    app = create_app()
    made = create(app, [{"id": str(n), "weight": 1} for n in range(20)])
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: ask(app, made), range(200)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.json["variantId"] for reply in replies}) == 1
    assert [reply.json["alreadyAssigned"] for reply in replies].count(False) == 1
    assert len(exposures(app, made)) == sum(exposed(app, made).values()) == 1


@pytest.mark.usefixtures("strict")
def test_whoever_comes_second_answers_what_was_stored_first() -> None:
    """Also where it is another variant than the hash draws."""
    app = create_app()
    made = create(app)
    other = {"control": "warm", "warm": "control"}[draw_variant(made, "s", [("control", 1), ("warm", 1)])]

    def overtake(_: int) -> None:
        row = ExposureRow.of(app.slug, made, "s")
        row.variant_id = other
        assert row.insert()

    with act_before_call("TransactWriteItems", overtake, at=(1,)):
        assert ask(app, made).json == {"variantId": other, "alreadyAssigned": True}


@pytest.mark.usefixtures("strict")
def test_assigned_sessions_fit_the_weights() -> None:
    """20,000 of them in tests/unit/experiments/test_draw.py; this is the whole way, on the engine that does
    not copy its table for each transaction.
    """
    from scipy.stats import chisquare

    app = create_app()
    made = create(app, [{"id": "a", "weight": 1}, {"id": "b", "weight": 3}])
    seen = Counter(assign(app, made, f"s{n}") for n in range(400))
    p = chisquare([seen["a"], seen["b"]], [100, 300]).pvalue
    assert p > 1e-6, "the ids are others each time, so one run in 1,000 may be below 0.001"
    assert exposed(app, made) == seen
    found = app.get("/api/experiments/results", experimentId=made).json
    assert (found["srm"], found["srmPValue"]) == (p < 0.001, pytest.approx(p))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_assignment_that_dies_at_any_call_is_made_once(after: bool) -> None:
    for number in (1, 2, 3):
        app = create_app()
        made = create(app)
        app.get("/api/tools")
        try:
            with cut(number, after=after):
                ask(app, made)
        except Cut:
            pass
        assert assign(app, made) == draw_variant(made, "s", [("control", 1), ("warm", 1)])
        assert len(exposures(app, made)) == sum(exposed(app, made).values()) == 1
        (stored,) = ConversationRow.of(app.slug, "s").find_stored().exposures
        assert stored == [made, assign(app, made)]


@pytest.mark.usefixtures("strict")
def test_an_assignment_whose_answer_is_lost_is_still_the_first() -> None:
    app = create_app()
    made = create(app)
    with lose_answer(2):
        assert ask(app, made).json["alreadyAssigned"] is False


def test_a_session_takes_part_in_twenty_experiments_and_no_more() -> None:
    app = create_app()
    made = [create(app) for _ in range(21)]
    for experiment in made[:20]:
        assign(app, experiment)
    for _ in range(2):
        refused = ask(app, made[20])
        assert (refused.status, refused.json["error"]) == (
            400,
            "A session takes part in at most 20 experiments",
        )
    assert ask(app, made[0]).json["alreadyAssigned"] is True
    save(app, status="resolved")
    assert len(ConversationRow.of(app.slug, "s").find_stored().exposures) == 20


# -- the conversation --------------------------------------------------------------------------------------


def test_a_conversation_carries_the_variant_of_its_session() -> None:
    app = create_app()
    made = create(app)
    save(app)
    assert "experimentVariant" not in conversations(app)["s"]
    variant = assign(app, made)
    assert conversations(app)["s"]["experimentVariant"] == variant
    save(app, status="resolved", messages=[])
    assert conversations(app)["s"]["experimentVariant"] == variant


def test_of_several_experiments_it_carries_the_variant_that_was_assigned_last() -> None:
    app = create_app()
    first = create(app, [{"id": "a", "weight": 1}, {"id": "b", "weight": 0}])
    last = create(app, [{"id": "c", "weight": 1}, {"id": "d", "weight": 0}])
    save(app)
    for experiment in (first, last, first):
        assign(app, experiment)
    assert conversations(app)["s"]["experimentVariant"] == "c"


def hand_over(app: Client) -> None:
    body = {"sessionId": "s", "reason": "asked", "transcript": [{"role": "user", "content": "?", "ts": 1}]}
    assert app.post("/api/handoffs", body).status == 200


BEGINNINGS: dict[str, tuple[Callable[[Client], None], str]] = {
    "saved": (save, "active"),
    "saved active": (lambda app: save(app, status="active", messages=[]), "active"),
    "saved resolved": (lambda app: save(app, status="resolved"), "resolved"),
    "saved abandoned": (lambda app: save(app, status="abandoned"), "abandoned"),
    "saved handed off": (lambda app: save(app, status="handed_off"), "handed_off"),
    "handed over": (hand_over, "handed_off"),
}


@pytest.mark.parametrize("told", [False, True], ids=["", "told of its end"])
@pytest.mark.parametrize(("begin", "status"), BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_a_conversation_that_begins_after_its_session_was_assigned_begins_as_any_other(
    begin: Callable[[Client], None], status: str, told: bool
) -> None:
    events: dict[str, Any] = {"webhook_events": ["conversation.ended"], "handoff_webhook_url": HOOK}
    with time_machine.travel(NOW, tick=False):
        plainly, app = create_app(**(events if told else {})), create_app(**(events if told else {}))
        variant = assign(app, create(app))
        for each in (plainly, app):
            begin(each)
    expected = conversations(plainly)["s"]
    found = conversations(app)["s"]
    assert found == expected | {"_id": found["_id"], "appSlug": app.slug, "experimentVariant": variant}
    assert found["status"] == status
    assert app.get("/api/conversations", status=status).json["conversations"] == [found]
    announced = [list(read_partition(make_key("APP", each.slug, "DELIVERY"))) for each in (plainly, app)]
    assert len(announced[0]) == len(announced[1])


def test_before_it_begins_nothing_shows_a_conversation() -> None:
    app = create_app(mute_agent_after_handoff=True)
    registry.put_tool(app.slug, "a-tool", description="", parameters_schema="{}")
    assign(app, create(app))
    assert app.get("/api/conversations").json == {"conversations": []}
    for status in ("active", "resolved", "abandoned", "handed_off"):
        assert app.get("/api/conversations", status=status).json == {"conversations": []}
    message = {"sessionId": "s", "participantIdentity": "a", "role": "agent", "content": "Hello"}
    app.post("/api/messages", {"messages": [message | {"isFinal": True, "createdAt": 1}]})
    assert "muted" not in app.get("/api/messages", sessionId="s").json["messages"][0]
    assert app.post("/api/tools/execute", {"sessionId": "s", "toolName": "a-tool"}).status == 200
    for command in ("dump", "stats", "backfill", "resolve-stale"):
        more = ["--older-than", "0s"] if command == "resolve-stale" else []
        result = run("conversations", command, "--app", app.slug, *more, "--json")
        assert result.exit_code == 0, result.output
        assert '"s"' not in result.output
    assert ConversationRow.of(app.slug, "s").find_stored().status is None


def test_a_save_costs_what_it_cost_unless_it_ends_a_conversation_in_an_experiment() -> None:
    app = create_app()
    made = create(app)
    assign(app, made, "in")
    for session in ("in", "out"):
        with record_calls() as calls:
            for _ in range(3):
                save(app, session, status="active", messages=[])
            save(app, session)
        assert calls.operations == ["UpdateItem"] * 4
    for status in ("resolved", "abandoned", "resolved", "handed_off"):
        with record_calls() as calls:
            save(app, "out", status=status, messages=[])
        assert calls.operations == ["UpdateItem"]
        with record_calls() as calls:
            save(app, "in", status=status, messages=[])
        assert calls.operations == ["UpdateItem", "TransactWriteItems"]
