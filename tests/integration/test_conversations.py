"""Conversations: saved again and again, their status, transcripts of any length, lists (contract 3.2,
5.1).
"""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest
import time_machine
from genai_voice.conversations.lifecycle import STATUSES, decide_status
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.stored_transcripts import MAX_SHOWN_BYTES
from genai_voice.conversations.transcripts import count_reply_bytes
from pydantic_core import to_json

from tests.support.service import Client, call, create_app, read_pages, record_calls

MEGABYTE = 1024 * 1024


def save(app: Client, session: str = "s", **fields: Any) -> None:
    reply = app.post("/api/conversations", {"sessionId": session, **fields})
    assert (reply.status, reply.json) == (200, {"ok": True}), reply.text


def only(app: Client) -> dict[str, Any]:
    (conversation,) = app.get("/api/conversations").json["conversations"]
    return dict(conversation)


def said(content: str, ts: float = 1) -> dict[str, Any]:
    return {"role": "user", "content": content, "ts": ts}


def incompressible(size: int, seed: int = 1) -> str:
    return random.Random(seed).randbytes(size // 2).hex()[:size]  # noqa: S311 - only has to be incompressible


# -- one conversation --------------------------------------------------------------------------------------


def test_the_first_save_sets_everything() -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False):
        save(
            app,
            messages=[said("hello", 1767225600.5)],
            channel="web",
            resolution="completed",
            agentModes="pipeline,realtime",
        )
        conversation = only(app)
    _id = conversation.pop("_id")
    assert conversation == {
        "_creationTime": 1_800_000_000_000,
        "appSlug": app.slug,
        "sessionId": "s",
        "status": "active",
        "startedAt": 1_800_000_000_000,
        "endedAt": 1_800_000_000_000,
        "messageCount": 1,
        "channel": "web",
        "resolution": "completed",
        "agentModes": "pipeline,realtime",
        "personaVersion": "own@1",
        "transcript": '[{"role":"user","content":"hello","ts":1767225600.5}]',
    }
    assert _id


def test_a_later_save_changes_what_it_sends_and_the_end_but_never_the_start() -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        save(app, startedAt=1_700_000_000_000.5, channel="web", messages=[said("a")])
        first = only(app)
        clock.shift(5)
        save(app, startedAt=5, messages=[said("a"), said("b")])
        second = only(app)
    assert second == first | {
        "endedAt": first["endedAt"] + 5_000,
        "messageCount": 2,
        "transcript": second["transcript"],
    }
    assert [each["content"] for each in json.loads(second["transcript"])] == ["a", "b"]
    assert first["startedAt"] == 1_700_000_000_000.5


@pytest.mark.parametrize("started", [0, None])
def test_no_start_means_now(started: int | None) -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False):
        save(app, startedAt=started)
        assert only(app)["startedAt"] == 1_800_000_000_000


@pytest.mark.parametrize("messages", [None, []], ids=["absent", "empty"])
def test_a_save_without_messages_leaves_the_transcript_as_it_is(messages: Any) -> None:
    app = create_app()
    save(app, messages=[said("kept")])
    save(app, channel="web", messages=messages)
    assert (only(app)["messageCount"], only(app)["channel"]) == (1, "web")
    assert json.loads(only(app)["transcript"]) == [said("kept")]


@pytest.mark.parametrize("messages", [None, []], ids=["absent", "empty"])
def test_a_conversation_without_any_messages_has_no_transcript(messages: Any) -> None:
    app = create_app()
    save(app, messages=messages)
    conversation = only(app)
    assert conversation["messageCount"] == 0
    assert "transcript" not in conversation


def test_an_imported_conversation_says_when_it_ended() -> None:
    app = create_app()
    save(app, startedAt=1_700_000_000_000, endedAt=1_700_000_060_000, status="resolved")
    assert (only(app)["startedAt"], only(app)["endedAt"]) == (1_700_000_000_000, 1_700_000_060_000)


def test_transcript_items_keep_their_three_keys_alone() -> None:
    app = create_app()
    save(app, messages=[said("hi") | {"interrupted": True, "id": 5}])
    assert only(app)["transcript"] == '[{"role":"user","content":"hi","ts":1}]'


