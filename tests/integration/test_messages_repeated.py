"""A message that is sent again, in whatever form and however late, loses nothing (amendment 3)."""

import random
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import Any

import pytest
from genai_voice.conversations import operations
from genai_voice.conversations.listing import find_last_answer
from genai_voice.conversations.message_rows import MessageRow
from genai_voice.conversations.rows import make_session_pk
from genai_voice.foundation.keys import digest, make_key, make_time_key

from tests.integration.test_messages import message, paged, read, send
from tests.support.service import Client, create_app, read_rows, record_calls
from tests.support.wire import Cut, cut

FINAL = message("Ja, genau.", language="de", roomName="room")
INTERIM = message("Ja, genau.", isFinal=False)


def store_as_before(app: Client, **fields: Any) -> MessageRow:
    """A row as it was stored before roles were in keys and copies had rows of their own."""
    said = message(**fields)
    row = MessageRow(
        session_id=said["sessionId"],
        participant_identity=said["participantIdentity"],
        role=said["role"],
        content=said["content"],
        created_at=said["createdAt"],
        is_final=said["isFinal"],
        language=said.get("language"),
    )
    identity = digest(app.slug, row.session_id, row.participant_identity, row.content)
    row.pk = make_session_pk(app.slug, row.session_id)
    row.sk = make_key("MESSAGE", make_time_key(said["createdAt"], identity))
    row.save()
    return row


COPIES: tuple[tuple[dict[str, Any], dict[str, str]], ...] = (
    (FINAL, {"x-trace-id": "t1"}),
    (INTERIM, {}),
    (message("Ja, genau."), {}),
    (INTERIM, {"x-trace-id": "t1"}),
)


@pytest.mark.parametrize("order", list(permutations(range(len(COPIES)))), ids=str)
def test_a_message_is_all_that_any_copy_of_it_said(order: tuple[int, ...]) -> None:
    app = create_app()
    for number in order:
        sent, headers = COPIES[number]
        send(app, sent, **headers)
    (stored,) = read(app)
    assert stored["isFinal"] is True
    assert (stored["language"], stored["roomName"], stored["traceId"]) == ("de", "room", "t1")


@pytest.mark.parametrize("traces", [("t", ""), ("", "t")], ids=["without", "with"])
def test_a_message_that_is_sent_again_under_no_trace_stays_in_its_trace(traces: tuple[str, str]) -> None:
    app = create_app()
    for trace in traces:
        send(app, FINAL, **{"x-trace-id": trace})
    assert [each["traceId"] for each in read(app)] == ["t"]


def test_copies_in_one_batch_are_one_message() -> None:
    app = create_app()
    send(app, FINAL, INTERIM, FINAL, INTERIM)
    (stored,) = read(app)
    assert (stored["isFinal"], stored["language"]) == (True, "de")


def test_an_equal_copy_is_no_second_row_and_costs_one_call() -> None:
    app = create_app()
    for _ in range(3):
        with record_calls() as calls:
            send(app, FINAL, INTERIM)
        assert calls.operations[-1:] == ["BatchWriteItem"]
    assert sum(row["kind"] == "message" for row in read_rows(app.slug, "s")) == 2


def test_where_copies_differ_the_final_one_is_believed() -> None:
    app = create_app()
    for language in ("en", "fr", "es", "it"):
        send(
            app,
            message(isFinal=False, language=language),
            message(f"{language}!", isFinal=False, language="x"),
        )
    send(app, message(language="de"))
    assert [each["language"] for each in read(app) if each["isFinal"]] == ["de"]


def test_the_id_of_a_message_is_that_of_all_its_copies() -> None:
    app = create_app()
    send(app, INTERIM)
    (before,) = read(app)
    send(app, FINAL, **{"x-trace-id": "t"})
    assert read(app)[0]["_id"] == before["_id"]


