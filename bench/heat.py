"""What one 5-minute conversation asks of each partition key, and how many calls of one app that key stands.

A partition of DynamoDB, of the table or of an index, takes 1,000 write and 3,000 read units a second, however
many the table takes. So a key that the calls of an app share limits how many there may be at once. Which keys
those are is seen: several conversations have used them. Units are averages of these conversations; how many
calls a key stands supposes that they are spread evenly over time.

`bench.heat_watch` says how units are attributed; every call is held against what the engine reports of the
table and of each index. Warm: another conversation went before. Alone: what a process reads once in 30 s,
which conversations of one app share, is counted in full.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from genai_voice.seeding.service import seed_demos
from genai_voice.tools.executions import PAGE

from bench.consumed import Consumed, check_engine, count_consumption
from bench.conversation import Conversation
from bench.engine import serve_fresh_table
from bench.heat_watch import Heat, Place, watch_heat
from bench.playing import play
from bench.report import Figure, Findings, Sheet
from bench.workload import APP, ENVIRONMENT
from tests.support.service import create_app

TITLE = "Units of each partition key in one 5-minute conversation"
_SECRET = "the secret of the demo apps"  # noqa: S105 - of a table that is gone afterwards
_STARTED_MS = 1_760_000_000_000
_CONVERSATIONS = 8
_LENGTH_S = 300
_WRITES_A_SECOND, _READS_A_SECOND = 1000, 3000
MOST_WRITTEN = 3
"""Units that one conversation may write to a key that others use."""
_COLUMNS = ("key", "of", "write", "read", "calls at 1,000 write", "calls at 3,000 read")
_SHARD = re.compile(r"#SHARD#\d+#")


def measure() -> Findings:
    with serve_fresh_table():
        check_engine(ENVIRONMENT["TABLE_NAME"])
        _, *heats = [_play(f"session-{_STARTED_MS + n}-0a1b2c3d4e") for n in range(_CONVERSATIONS + 1)]
        page = _read_page()
    written = measure_shared([heat.written for heat in heats])
    read = measure_shared([heat.read for heat in heats])
    hottest = max(written, key=lambda place: written[place])
    return [
        Figure("write units", sum(heats[-1].written.values()), "units"),
        Figure("read units", sum(heats[-1].read.values()), "units"),
        Figure(
            f"most written of what calls share: {hottest.key} of {hottest.of}",
            written[hottest],
            "units",
            at_most=MOST_WRITTEN,
            binding=True,
        ),
        Figure("  calls that saturate it", _count_calls(_WRITES_A_SECOND, written[hottest]), "calls"),
        Figure(f"a page of {PAGE} executions, which are spread", len(page.calls), "calls"),
        Figure("  read units", page.read, "units"),
        Sheet("Keys that the calls of an app share", _COLUMNS, list(_make_rows(written, read))),
    ]


def measure_shared(heats: Sequence[Mapping[Place, float]]) -> dict[Place, float]:
    """Average the units of each key that more than one conversation has used. The parts of a spread list are
    one key, which has the average of them.
    """
    total = defaultdict[Place, float](float)
    used, parts = defaultdict[Place, set[int]](set), defaultdict[Place, set[str]](set)
    for conversation, heat in enumerate(heats):
        for place, units in heat.items():
            whole = Place(place.of, _SHARD.sub("#SHARD#*#", place.key))
            total[whole] += units
            used[whole].add(conversation)
            parts[whole].add(place.key)
    return {place: total[place] / len(heats) / len(parts[place]) for place in total if len(used[place]) > 1}


def _play(session: str) -> Heat:
    list(seed_demos(_SECRET))  # the calendar is as it was
    with watch_heat(is_engine_checked=True) as heat:
        for step in play(Conversation(APP, _SECRET, session, _STARTED_MS)):
            step.send()
    return heat


def _read_page() -> Consumed:
    """A full page of executions, of which as many are left."""
    app = create_app("app-with-executions")
    for number in range(2 * PAGE):
        facts = {"sessionId": "s", "toolName": "lookup_appointment", "status": "success", "durationMs": 3}
        texts = {"parameters": '{"patientName": "Maria Garcia"}', "result": '{"appointments": []}'}
        app.post("/api/tools/log", {**facts, **texts, "executedAt": _STARTED_MS + number})
    with count_consumption() as found:
        shown = app.get("/api/tools/executions").json["executions"]
    if len(shown) != PAGE:
        raise AssertionError(f"a page has {len(shown)} executions")
    return found


def _make_rows(written: dict[Place, float], read: dict[Place, float]) -> Iterator[tuple[str | float, ...]]:
    """The hottest first."""
    for place in sorted({*written, *read}, key=lambda each: (-written.get(each, 0), -read.get(each, 0))):
        units = written.get(place, 0.0), read.get(place, 0.0)
        yield (
            *(place.key, place.of, *units),
            _count_calls(_WRITES_A_SECOND, units[0]) if units[0] else "",
            _count_calls(_READS_A_SECOND, units[1]) if units[1] else "",
        )


def _count_calls(units_a_second: float, units: float) -> int:
    """Count the calls at once of which each asks so many units in all its time."""
    return int(units_a_second * _LENGTH_S / units)