def test_the_same_save_twice_is_one_conversation() -> None:
    app = create_app()
    for _ in range(2):
        save(app, messages=[said("hi")])
    assert only(app)["messageCount"] == 1


@pytest.mark.parametrize("status", ["done", "ACTIVE", "handed-off", " "])
def test_an_unknown_status_is_refused(status: str) -> None:
    reply = create_app().post("/api/conversations", {"sessionId": "s", "status": status})
    assert (reply.status, reply.json["error"]) == (400, "Invalid status")


def test_an_empty_status_is_absent() -> None:
    app = create_app()
    save(app, status="resolved")
    save(app, status="")
    assert only(app)["status"] == "resolved"


# -- status ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stored", "requested"), list(product(STATUSES, (None, *STATUSES))), ids=str)
def test_the_status_follows_the_matrix_and_the_rest_is_saved_whatever_it_says(
    stored: str, requested: str | None
) -> None:
    app = create_app()
    save(app, status=stored, messages=[said("before")])
    assert only(app)["status"] == stored
    save(app, status=requested, messages=[said("after")], resolution="completed", channel="web")
    conversation = only(app)
    assert conversation["status"] == decide_status(stored, requested)
    assert "after" in conversation["transcript"]
    assert (conversation["resolution"], conversation["channel"]) == ("completed", "web")
    for status in STATUSES:
        listed = app.get("/api/conversations", status=status).json["conversations"]
        assert len(listed) == (status == conversation["status"])


def test_saves_that_race_with_a_handoff_never_undo_it(strict: None) -> None:
    app = create_app()
    wanted = ["active", "resolved", None, "active", "resolved", "handed_off", "active", "resolved", "active"]
    for round_ in range(10):
        random.Random(round_).shuffle(wanted)  # noqa: S311 - an order that can be had again
        with ThreadPoolExecutor(len(wanted)) as pool:
            for status in wanted:
                messages = [said(str(status))]
                pool.submit(save, app, f"s{round_}", status=status, messages=messages)
    listed = app.get("/api/conversations").json["conversations"]
    assert [each["status"] for each in listed] == ["handed_off"] * 10


# -- long transcripts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [250_000, 700_000, 1_500_000, 4_900_000])
def test_a_transcript_of_any_length_comes_back_whole(size: int) -> None:
    app = create_app()
    text = incompressible(size)
    save(app, messages=[said(text)])
    assert json.loads(only(app)["transcript"]) == [said(text)]


def test_a_body_over_5_mb_is_refused() -> None:
    app = create_app()
    reply = app.post("/api/conversations", {"sessionId": "s", "messages": [said("x" * 5 * MEGABYTE)]})
    assert (reply.status, reply.json) == (413, {"error": "Request body too large: at most 5 MB"})


def test_a_transcript_that_no_reply_can_hold_is_left_out_and_said_so() -> None:
    app = create_app()
    save(app, messages=[said('"' * 2_000_000)])
    conversation = only(app)
    assert conversation["transcriptOmitted"] is True
    assert "transcript" not in conversation
    assert conversation["messageCount"] == 1


def read_row(app: Client, session: str = "s") -> ConversationRow:
    row = ConversationRow.of(app.slug, session).find_stored()
    assert row is not None
    return row


@pytest.mark.parametrize(("over", "is_shown"), [(0, True), (1, False)])
@pytest.mark.parametrize("of_before", [False, True], ids=["now", "before sizes were coarse"])
def test_whether_a_transcript_is_shown_is_decided_by_its_exact_size(
    over: int, is_shown: bool, of_before: bool
) -> None:
    app = create_app()
    around = count_reply_bytes(to_json([said("")]))
    save(app, messages=[said("x" * (MAX_SHOWN_BYTES - around + over))])
    if of_before:
        exact = ConversationRow.reply_bytes
        changes = [ConversationRow.transcript_bytes.set(MAX_SHOWN_BYTES + over), exact.remove()]
        assert read_row(app).change(changes)
    assert ("transcript" in only(app), "transcriptOmitted" in only(app)) == (is_shown, not is_shown)