def test_the_same_text_by_two_roles_in_one_millisecond_is_two_messages() -> None:
    app = create_app()
    send(app, message("Okay."), message("Okay.", role="agent"))
    stored = read(app)
    assert sorted(each["role"] for each in stored) == ["agent", "user"]
    assert len({each["_id"] for each in stored}) == 2


# -- rows of before ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [{}, {"isFinal": False}, {"language": "de"}], ids=str)
def test_a_message_of_before_that_is_sent_again_is_one(again: dict[str, Any]) -> None:
    app = create_app()
    row = store_as_before(app, content="hello", language="en")
    assert [each["_id"] for each in read(app)] == [row.message_id]
    send(app, message("hello", **again), **{"x-trace-id": "t"})
    (stored,) = read(app)
    assert (stored["_id"], stored["isFinal"], stored["language"]) == (row.message_id, True, "en")
    assert stored["traceId"] == "t"


def test_an_interim_of_before_becomes_final() -> None:
    app = create_app()
    store_as_before(app, content="hello", isFinal=False)
    send(app, message("hello"))
    assert [each["isFinal"] for each in read(app)] == [True]


def test_a_message_of_before_has_its_own_role() -> None:
    app = create_app()
    store_as_before(app, content="Okay.", role="user")
    send(app, message("Okay.", role="agent"))
    assert [each["role"] for each in read(app)] == ["user", "agent"]


# -- readers -----------------------------------------------------------------------------------------------


