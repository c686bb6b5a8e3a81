"""What one 5-minute conversation consumes and costs, where it goes, and what it leaves.

Units of DynamoDB, requests and bytes are counted; what Lambda takes is the time on this machine, with
dynoxide beside it, so that part is an estimate. Warm: another conversation went before.
"""

import io
import json
import time
from collections import defaultdict
from contextlib import redirect_stdout
from dataclasses import dataclass, field

from genai_voice.seeding.service import seed_demos

from bench import stored
from bench.consumed import Consumed, check_engine, count_consumption
from bench.conversation import Conversation
from bench.engine import serve_fresh_table
from bench.playing import Step, play
from bench.prices import (
    AS_OF,
    COMPUTE,
    GATEWAY,
    GATEWAY_LOG_BYTES,
    INVOCATION,
    LOG,
    PLATFORM_LOG_BYTES,
    READ,
    WRITE,
    compute_hour_of_containers,
    count_gb_seconds,
    count_metered_requests,
)
from bench.report import Figure, Findings, Sheet
from bench.workload import APP, ENVIRONMENT

TITLE = f"One 5-minute conversation; dollars per 1,000 of them, list price of us-east-1 on {AS_OF}"
_SECRET = "the secret of the demo apps"  # noqa: S105 - of a table that is gone afterwards
_STARTED_MS = 1_760_000_000_000
_PRICED = 1000  # conversations
_COLUMNS = (
    *("endpoint", "requests", "calls", "read", "write", "to indexes", "DynamoDB $", "Lambda $", "API $"),
    *("logs $", "sum $", "share %"),
)


@dataclass(slots=True)
class _Bill:
    """Of the requests to one endpoint, or of all."""

    requests: int = 0
    consumed: Consumed = field(default_factory=Consumed)
    gb_s: float = 0.0
    metered: int = 0
    log_bytes: int = 0

    def __iadd__(self, other: "_Bill") -> "_Bill":
        self.requests += other.requests
        self.consumed += other.consumed
        self.gb_s += other.gb_s
        self.metered += other.metered
        self.log_bytes += other.log_bytes
        return self

    @property
    def dollars(self) -> dict[str, float]:
        """By service, of so many conversations as are priced."""
        logged = self.log_bytes + (PLATFORM_LOG_BYTES + GATEWAY_LOG_BYTES) * self.requests
        once = {
            "DynamoDB": READ.of(self.consumed.read) + WRITE.of(self.consumed.written),
            "Lambda": INVOCATION.of(self.requests) + COMPUTE.of(self.gb_s),
            "API Gateway": GATEWAY.of(self.metered),
            "CloudWatch logs": LOG.of(logged),
        }
        return {service: _PRICED * dollars for service, dollars in once.items()}

    @property
    def sum(self) -> float:
        return sum(self.dollars.values())


def measure() -> Findings:
    with serve_fresh_table():
        check_engine(ENVIRONMENT["TABLE_NAME"])
        _play(1)
        before = stored.read_stored()
        bills = _play(2)
        left = stored.measure_left(before, stored.read_stored())
        hour = _sum_up(_play(3, minutes=60))
    total = _sum_up(bills)
    return [
        *_make_figures(bills, total),
        Figure("1,000 minutes of a call of 5 minutes", total.sum / 5, "$"),
        Figure("1,000 minutes of a call of 60 minutes", hour.sum / 60, "$"),
        Figure("what 1,000 conversations leave, a month", _PRICED * stored.sum_up(left).dollars_a_month, "$"),
        Figure("two containers and a load balancer, an hour", compute_hour_of_containers(), "$"),
        Figure("  are as dear as the functions of", _count_worth_containers(total), "conversations an hour"),
        Sheet("Where it goes", _COLUMNS, _make_rows(bills, total)),
        Sheet("What it leaves", stored.COLUMNS, list(stored.make_rows(left))),
    ]


def _play(number: int, minutes: int = 5) -> dict[str, _Bill]:
    list(seed_demos(_SECRET))  # the calendar is as it was
    session = f"session-{_STARTED_MS + number}-0a1b2c3d4e"
    bills: dict[str, _Bill] = defaultdict(_Bill)
    for step in play(Conversation(APP, _SECRET, session, _STARTED_MS, minutes)):
        bills[f"{step.request.method} {step.request.path}"] += _make_bill(step)
    return dict(sorted(bills.items(), key=lambda each: -each[1].sum))


def _sum_up(bills: dict[str, _Bill]) -> _Bill:
    total = _Bill()
    for each in bills.values():
        total += each
    return total


def _count_worth_containers(total: _Bill) -> int:
    """Count the conversations an hour whose requests cost as functions what containers cost: what API Gateway
    and Lambda ask; tables and logs stay.
    """
    dollars = (total.dollars["API Gateway"] + total.dollars["Lambda"]) / _PRICED
    return round(compute_hour_of_containers() / dollars)


def _make_bill(step: Step) -> _Bill:
    """Of one request, with the handler alone in the clock."""
    with count_consumption() as consumed, redirect_stdout(io.StringIO()) as log:
        started = time.perf_counter()
        reply = step.send()
        took_ms = (time.perf_counter() - started) * 1000
    sent, answered = len(json.dumps(step.request.body).encode()), len(reply["body"].encode())
    return _Bill(
        requests=1,
        consumed=consumed,
        gb_s=count_gb_seconds(took_ms, step.served_by.memory_mb),
        metered=count_metered_requests(sent, answered),
        log_bytes=len(log.getvalue().encode()),
    )


def _make_figures(bills: dict[str, _Bill], total: _Bill) -> list[Figure]:
    used = total.consumed
    services = [Figure(f"  {service}", dollars, "$") for service, dollars in total.dollars.items()]
    dearest = [
        Figure(f"dearest: {endpoint}, {bill.requests} times", bill.sum, "$")
        for endpoint, bill in list(bills.items())[:3]
    ]
    return [
        Figure("requests", total.requests, "requests"),
        Figure("calls to DynamoDB", len(used.calls), "calls"),
        Figure("read units", used.read, "units"),
        Figure("write units", used.written, "units", at_most=200, binding=True),
        Figure("  of them to indexes", used.indexed, "units"),
        Figure("1,000 conversations", total.sum, "$", at_most=0.42),
        *services,
        Figure("  compute of Lambda, measured on this machine", _PRICED * COMPUTE.of(total.gb_s), "$"),
        *dearest,
    ]


def _make_rows(bills: dict[str, _Bill], total: _Bill) -> list[tuple[str | float, ...]]:
    return [
        (
            *(endpoint, bill.requests, len(bill.consumed.calls)),
            *(bill.consumed.read, bill.consumed.written, bill.consumed.indexed),
            *(round(dollars, 4) for dollars in bill.dollars.values()),
            *(round(bill.sum, 4), round(100 * bill.sum / total.sum, 1)),
        )
        for endpoint, bill in {**bills, "all": total}.items()
    ]
