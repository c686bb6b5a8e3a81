"""What every endpoint asks of DynamoDB when it is warm, for the smallest request that succeeds.

The endpoints are those that are declared, the requests are made from their declarations: a new endpoint is
measured without a word here.
"""

from genai_voice.foundation.endpoints import Endpoint

from bench.consumed import Consumed, check_engine, count_consumption
from bench.engine import serve_fresh_table
from bench.report import Figure, Findings, Sheet
from bench.workload import ENVIRONMENT
from tests.support.service import Client, call, create_app, list_endpoints
from tests.support.valid import Fields, make_body, make_query, name_endpoint

TITLE = "DynamoDB of every endpoint"
_COLUMNS = ("endpoint", "calls", "read units", "write units", "of them to indexes", "asked")


def measure() -> Findings:
    with serve_fresh_table():
        check_engine(ENVIRONMENT["TABLE_NAME"])
        found = {name_endpoint(endpoint): _measure_endpoint(endpoint) for endpoint in list_endpoints()}
    most = max(found, key=lambda each: len(found[each].calls))
    dearest = max(found, key=lambda each: found[each].written)
    return [
        Figure("endpoints", len(found), "endpoints"),
        Figure(f"most calls ({most})", len(found[most].calls), "calls"),
        Figure(f"most write units ({dearest})", found[dearest].written, "units"),
        Sheet("Calls and units of the smallest valid request, warm", _COLUMNS, make_rows(found)),
    ]


def make_rows(found: dict[str, Consumed]) -> list[tuple[str | float, ...]]:
    return [
        (endpoint, len(each.calls), each.read, each.written, each.indexed, ", ".join(each.calls))
        for endpoint, each in found.items()
    ]


def _measure_endpoint(endpoint: Endpoint) -> Consumed:
    app = create_app()
    app.post("/api/conversations", {"sessionId": "x", "messages": []})
    return ask(endpoint, app)


def ask(endpoint: Endpoint, app: Client, **query: str) -> Consumed:
    """What a request of a known caller consumes."""
    body, asked = make_body(endpoint, app), make_query(endpoint, app) | query
    app.get("/api/tools")
    with count_consumption() as found:
        send(endpoint, app, body, asked)
    return found


def send(endpoint: Endpoint, app: Client, body: Fields | None, query: dict[str, str]) -> None:
    """Raises AssertionError where the request is refused."""
    headers = {**app.headers, "x-trace-id": "x"}
    reply = call(endpoint.method, endpoint.path, body=body, query=query, headers=headers)
    if reply.status != endpoint.status:
        raise AssertionError(f"{name_endpoint(endpoint)} is answered {reply.status}: {reply.text}")
