"""How often a session may act: contract 5.7.1, a sliding window of 60 s."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from genai_voice.tools import registry

from tests.support.service import Client, Reply, create_app, find_client_events, read_rows

NOON = datetime(2026, 4, 7, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time that only tests move."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def act(app: Client, session: str = "s1", tool: str = "no_such_tool") -> Reply:
    return app.post("/api/tools/execute", {"sessionId": session, "toolName": tool})


def statuses(app: Client, times: int, session: str = "s1") -> list[int]:
    return [act(app, session).status for _ in range(times)]


def logged(app: Client) -> int:
    return len(app.get("/api/tools/executions").json["executions"])


def windows(app: Client) -> list[dict[str, Any]]:
    return [row for row in read_rows(app.slug, "s1") if row["kind"] == "rate"]


def test_a_call_over_the_limit_is_refused_and_not_logged(clock: time_machine.Traveller) -> None:
    app = create_app(max_actions_per_turn=2)

    assert statuses(app, 2) == [200, 200]
    refused = act(app)

    assert (refused.status, refused.json) == (429, {"error": "Max actions per turn exceeded"})
    assert logged(app) == 2


def test_a_refused_call_changes_no_state(clock: time_machine.Traveller) -> None:
    app = create_app(max_actions_per_turn=1)
    registry.put_tool(app.slug, "lookup_metric", description="", parameters_schema="{}")
    act(app)
    before = read_rows(app.slug, "s1")

    assert act(app, tool="lookup_metric").status == 429
    assert read_rows(app.slug, "s1") == before


@pytest.mark.parametrize(
    ("tool", "schema"),
    [
        pytest.param("no_such_tool", None, id="unknown tool"),
        pytest.param("open_door", "{}", id="no endpoint"),
        pytest.param("lookup_metric", '{"required": ["metric"]}', id="validation error"),
        pytest.param("lookup_metric", "{}", id="success"),
    ],
)
def test_every_execution_counts_whatever_came_of_it(
    clock: time_machine.Traveller, tool: str, schema: str | None
) -> None:
    app = create_app(max_actions_per_turn=1)
    if schema:
        registry.put_tool(app.slug, tool, description="", parameters_schema=schema)

    assert [act(app, tool=tool).status for _ in range(2)] == [200, 429]


def test_a_malformed_call_does_not_count(clock: time_machine.Traveller) -> None:
    app = create_app(max_actions_per_turn=1)

    assert app.post("/api/tools/execute", {"sessionId": "s1"}).status == 400
    assert act(app).status == 200


def test_the_session_may_act_again_after_a_minute(clock: time_machine.Traveller) -> None:
    app = create_app(max_actions_per_turn=2)
    assert statuses(app, 3) == [200, 200, 429]

    clock.shift(61)

    assert statuses(app, 3) == [200, 200, 429]


def test_the_window_slides(clock: time_machine.Traveller) -> None:
    app = create_app(max_actions_per_turn=2)
    act(app)
    clock.shift(40)
    act(app)

    clock.shift(21)

    assert statuses(app, 2) == [200, 429]


@pytest.mark.parametrize(
    ("seconds", "status"), [pytest.param(59.999, 429, id="within"), pytest.param(60, 200, id="over")]
)
def test_an_action_counts_for_exactly_sixty_seconds(
    clock: time_machine.Traveller, seconds: float, status: int
) -> None:
    app = create_app(max_actions_per_turn=1)
    act(app)

    clock.shift(seconds)

    assert act(app).status == status


def test_a_refused_call_does_not_prolong_the_wait(clock: time_machine.Traveller) -> None:
    app = create_app(max_actions_per_turn=1)
    act(app)
    clock.shift(30)
    assert act(app).status == 429

    clock.shift(31)

    assert act(app).status == 200


def test_each_session_has_its_own_limit() -> None:
    app = create_app(max_actions_per_turn=1)

    assert [act(app, session).status for session in ("s1", "s2", "s1")] == [200, 200, 429]


def test_equal_sessions_of_two_apps_do_not_share_a_limit() -> None:
    one, two = create_app(max_actions_per_turn=1), create_app(max_actions_per_turn=1)

    assert [act(app).status for app in (one, two, one)] == [200, 200, 429]


@pytest.mark.parametrize(
    "fields", [pytest.param({}, id="absent"), pytest.param({"max_actions_per_turn": 0}, id="zero")]
)
def test_without_a_limit_nothing_is_counted(fields: dict[str, Any]) -> None:
    app = create_app(**fields)

    assert statuses(app, 12) == [200] * 12
    assert windows(app) == []


def test_a_window_holds_what_counts_and_expires(clock: time_machine.Traveller) -> None:
    app = create_app(max_actions_per_turn=3)
    statuses(app, 3)
    clock.shift(61)

    act(app)

    [window] = windows(app)
    assert len(window["hits"]) == 1
    over = NOON.timestamp() + 61 + 60
    assert over <= window["expires_at"] <= over + 3600


@pytest.mark.parametrize(
    ("limit", "outer"), [pytest.param(1, 429, id="last place"), pytest.param(2, 200, id="two places")]
)
@pytest.mark.parametrize("warm", [False, True], ids=["first of the session", "later"])
def test_a_call_that_another_overtakes_counts_anew(warm: bool, limit: int, outer: int) -> None:
    app = create_app(max_actions_per_turn=limit + warm)
    if warm:
        act(app)
    inner: list[int] = []

    def overtake(**_: object) -> None:
        find_client_events().unregister("before-call.dynamodb.UpdateItem", overtake)
        inner.append(act(app).status)

    find_client_events().register("before-call.dynamodb.UpdateItem", overtake)

    assert act(app).status == outer
    assert inner == [200]
    assert logged(app) == limit + warm


def test_a_place_whose_answer_was_lost_is_taken_once() -> None:
    app = create_app(max_actions_per_turn=2)
    lost = [0.0]

    def send_again(**_: object) -> float | None:
        return lost.pop() if lost else None  # as after a broken connection: the first try did arrive

    find_client_events().register("needs-retry.dynamodb.UpdateItem", send_again)
    try:
        assert act(app).status == 200
    finally:
        find_client_events().unregister("needs-retry.dynamodb.UpdateItem", send_again)

    assert not lost
    assert len(windows(app)[0]["hits"]) == 1
    assert statuses(app, 2) == [200, 429]


@pytest.mark.usefixtures("strict")
def test_of_twenty_calls_at_the_same_time_exactly_as_many_pass_as_the_limit_says() -> None:
    app = create_app(max_actions_per_turn=5)

    with ThreadPoolExecutor(20) as pool:
        passed = list(pool.map(lambda _: act(app).status, range(20)))

    assert sorted(passed) == [200] * 5 + [429] * 15
    assert logged(app) == 5