def test_lists_know_the_size_of_a_transcript_in_steps_and_the_row_knows_it_exactly() -> None:
    app = create_app()
    save(app)
    assert read_row(app).transcript_bytes is None
    for content, known in (("x", 16_384), ("x" * 16_000, 16_384), ("x" * 16_384, 20_480)):
        messages = [said(content)]
        save(app, messages=messages)
        exact = count_reply_bytes(to_json(messages))
        assert (read_row(app).transcript_bytes, read_row(app).reply_bytes) == (known, exact)


# -- lists -------------------------------------------------------------------------------------------------


def test_lists_are_newest_created_first_whatever_was_saved_last() -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        for session in ("first", "second", "third"):
            save(app, session, startedAt={"first": 9e12, "second": 1, "third": 5}[session])
            clock.shift(1)
        save(app, "first", channel="web")
    listed = app.get("/api/conversations").json["conversations"]
    assert [each["sessionId"] for each in listed] == ["third", "second", "first"]


def test_a_list_holds_100_and_its_cursor_leads_through_the_rest() -> None:
    app = create_app()
    for number in range(205):
        save(app, f"s{number:03}")
    found = list(read_pages(app, "/api/conversations", "conversations"))
    assert [len(page) for page in found] == [100, 100, 5]
    sessions = [each["sessionId"] for page in found for each in page]
    assert len(set(sessions)) == 205


def test_a_list_ends_before_5_mb_and_loses_nothing() -> None:
    app = create_app()
    for number in range(6):
        save(app, f"s{number}", messages=[said(incompressible(1_500_000, seed=number))])
    found = list(read_pages(app, "/api/conversations", "conversations"))
    assert [len(page) for page in found] == [3, 3]
    assert len({each["sessionId"] for page in found for each in page}) == 6
    for page in found:
        reply = json.dumps({"statusCode": 200, "body": json.dumps({"conversations": page})})
        assert len(reply) < 6 * MEGABYTE


def test_a_filtered_list_filters_first() -> None:
    app = create_app()
    for number in range(110):
        save(app, f"s{number}", status="resolved" if number < 5 else "active")
    resolved = app.get("/api/conversations", status="resolved").json
    assert len(resolved["conversations"]) == 5
    assert "cursor" not in resolved
    assert app.get("/api/conversations", status="nonsense").json == {"conversations": []}


def test_a_cursor_serves_its_own_list_and_app_alone() -> None:
    app, other = create_app(), create_app()
    for number in range(101):
        save(app, f"s{number}")
    cursor = app.get("/api/conversations").json["cursor"]
    assert app.get("/api/conversations", cursor=cursor).status == 200
    for reply in (
        other.get("/api/conversations", cursor=cursor),
        app.get("/api/conversations", cursor=cursor, status="active"),
        app.get("/api/conversations", cursor=cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")),
        app.get("/api/tools", cursor=cursor),
    ):
        assert reply.status == 400
        assert "cursor" in reply.json["error"]


def test_a_list_may_be_of_one_session() -> None:
    app, other = create_app(), create_app()
    save(app, "one", messages=[said("hello")])
    save(app, "two")
    save(other, "three")
    [found] = app.get("/api/conversations", sessionId="one").json["conversations"]
    [same] = [each for each in app.get("/api/conversations").json["conversations"] if "transcript" in each]
    assert (found, found["sessionId"]) == (same, "one")
    for more in ({"status": "resolved"}, {"appSlug": other.slug}):
        assert app.get("/api/conversations", sessionId="one", **more).json == {"conversations": []}
    assert app.get("/api/conversations", sessionId="three").json == {"conversations": []}


def test_a_cursor_is_no_query_of_the_index_for_every_row() -> None:
    app = create_app()
    for number in range(3):
        save(app, f"s{number}")
    with record_calls() as calls:
        call("GET", "/api/conversations", headers=app.headers)
    assert calls.operations[-2:] == ["Query", "BatchGetItem"]
