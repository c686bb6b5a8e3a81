"""What the saves of a call ask of DynamoDB and of the processor as the call goes on: of 5 minutes and of 60.

A call saves its transcript every 5 s, whole: that must cost what was added, not what was said before. Units
are counted (`bench.consumed`), those of refused saves too. The processor's time is that of this process, in
which the engine has no part: saves of the first and of the last minute take turns, in sessions of their own.
"""

import gc
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from statistics import fmean, median
from time import process_time

from genai_voice.conversations.rows import ConversationRow

from bench.consumed import Consumed, check_engine, count_consumption
from bench.conversation import Conversation, Json
from bench.engine import read_partition, read_row, serve_fresh_table
from bench.images import Row, count_bytes
from bench.playing import Step, play
from bench.report import Figure, Findings, Sheet
from bench.workload import APP, ENVIRONMENT, make_events, make_messages
from tests.support.service import Client, create_app

TITLE = "The saves of a call of 5 and of 60 minutes, one every 5 s"
_STARTED_MS = 1_760_000_000_000
_SHORT, _LONG = 5, 60
_ROUNDS = 40
_numbers = count()


@dataclass(slots=True)
class _Call:
    """The saves of a call, and the rows that they left."""

    minutes: int
    saves: list[Consumed] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    """The row of the conversation after each save."""
    beside: list[Row] = field(default_factory=list)
    """What lies beside it at the end."""

    @property
    def units(self) -> float:
        return sum(save.written for save in self.saves)

    @property
    def refused(self) -> list[Consumed]:
        return [save for save in self.saves if save.refused]


def measure() -> Findings:
    with serve_fresh_table():
        check_engine(ENVIRONMENT["TABLE_NAME"])
        app = create_app(APP)
        short, long = (_play(app, minutes) for minutes in (_SHORT, _LONG))
        calls = list(_measure_calls(app))
        first_ms, last_ms = _measure_processor(app)
    growth = long.units / long.minutes / (short.units / short.minutes)
    saves, refused = len(long.saves), long.refused
    return [
        Figure(f"saves of {_LONG} minutes", long.units, "units", at_most=1150, binding=True),
        Figure("  of them to indexes", sum(save.indexed for save in long.saves), "units"),
        Figure("  of them refused", sum(sum(save.refused) for save in refused), "units"),
        Figure(f"saves of {_SHORT} minutes", short.units, "units"),
        Figure(f"a minute of {_LONG} / of {_SHORT}", growth, "×", at_most=1.1, binding=True),
        Figure(f"saves in {_LONG} minutes", saves, "saves"),
        Figure("  that took one call", sum(len(save.calls) == 1 for save in long.saves), "saves"),
        Figure("  that were refused first", len(refused), "saves", at_most=saves / 16, binding=True),
        Figure("most calls of a save", max(len(save.calls) for save in long.saves), "calls"),
        *calls,
        Figure("processor of a save, minute 60 / minute 1", last_ms / first_ms, "×", at_most=1.6),
        Figure("  in minute 1", first_ms, "ms"),
        Figure("  in minute 60", last_ms, "ms"),
        Sheet("Saves by their units", ("units", *_name_calls()), list(_count_by_units(short, long))),
        Sheet(
            "The row of the conversation after a save, bytes",
            ("attribute", *(f"{each}, mean" for each in _name_calls()), "most"),
            list(_list_attributes(short, long)),
        ),
        Sheet(
            f"What the saves of {_LONG} minutes leave",
            ("kind", "items", "bytes", "mean", "most"),
            list(_list_kinds(long)),
        ),
    ]


def _name_calls() -> tuple[str, str]:
    return f"{_SHORT} minutes", f"{_LONG} minutes"


# -- units -------------------------------------------------------------------------------------------------


