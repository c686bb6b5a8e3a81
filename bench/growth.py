"""Whether an endpoint asks more of DynamoDB when its app has more rows: 10² and 10⁴ of every kind.

Every writing endpoint is called, and each row that this leaves is copied under keys of its own, so that the
kinds of new endpoints are there too. Lists are asked for a page that is full with 10² rows already.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from bench.capacity import ask, send
from bench.consumed import Consumed
from bench.engine import find_client, serve_fresh_table
from bench.report import Figure, Findings, Sheet
from bench.workload import ENVIRONMENT
from tests.support.minimal import read_schema
from tests.support.service import Client, create_app, list_endpoints
from tests.support.valid import make_body, make_query, name_endpoint

TITLE = "10² and 10⁴ rows of every kind in an app"
_SIZES = (100, 10_000)
_FEW = {
    "tool": 100,
    "persona": 100,
    "experiment": 100,
    "rule": 100,
    "rule_stats": 15,
    "qa_scenario": 100,
    "trace_session": 1,
}
"""Kinds of which an app has few, whatever else it has (docs/limits.md); or a trace, of sessions."""
_WHOLE = {"GET /api/messages": 7, "GET /api/traces": 5 + 5 * 5}
"""Answers all there is of one session, up to 5 MB (contract 1.8), or what a page may read of one trace: the
most calls that takes.
"""
_ROUNDING = 1.0  # units: 4 KB steps of the same rows with other ids
_COLUMNS = ("endpoint", "calls", "read", "write", "calls at 10⁴", "read at 10⁴", "write at 10⁴")
Row = dict[str, dict[str, Any]]


def measure() -> Findings:
    with serve_fresh_table():
        few, many = (_ask_everything(_create_filled_app(size)) for size in _SIZES)
    longer = [each for each in few if len(many[each].calls) > _find_allowed_calls(each, few[each])]
    dearer = [
        each
        for each in few
        if each not in _WHOLE and _sum_units(many[each]) > _sum_units(few[each]) + _ROUNDING
    ]
    return [
        Figure(_name_all("endpoints whose calls grow", longer), len(longer), "", at_most=0, binding=True),
        Figure(_name_all("endpoints whose units grow", dearer), len(dearer), "", at_most=0, binding=True),
        Sheet("Calls and units at 10² and at 10⁴ rows", _COLUMNS, _make_rows(few, many)),
    ]


def _name_all(what: str, endpoints: list[str]) -> str:
    return f"{what}: {', '.join(endpoints)}" if endpoints else what


def _find_allowed_calls(endpoint: str, few: Consumed) -> int:
    return _WHOLE.get(endpoint, len(few.calls))


def _sum_units(consumed: Consumed) -> float:
    return consumed.read + consumed.written


def _make_rows(few: dict[str, Consumed], many: dict[str, Consumed]) -> list[tuple[str | float, ...]]:
    return [
        (each, *(part for found in (few, many) for part in _list_facts(found[each]))) for each in sorted(few)
    ]


def _list_facts(consumed: Consumed) -> tuple[float, float, float]:
    return len(consumed.calls), consumed.read, consumed.written


def _ask_everything(app: Client) -> dict[str, Consumed]:
    """What every endpoint consumes."""
    found = {}
    for endpoint in list_endpoints():
        model = endpoint.wants.get("query")
        pages = model is not None and "limit" in read_schema(model).get("properties", {})
        found[name_endpoint(endpoint)] = ask(endpoint, app, **({"limit": "50"} if pages else {}))
    return found


# -- filling -----------------------------------------------------------------------------------------------


def _create_filled_app(size: int) -> Client:
    """An app with so many rows of every kind, and those that its endpoints have left."""
    app = create_app(f"app-{size:05}")
    for endpoint in list_endpoints():
        if endpoint.method in ("POST", "PATCH"):
            send(endpoint, app, make_body(endpoint, app), make_query(endpoint, app))
    kinds: dict[str, Row] = {row["kind"]["S"]: row for row in _read_stored(app)}
    for kind, row in kinds.items():
        _store(make_copies(row, min(size, _FEW.get(kind, size))))
    return app


def _read_stored(app: Client) -> Iterator[Row]:
    """The app's rows, wherever they are: here a scan is the point."""
    asked = {
        "TableName": ENVIRONMENT["TABLE_NAME"],
        "FilterExpression": "begins_with(pk, :app)",
        "ExpressionAttributeValues": {":app": {"S": f"APP#{app.slug}#"}},
    }
    for page in find_client().get_paginator("scan").paginate(**asked):
        yield from page["Items"]


def make_copies(row: Row, count: int) -> Iterator[Row]:
    """The row under other keys: under another sort key in its partition, or in another partition where its
    sort key is constant. None of what an app has once.
    """
    once = not _is_variable(row["sk"]["S"]) and row["pk"]["S"].count("#") == 2
    part = "sk" if _is_variable(row["sk"]["S"]) else "pk"
    for place in range(0 if once else count):
        changed = {part, *({"gsi1sk", "gsi2sk"} & row.keys())}
        yield {**row, **{each: {"S": _make_other_key(row[each]["S"], place)} for each in changed}}


def _is_variable(key: str) -> bool:
    """Whether a key ends with a variable part: those end with their separator."""
    return key.endswith("#")


def _make_other_key(key: str, place: int) -> str:
    return f"{key[:-1]}-{place:05}#" if _is_variable(key) else f"{key}-{place:05}"


def _store(rows: Iterator[Row]) -> None:
    """In transactions, since the engine waits for the disk once for each of them, and once for each item of a
    batch.
    """
    while some := list(islice(rows, 100)):
        puts = [{"Put": {"TableName": ENVIRONMENT["TABLE_NAME"], "Item": row}} for row in some]
        find_client().transact_write_items(TransactItems=puts)
