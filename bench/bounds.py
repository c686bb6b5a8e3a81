"""What a page of each list costs at most: apps that have as much as they may, and traces as bad as they get.

A page is paid for by what it reads. So each list is filled with rows as large as they may be, which nothing
compresses, and its pages are read one by one.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

from bench.consumed import Consumed, check_engine, count_consumption
from bench.engine import serve_fresh_table
from bench.report import Figure, Findings, Sheet
from bench.workload import ENVIRONMENT
from tests.support.service import Client, create_app

TITLE = "Pages of full lists and of long traces"
_TRACE = {"traceId": "t"}
_MOST_UNITS = 400
_COLUMNS = ("list", "pages", "items", "most read units", "most calls")
_Fill = Callable[[Client], None]


def measure() -> Findings:
    with serve_fresh_table():
        check_engine(ENVIRONMENT["TABLE_NAME"])
        lists = [_measure_list(name, path, items, fill) for name, path, items, fill in LISTS]
        traces = [_measure_list(name, "/api/traces", "timeline", fill, **_TRACE) for name, fill in TRACES]
    most = max(float(row[3]) for row in traces)
    return [
        Figure("a page of a trace", most, "read units", at_most=_MOST_UNITS, binding=True),
        Sheet("A page of a trace", _COLUMNS, traces),
        Sheet("A page of a full list", _COLUMNS, lists),
    ]


def _measure_list(name: str, path: str, items: str, fill: _Fill, **query: str) -> tuple[str | float, ...]:
    app = create_app()
    fill(app)
    pages = list(_read_pages(app, path, items, query))
    return (
        name,
        len(pages),
        sum(shown for shown, _ in pages),
        max(consumed.read for _, consumed in pages),
        max(len(consumed.calls) for _, consumed in pages),
    )


def _read_pages(app: Client, path: str, items: str, query: dict[str, str]) -> Iterator[tuple[int, Consumed]]:
    """Read a list to its end. Answers of each page how many items it has and what it consumed."""
    while True:
        with count_consumption() as consumed:
            page = app.get(path, **query).json
        yield len(page[items]), consumed
        if "cursor" not in page:
            return
        query = {**query, "cursor": page["cursor"]}


def _make_text(size: int, seed: int = 0) -> str:
    """Make a text that compression makes half as large at best."""
    return random.Random(seed).randbytes(size // 2).hex()  # noqa: S311 - any text


def _send(app: Client, path: str, body: Any) -> None:
    reply = app.post(path, body, **{"x-trace-id": "t"})
    if reply.status != 200:
        raise AssertionError(f"{path} is answered {reply.status}: {reply.text}")


# -- traces ------------------------------------------------------------------------------------------------


def _fill_with_events(app: Client) -> None:
    """Batches that fill a row each."""
    for number in range(60):
        events = [
            {"eventType": "e", "ts": number * 10 + each, "data": _make_text(240_000, number * 3 + each)}
            for each in range(3)
        ]
        _send(app, "/api/events", {"sessionId": "s", "events": events})


def _fill_with_overlapping_events(app: Client) -> None:
    """The same, and each batch goes on until the end."""
    for number in range(60):
        events = [
            {"eventType": "e", "ts": number + each * 1_000, "data": _make_text(240_000, number * 3 + each)}
            for each in range(3)
        ]
        _send(app, "/api/events", {"sessionId": "s", "events": events})


def _fill_with_messages(app: Client) -> None:
    for start in range(0, 5_000, 500):
        messages = [_make_message(number, "x" * 40) for number in range(start, start + 500)]
        _send(app, "/api/messages", {"messages": messages})


def _fill_with_long_messages(app: Client) -> None:
    for start in range(0, 1_000, 50):
        messages = [_make_message(number, _make_text(10_000, number)) for number in range(start, start + 50)]
        _send(app, "/api/messages", {"messages": messages})


def _make_message(number: int, content: str) -> dict[str, Any]:
    said = {"sessionId": "s", "participantIdentity": "user", "role": "user", "isFinal": True}
    return {**said, "content": content, "createdAt": number}


def _fill_with_executions(app: Client) -> None:
    for number in range(100):
        text = _make_text(130_000, number)
        body = {"sessionId": "s", "toolName": "t", "status": "success", "executedAt": number, "traceId": "t"}
        _send(app, "/api/tools/log", {**body, "parameters": text, "result": text[::-1]})


def _fill_with_sessions(app: Client) -> None:
    """Three messages and a batch of events for each."""
    for start in range(0, 900, 300):
        sent = (_make_message(number, "x" * 40) for number in range(start, start + 300))
        messages = [each | {"sessionId": f"s{number}"} for number, each in enumerate(sent)]
        _send(app, "/api/messages", {"messages": messages})
    for number in range(300):
        events = [{"eventType": "e", "ts": number}]
        _send(app, "/api/events", {"sessionId": f"s{number}", "events": events})


def _fill_with_large_sessions(app: Client) -> None:
    for number in range(90):
        events = [{"eventType": "e", "ts": number, "data": _make_text(240_000, number)}]
        _send(app, "/api/events", {"sessionId": f"s{number % 30}", "events": events * 3})


def _fill_with_all(app: Client) -> None:
    for fill in (_fill_with_events, _fill_with_long_messages, _fill_with_executions):
        fill(app)


TRACES: tuple[tuple[str, _Fill], ...] = (
    ("180 events of 240 KB", _fill_with_events),
    ("180 events of 240 KB that overlap", _fill_with_overlapping_events),
    ("5,000 messages of 40 bytes", _fill_with_messages),
    ("1,000 messages of 10 KB", _fill_with_long_messages),
    ("100 executions of 260 KB", _fill_with_executions),
    ("all large ones", _fill_with_all),
    ("300 sessions", _fill_with_sessions),
    ("30 sessions with events of 240 KB", _fill_with_large_sessions),
)


# -- lists -------------------------------------------------------------------------------------------------


def _fill_with_tools(app: Client) -> None:
    schema = '{"x": "' + _make_text(5_000) + '"}'
    for number in range(200):
        _send(
            app,
            "/api/tools",
            {
                "name": f"t{number}",
                "description": "x",
                "parametersSchema": schema,
                "endpoint": "https://93.184.216.34/",
            },
        )


def _fill_with_personas(app: Client) -> None:
    for number in range(200):
        _send(app, "/api/personas", {"name": f"p{number}", "systemPrompt": _make_text(100_000, number)})


def _fill_with_scenarios(app: Client) -> None:
    for number in range(300):
        turns = [{"role": "user", "content": _make_text(49_000, number)}]
        _send(app, "/api/qa/scenarios", {"name": f"s{number}", "turns": turns})


def _fill_with_experiments(app: Client) -> None:
    for number in range(200):
        variants = [
            {"id": f"v{each}", "weight": 1, "config": {"x": _make_text(9_900, number * 20 + each)}}
            for each in range(20)
        ]
        _send(app, "/api/experiments", {"name": f"e{number}", "variants": variants})


LISTS: tuple[tuple[str, str, str, _Fill], ...] = (
    ("200 tools of 5 KB", "/api/tools", "tools", _fill_with_tools),
    ("200 personas of 100 KB", "/api/personas", "personas", _fill_with_personas),
    ("300 scenarios of 50 KB", "/api/qa/scenarios", "scenarios", _fill_with_scenarios),
    ("200 experiments of 200 KB", "/api/experiments", "experiments", _fill_with_experiments),
)