def _play(app: Client, minutes: int) -> _Call:
    found = _Call(minutes)
    conversation = _start(app, minutes)
    row = ConversationRow.of(app.slug, conversation.session)
    key = {"pk": {"S": row.pk}, "sk": {"S": row.sk}}
    for step in _list_saves(conversation):
        app.get("/api/tools")  # who calls is known
        with count_consumption() as consumed:
            step.send()
        found.saves.append(consumed)
        found.rows.append(read_row(key) or {})
    found.beside = [row for row in read_partition(key["pk"]["S"]) if row["sk"] != key["sk"]]
    return found


def _start(app: Client, minutes: int) -> Conversation:
    session = f"session-{_STARTED_MS + next(_numbers)}-0a1b2c3d4e"
    return Conversation(app.slug, app.secret, session, _STARTED_MS, minutes)


def _list_saves(conversation: Conversation) -> Iterator[Step]:
    return (step for step in play(conversation) if step.request.path == "/api/conversations")


def _count_by_units(short: _Call, long: _Call) -> Iterator[tuple[str | float, ...]]:
    counted = [Counter(save.written for save in each.saves) for each in (short, long)]
    for units in sorted(counted[0] | counted[1]):
        yield f"{units:g}", *(each[units] for each in counted)


def _list_attributes(short: _Call, long: _Call) -> Iterator[tuple[str | float, ...]]:
    """The largest first, after all of them together."""
    sizes = [_measure_attributes(call) for call in (short, long)]
    for name in sorted(sizes[1], key=lambda each: -max(sizes[1][each])):
        yield name, *(round(fmean(each[name])) for each in sizes), max(sizes[1][name])


def _measure_attributes(call: _Call) -> dict[str, list[int]]:
    """The bytes that each attribute has after each save, and all of them together."""
    names = {name for row in call.rows for name in row}
    alone = {
        name: [count_bytes({name: row[name]}) if name in row else 0 for row in call.rows] for name in names
    }
    return {"all": [count_bytes(row) for row in call.rows], **alone}


def _list_kinds(call: _Call) -> Iterator[tuple[str | float, ...]]:
    sizes = defaultdict[str, list[int]](list)
    for row in call.beside:
        sizes[row["kind"]["S"]].append(count_bytes(row))
    for kind, each in sizes.items():
        yield kind, len(each), sum(each), round(fmean(each)), max(each)


def _measure_calls(app: Client) -> Iterator[Figure]:
    """The calls for a batch of each kind: the first of a trace, and one more."""
    for path, body, what in (
        ("/api/messages", make_messages(25), "25 messages"),
        ("/api/events", make_events(25), "a batch of events"),
    ):
        app.get("/api/tools")
        first, later = (_count_calls(app, path, body) for _ in range(2))
        yield Figure(f"calls for {what}", later, "calls", at_most=1, binding=True)
        yield Figure("  the first of a trace", first, "calls", at_most=2, binding=True)


def _count_calls(app: Client, path: str, body: Json) -> int:
    with count_consumption() as consumed:
        reply = app.post(path, body, **{"x-trace-id": f"trace-of-{path}"})
    if reply.status != 200:
        raise AssertionError(f"{path} is answered {reply}")
    return len(consumed.calls)


# -- the processor -----------------------------------------------------------------------------------------


def _measure_processor(app: Client) -> tuple[float, float]:
    """Milliseconds of a save in the first minute of a call and in the last one: the medians."""
    rounds = [[_measure_minute(app, minute) for minute in (1, _LONG)] for _ in range(_ROUNDS)]
    first, last = (median(took) for took in zip(*rounds, strict=True))
    return first, last


def _measure_minute(app: Client, minute: int) -> float:
    """The median of the saves of this minute of a call. One goes before, which brings all that was said until
    then.
    """
    until_s = 60 * minute
    before, *saves = [
        step for step in _list_saves(_start(app, minute)) if until_s - 60 <= step.request.at_s < until_s
    ]
    before.send()
    gc.collect()
    gc.freeze()  # what the measurement holds is no work of a save
    try:
        return 1000 * median(_measure_save(step) for step in saves)
    finally:
        gc.unfreeze()


def _measure_save(step: Step) -> float:
    started = process_time()
    step.send()
    return process_time() - started