def send_in_parts(app: Client, count: int, content: str, seed: int = 3) -> None:
    """Messages of which each has one to four rows, some of them of before, at times that are alike."""
    chance = random.Random(seed)  # noqa: S311 - an order that can be had again
    batch: list[dict[str, Any]] = []
    for number in range(count):
        fields: dict[str, Any] = {"content": f"{number}{content}", "createdAt": 1 + number // 4}
        roles = ("user", "agent") if chance.random() < 0.5 else ("user",)
        if chance.random() < 0.5:
            store_as_before(app, **fields, role=chance.choice(roles), isFinal=False)
        for role in roles:
            batch.append(message(**fields, role=role))
            batch += [
                message(**fields, role=role, isFinal=False, language=chance.choice(["de", "en"]))
                for _ in range(chance.randrange(3))
            ]
    chance.shuffle(batch)
    for start in range(0, len(batch), 50):
        send(app, *batch[start : start + 50])


def test_what_follows_each_message_is_the_rest_whatever_rows_it_has() -> None:
    app = create_app()
    send_in_parts(app, 40, "")
    messages = list(MessageRow.list_in_session(app.slug, "s"))
    assert all(each.is_final for each in messages)
    assert len({(each.content, each.role) for each in messages}) == len(messages) > 40
    for number, each in enumerate(messages):
        assert list(MessageRow.list_in_session(app.slug, "s", each.sk)) == messages[number + 1 :]
    newest = list(MessageRow.list_newest_in_session(app.slug, "s", 500))
    assert newest == messages[::-1]
    for limit in (1, 7):
        assert list(MessageRow.list_newest_in_session(app.slug, "s", limit)) == newest[:limit]


def test_a_page_never_ends_inside_a_message() -> None:
    app = create_app()
    send_in_parts(app, 80, "x" * 60_000)
    pages = paged(app)
    assert len(pages) > 1
    found = [each for page in pages for each in page]
    assert len({each["_id"] for each in found}) == len(found) > 80
    assert all(each["isFinal"] for each in found)
    assert found == sorted(found, key=lambda each: (each["createdAt"], each["_id"]))


def test_counts_are_of_messages_and_take_the_calls_that_counting_rows_takes() -> None:
    app = create_app()
    app.post("/api/conversations", {"sessionId": "s"})
    send_in_parts(app, 40, "")
    messages = len(read(app))
    assert messages < sum(row["kind"] == "message" for row in read_rows(app.slug, "s"))
    with record_calls() as calls:
        assert operations.count_messages(make_session_pk(app.slug, "s")) == messages
    assert calls.operations == ["Query"]
    *_, used = operations.sum_usage(app.slug, 0, 10**14)
    assert used.messages == messages


def test_a_backfilled_transcript_has_each_line_once() -> None:
    app = create_app()
    app.post("/api/conversations", {"sessionId": "s"})
    send(app, message("first", 1), message("second", 2, isFinal=False))
    send(app, message("second", 2, language="de"), message("first", 1, isFinal=False))
    send(app, message("first", 1), **{"x-trace-id": "t"})
    send(app, message("never finished", 3, isFinal=False))
    assert [each.messages for each in operations.backfill(app.slug)] == [2]


def answer(content: str, at: float, **fields: Any) -> dict[str, Any]:
    return message(content, at, role="agent", **fields)


def test_the_last_answer_stays_the_last_when_an_interim_copy_comes_late() -> None:
    app = create_app()
    app.post("/api/conversations", {"sessionId": "s"})
    send(app, answer("first", 1), answer("last", 2), message("thanks", 3))
    send(app, answer("last", 2, isFinal=False), answer("cut off", 4, isFinal=False))
    assert find_last_answer(app.slug, "s") == "last"


def test_the_last_answer_is_looked_for_in_100_messages_and_not_in_100_rows() -> None:
    app = create_app()
    app.post("/api/conversations", {"sessionId": "s"})
    send(app, answer("long ago", 1), answer("of the 100", 2))
    for language in ("de", "en", "fr"):
        send(app, *(message(f"{at}", at, language=language) for at in range(3, 102)))
    assert find_last_answer(app.slug, "s") == "of the 100"
    send(app, message("one more", 200))
    assert find_last_answer(app.slug, "s") == ""


# -- several at once, and halfway --------------------------------------------------------------------------


def test_two_writers_of_an_interim_and_a_final_lose_nothing() -> None:
    app = create_app()
    for at in range(20):
        copies = (message("x", at, language="de"), message("x", at, isFinal=False, roomName="room"))
        with ThreadPoolExecutor(2) as writers:
            list(writers.map(lambda copy: send(app, copy), copies))
    stored = read(app)
    assert len(stored) == 20
    assert all(
        (each["isFinal"], each["language"], each["roomName"]) == (True, "de", "room") for each in stored
    )


def test_copies_in_any_order_and_number_become_what_all_of_them_say() -> None:
    chance = random.Random(11)  # noqa: S311 - an order that can be had again
    for trial in range(8):
        app = create_app()
        copies = [
            message(
                f"line {chance.randrange(4)}",
                chance.randrange(2),
                role=chance.choice(["user", "agent"]),
                isFinal=chance.random() < 0.3,
                **({"language": "de"} if chance.random() < 0.3 else {}),
            )
            for _ in range(chance.randrange(2, 30))
        ]
        late = chance.sample(copies, len(copies) // 2)
        for copy in [*copies, *late]:
            send(app, copy)
        assert tell_known(read(app)) == tell_known([*copies, *late]), trial


def tell_known(messages: Iterable[dict[str, Any]]) -> dict[Any, tuple[bool, set[str]]]:
    """What is known of each message, whatever number of times it comes."""
    known: dict[Any, tuple[bool, set[str]]] = {}
    for each in messages:
        key = (each["createdAt"], each["role"], each["content"])
        is_final, languages = known.get(key, (False, set()))
        known[key] = (
            is_final or each["isFinal"],
            languages | ({each["language"]} if "language" in each else set()),
        )
    return known


@pytest.mark.parametrize("place", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_batch_that_was_cut_off_is_completed_by_sending_it_again(place: int, after: bool) -> None:
    app = create_app()
    batch = [message(f"{number}", number) for number in range(60)]
    send(app, message(sessionId="other"))  # its credentials are known from here on
    with cut(place, after=after), pytest.raises(Cut):
        app.post("/api/messages", {"messages": batch}, **{"x-trace-id": "t"})
    send(app, *batch)
    assert [each["content"] for each in read(app)] == [f"{number}" for number in range(60)]
