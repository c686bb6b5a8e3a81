"""A whole request with DynamoDB answered at the wire: what the service adds to pynamodb and botocore.

    handler    the function as it is deployed, its caller known from an earlier request, its log line and
               metrics written to nowhere
    pynamodb   a bare function that makes the same call through pynamodb (`bench.plain`)
    botocore   the same with the request written by hand

Calls, replies and bytes sent are compared first: one that does something else is no measure.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench import plain, wire
from bench.contest import Contestant, find_best, leave_unreported
from bench.report import Figure
from bench.workload import (
    ENVIRONMENT,
    Event,
    Reply,
    load_function,
    log_to_nowhere,
    make_conversation,
    make_events,
    make_messages,
    make_post,
)

TITLE = "A whole request, DynamoDB answered at the wire"
_CALLS = 300


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    """The end of the path."""
    group: str
    """The folder of the function."""
    body: dict[str, Any]
    pynamodb: Callable[[Event], Reply]
    botocore: Callable[[Event], Reply]


_CASES = (
    _Case(
        "messages",
        "conversations_messages",
        make_messages(10),
        plain.save_messages,
        plain.save_messages_by_hand,
    ),
    _Case(
        "conversations",
        "conversations",
        make_conversation(20),
        plain.save_conversation,
        plain.save_conversation_by_hand,
    ),
    _Case("events", "telemetry", make_events(10), plain.insert_events, plain.insert_events_by_hand),
)


def measure() -> list[Figure]:
    wire.answer_everything()
    os.environ.update(ENVIRONMENT)
    with log_to_nowhere():
        return [figure for case in _CASES for figure in _list_figures(case)]


def _list_figures(case: _Case) -> list[Figure]:
    event = make_post(f"/api/{case.name}", case.body)
    ways: dict[str, Callable[[], Reply]] = {
        "handler": partial(load_function(case.group).handler, event, None),
        "pynamodb": partial(case.pynamodb, event),
        "botocore": partial(case.botocore, event),
    }
    _check(case.name, ways)
    contestants = {name: Contestant(way) for name, way in ways.items()}
    took = find_best({**contestants, "unreported": Contestant(ways["handler"], leave_unreported)}, _CALLS)
    ours, through_pynamodb = took["handler"], took["pynamodb"]
    return [
        Figure(f"{case.name}: handler / bare pynamodb", ours / through_pynamodb, "×", at_most=1.2),
        Figure("  without the line of log and metrics", took["unreported"] / through_pynamodb, "×"),
        Figure("  handler / plain botocore", ours / took["botocore"], "×"),
        Figure("  handler", ours, "µs"),
        Figure("  bare pynamodb", through_pynamodb, "µs"),
        Figure("  plain botocore", took["botocore"], "µs"),
    ]


def _check(name: str, ways: dict[str, Callable[[], Reply]]) -> None:
    """All answer the same after the same call; ours and the one through pynamodb send as many bytes."""
    sent: dict[str, tuple[object, str, int]] = {}
    for contestant, way in ways.items():
        way()  # opens the client, and proves the caller
        with wire.record_calls() as calls:
            reply = way()
        [(operation, body)] = calls
        sent[contestant] = (json.loads(reply["body"]), operation, len(body))
    ours, theirs, by_hand = sent["handler"], sent["pynamodb"], sent["botocore"]
    if ours != theirs or ours[:2] != by_hand[:2]:
        raise AssertionError(f"{name}: bench/plain.py does not do what the service does: {sent}")
