"""No partition that the calls of an app share is written more than three times a call (`bench heat`)."""

from collections.abc import Iterator

import pytest
from genai_voice.demos import service as demos
from genai_voice.foundation.table import Item
from genai_voice.seeding.service import seed_demos

from bench.conversation import Conversation
from bench.heat import MOST_WRITTEN, measure_shared
from bench.heat_watch import TABLE, Heat, Place, watch_heat
from bench.playing import play
from bench.workload import APP
from tests.support.service import read_rows

SECRET = "the secret of the demo apps"
STARTED_MS = 1_760_000_000_000
SESSIONS = ("session-of-the-first", "session-of-the-second")
LISTS = (f"APP#{APP}#CONVERSATIONS", f"APP#{APP}#CONVERSATIONS#active#", f"APP#{APP}#CONVERSATIONS#resolved#")


@pytest.fixture(scope="module")
def heats(engine: None) -> Iterator[list[Heat]]:
    """Of two calls of one app, with all that the recorded conversation asks for."""
    list(seed_demos(SECRET))
    yield [play_conversation(session) for session in SESSIONS]
    with Item.batch_write() as batch:
        for row in read_rows(APP, *SESSIONS):
            batch.delete(Item(row["pk"], row["sk"]))


def play_conversation(session: str) -> Heat:
    demos.reset_state(APP)  # the calendar is as it was
    with watch_heat() as heat:
        for step in play(Conversation(APP, SECRET, session, STARTED_MS)):
            step.send()
    return heat


def test_no_key_that_calls_share_is_written_more_than_three_times_a_call(heats: list[Heat]) -> None:
    written = measure_shared([heat.written for heat in heats])
    assert {place: units for place, units in written.items() if units > MOST_WRITTEN} == {}
    assert sum(written.values()) > 0


def test_a_call_is_written_to_its_lists_when_it_begins_when_it_says_something_and_when_it_ends(
    heats: list[Heat],
) -> None:
    written = measure_shared([heat.written for heat in heats])
    assert [
        written[Place(index, key)] for index, key in zip(("gsi1", "gsi2", "gsi2"), LISTS, strict=True)
    ] == [3, 3, 1]


def test_most_of_what_a_call_writes_is_in_partitions_of_its_own(heats: list[Heat]) -> None:
    shared = measure_shared([heat.written for heat in heats])
    own = sum(units for place, units in heats[0].written.items() if place not in shared)
    assert own > 3 * sum(shared.values()) > 0
    assert all(place.of in (TABLE, "gsi1", "gsi2", "due") for place in heats[0].written)
