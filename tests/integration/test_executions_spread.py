"""The list of executions: spread over partitions, read as one list together with what was stored before."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from genai_voice.tools import executions
from genai_voice.tools.rows import EXECUTION_SHARDS, ExecutionRow

from tests.support.service import Client, create_app, read_pages, record_calls

BEGAN_MS = 1_767_225_600_000


def log(app: Client, number: int, **more: Any) -> None:
    facts = {"sessionId": "s", "toolName": f"tool-{number}", "status": "success", "parameters": "{}"}
    said = {**facts, "result": "{}", "durationMs": 1, "executedAt": BEGAN_MS + number, **more}
    reply = app.post("/api/tools/log", said)
    assert reply.status == 200, reply.text


def read_tools(app: Client) -> list[list[str]]:
    """The tools of the list, page by page."""
    found = read_pages(app, "/api/tools/executions", "executions")
    return [[each["toolName"] for each in page] for page in found]


def list_rows(app: Client) -> Iterator[ExecutionRow]:
    return ExecutionRow.list_newest(app.slug, None, 1_000)


def store_as_before(row: ExecutionRow) -> None:
    """Put a row where all were before they were spread."""
    spread = row.pk
    row.pk = f"{spread.partition('SHARD#')[0]}EXECUTION"
    row.save()
    ExecutionRow(spread, row.sk).delete()


def name_tools(numbers: range) -> list[str]:
    return [f"tool-{number}" for number in numbers]


def test_executions_are_spread_evenly_and_listed_by_time() -> None:
    app = create_app("executions-spread-evenly")
    for number in range(103):
        log(app, number)
    in_partitions = Counter(row.pk for row in list_rows(app))
    assert len(in_partitions) == EXECUTION_SHARDS
    assert max(in_partitions.values()) < 30
    assert read_tools(app) == [name_tools(range(102, 2, -1)), name_tools(range(2, -1, -1))]


def test_a_page_reads_each_partition_as_far_as_it_is_needed() -> None:
    app = create_app("executions-in-all-partitions")  # ids, and so partitions, follow from the slug
    for number in range(200):
        log(app, number)
    app.get("/api/tools")
    with record_calls() as calls:
        assert len(app.get("/api/tools/executions").json["executions"]) == 100
    assert set(calls.operations) == {"Query"}
    assert EXECUTION_SHARDS + 1 <= len(calls.operations) <= EXECUTION_SHARDS + 5


@pytest.mark.parametrize("every", [1, 2], ids=["all", "every second"])
def test_executions_of_before_stand_among_the_others(every: int) -> None:
    app = create_app()
    for number in range(103):
        log(app, number)
    for row in list(list_rows(app))[::every]:
        store_as_before(row)
    assert read_tools(app) == [name_tools(range(102, 2, -1)), name_tools(range(2, -1, -1))]
    assert executions.count_executions(app.slug) == 103
    assert executions.count_executions(app.slug, BEGAN_MS + 3, BEGAN_MS + 50) == 47
    assert sorted(executions.list_executed_tools(app.slug, "s")) == sorted(name_tools(range(103)))


def test_a_log_of_before_that_is_sent_again_is_listed_once() -> None:
    app = create_app()
    for number in range(3):
        log(app, number)
    for row in list(list_rows(app)):
        store_as_before(row)
    log(app, 1)
    assert read_tools(app) == [name_tools(range(2, -1, -1))]


def test_a_named_call_finds_its_execution_of_before() -> None:
    app = create_app()
    named = {"sessionId": "s", "toolName": "unknown", "toolCallId": "call"}
    first = app.post("/api/tools/execute", named)
    (row,) = list_rows(app)
    store_as_before(row)
    assert app.post("/api/tools/execute", named).json == first.json
    assert len(list(list_rows(app))) == 1


def test_executions_of_an_app_are_its_own() -> None:
    app, other = create_app(), create_app()
    for number in range(20):
        log(app, number)
    assert read_tools(other) == [[]]
