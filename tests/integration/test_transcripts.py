"""Transcripts: what is stored never gets shorter, a save costs what it adds, and nothing that a row points at
goes away.
"""

import json
import random
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
import time_machine
from genai_voice.conversations import stored_transcripts
from genai_voice.conversations.rows import ConversationRow, make_session_pk
from genai_voice.conversations.segment_rows import SegmentRow, Shelf, TranscriptPart, read_name
from genai_voice.conversations.transcripts import MAX_BYTES, PIECE_BYTES
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.table import Item
from pydantic_core import to_json

from tests.support.service import Client, call, create_app, read_partition, record_calls
from tests.support.wire import Cut, act_before_call, cut, lose_answer

Line = dict[str, Any]
START = 1_767_225_600_000


def talk(count: int, *, first: int = 0, wording: str = "sentence {} of the call") -> list[Line]:
    """The lines of a call, one every four seconds."""
    return [
        {"role": ("user", "agent")[at % 2], "content": wording.format(at), "ts": START + 4_000 * at}
        for at in range(first, first + count)
    ]


def reword(lines: Sequence[Line], at: int, content: str) -> list[Line]:
    return [line | {"content": content} if place == at else line for place, line in enumerate(lines)]


def save(app: Client, messages: Sequence[Line], **fields: Any) -> dict[str, Any]:
    reply = app.post("/api/conversations", {"sessionId": "s", "messages": [*messages], **fields})
    assert reply.status == 200, reply.text
    return dict(reply.json)


def count_calls(app: Client, messages: Sequence[Line], **fields: Any) -> list[str]:
    with record_calls() as calls:
        save(app, messages, **fields)
    return calls.operations


def read(app: Client) -> list[Line]:
    [conversation] = app.get("/api/conversations").json["conversations"]
    lines: list[Line] = json.loads(conversation["transcript"])
    assert conversation["messageCount"] == len(lines)
    return lines


def save_elsewhere(app: Client, *saves: Sequence[Line]) -> None:
    """Leave what another process would after these saves, which shares no memory with this one: the rows of
    an app that has done the same.
    """
    other = create_app()
    for lines in saves:
        save(other, lines)
    for item in read_partition(make_session_pk(other.slug, "s")):
        moved = {
            name: {"S": value["S"].replace(other.slug, app.slug)} if "S" in value else value
            for name, value in item.items()
        }
        Item.from_raw_data(moved).save()


def find_row(app: Client) -> ConversationRow:
    row = ConversationRow.of(app.slug, "s").find_stored()
    assert row is not None
    return row


def list_segments(app: Client) -> list[SegmentRow]:
    return list(SegmentRow.list_on(Shelf(find_row(app).pk)))


def list_expiring(app: Client) -> list[bool]:
    return [row.expires_at is not None for row in list_segments(app)]


def make_noise(size: int, seed: int = 1) -> str:
    return random.Random(seed).randbytes(size // 2).hex()  # noqa: S311 - only has to be incompressible


BLIND = ["UpdateItem"]
REFUSED = ["UpdateItem", "UpdateItem"]

# -- never shorter -----------------------------------------------------------------------------------------


def known(app: Client) -> Client:
    """An app that this process knows, so that a save pays for nothing else."""
    app.get("/api/conversations")
    return app


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ([], talk(3)),
        (talk(3), talk(5)),
        (talk(3), talk(3)),
        (reword(talk(5), 4, "sent"), talk(5)),
        (reword(talk(5), 1, "sent"), talk(5)),
        ([line | {"ts": 5} for line in talk(2)], [line | {"ts": 5} for line in talk(4)]),
        ([line | {"ts": 0} for line in talk(2)], [line | {"ts": 0} for line in talk(4)]),
    ],
    ids=["first", "growth", "equal", "longer last", "longer", "equal seconds", "no times"],
)
def test_what_only_grows_is_one_write(stored: list[Line], sent: list[Line]) -> None:
    app = known(create_app())
    if stored:
        save(app, stored)
    assert count_calls(app, sent) == BLIND
    assert read(app) == sent


RESTARTED = talk(3, first=100, wording="{} after a restart")


@pytest.mark.parametrize(
    ("stored", "sent", "kept"),
    [
        (talk(10), talk(4), talk(10)),
        (talk(4), RESTARTED, [*talk(4), *RESTARTED]),
        (talk(5), [*talk(2), *talk(1, first=4)], talk(5)),
        ([*talk(2), *talk(1, first=4)], talk(5), talk(5)),
        (talk(3), reword(talk(3), 2, "another"), reword(talk(3), 2, "another")),
        (talk(3), reword(talk(3), 2, "sentence"), talk(3)),
    ],
    ids=["shorter", "restarted", "middle left out", "inserted", "another wording", "a line cut"],
)
def test_what_does_not_only_grow_is_merged_in_two_calls(
    stored: list[Line], sent: list[Line], kept: list[Line]
) -> None:
    app = known(create_app())
    save(app, stored)
    assert count_calls(app, sent) == REFUSED
    assert read(app) == kept


def test_a_late_save_leaves_the_end_of_a_call_alone() -> None:
    app = create_app()
    save(app, talk(10), status="resolved", resolution="completed")
    save(app, talk(4), status="active")
    assert read(app) == talk(10)
    [conversation] = app.get("/api/conversations").json["conversations"]
    assert (conversation["status"], conversation["resolution"]) == ("resolved", "completed")


def test_a_save_between_a_refusal_and_its_merge_is_merged_too() -> None:
    app = create_app()
    save(app, talk(4))

    def save_other(_: int) -> None:
        save(app, RESTARTED)

    with act_before_call("UpdateItem", save_other, at=(2,)):
        save(app, talk(2, first=50))
    assert read(app) == [*talk(4), *talk(2, first=50), *RESTARTED]


@pytest.mark.parametrize("count", [40, 60], ids=["same length", "grown across a segment"])
def test_a_sealed_line_that_is_reworded_is_stored_as_it_was_sent(count: int) -> None:
    app = create_app()
    save(app, talk(40))
    save(app, reword(talk(count), 3, talk(4)[3]["content"] + ", once more"))
    forget_all()
    assert read(app) == reword(talk(count), 3, talk(4)[3]["content"] + ", once more")


def test_over_a_hundred_new_lines_are_kept_too() -> None:
    app = known(create_app())
    save(app, talk(1))
    save(app, talk(150))
    assert read(app) == talk(150)


def test_an_agent_that_starts_again_adds_to_what_was_said_and_goes_on_growing() -> None:
    app = create_app()
    save(app, talk(40))
    save(app, [])
    for count in range(1, 40):
        save(app, talk(count, first=100))
    assert read(app) == [*talk(40), *talk(39, first=100)]


def test_a_call_that_is_saved_into_an_ended_one_keeps_the_status_and_adds() -> None:
    app = create_app()
    save(app, talk(3), status="resolved")
    save(app, RESTARTED, status="active")
    assert read(app) == [*talk(3), *RESTARTED]


def test_a_client_that_stamps_at_saving_doubles_nothing_and_keeps_the_first_times() -> None:
    app = create_app()
    for count in range(1, 60):
        save(app, [line | {"ts": START + 90_000 + count * 5_000} for line in talk(count)])
    lines = read(app)
    assert [line["content"] for line in lines] == [line["content"] for line in talk(59)]
    assert [line["ts"] for line in lines] == [START + 90_000 + count * 5_000 for count in range(1, 60)]


# -- replaced and left out ---------------------------------------------------------------------------------


def test_who_may_manage_may_replace_a_transcript() -> None:
    app = create_app()
    save(app, talk(40))
    save(app, talk(2), replaceTranscript=True)
    assert read(app) == talk(2)
    save(app, [], replaceTranscript=True)
    assert read(app) == []
    save(app, talk(3))
    assert read(app) == talk(3)


def test_a_token_of_the_runtime_may_not_replace_a_transcript() -> None:
    app = create_app(browser_scope="runtime")
    save(app, talk(4))
    token = app.post("/api/auth/session", {}).json["sessionToken"]
    body = {"sessionId": "s", "messages": talk(1), "replaceTranscript": True, "sessionToken": token}
    assert call("POST", "/api/conversations", body=body).status == 401
    assert read(app) == talk(4)


@pytest.mark.parametrize("shared", [0, 20, 40])
def test_a_replacement_with_other_times_is_stored_with_them(shared: int) -> None:
    app = create_app()
    save(app, talk(60))
    new = [line | {"ts": line["ts"] + (0 if at < shared else 1)} for at, line in enumerate(talk(60))]
    save(app, new, replaceTranscript=True)
    forget_all()
    save(app, new[:50])
    assert read(app) == new


def test_the_newest_lines_above_5_mb_are_left_out_and_the_reply_says_so() -> None:
    app = create_app()
    half = [line | {"content": make_noise(900_000, at)} for at, line in enumerate(talk(4))]
    more = [line | {"content": make_noise(900_000, 10 + at)} for at, line in enumerate(talk(3, first=10))]
    assert save(app, half) == {"ok": True}
    assert save(app, more) == {"ok": True, "truncated": True}
    assert find_row(app).message_count == 5
    assert save(app, half) == {"ok": True}


# -- segments ----------------------------------------------------------------------------------------------


def test_a_growing_call_is_refused_once_and_then_stores_each_segment_ahead() -> None:
    app = known(create_app())
    operations = [count_calls(app, talk(count)) for count in range(1, 101)]
    first, *later = [at for at, each in enumerate(operations, 1) if each != BLIND]
    assert [first, *later] == list(range(10, 101, 8))
    assert operations[first - 1] == ["UpdateItem", "PutItem", "UpdateItem"]
    assert all(operations[at - 1] == ["PutItem", "UpdateItem"] for at in later)
    assert read(app) == talk(100)
    assert [len(row.list_before()) for row in list_segments(app)] == list(range(12))


def test_a_segment_that_another_process_has_stored_is_asked_for_once() -> None:
    app = known(create_app())
    save(app, talk(18))
    save_elsewhere(app, talk(18), talk(26))
    operations = [count_calls(app, talk(count)) for count in (26, 27, 28)]
    assert operations == [["PutItem", "UpdateItem"], BLIND, BLIND]
    assert (read(app), len(list_segments(app))) == (talk(28), 2)


def test_a_segment_that_is_about_to_expire_is_not_pointed_at_as_it_is() -> None:
    app, other = known(create_app()), create_app()
    for each in (app, other):
        save(each, talk(18))
    save(other, talk(26))
    replaced = list_segments(other)[1]
    replaced.pk, replaced.expires_at = find_row(app).pk, START // 1000
    replaced.save()
    save(app, talk(26))
    assert (read(app), list_expiring(app)) == (talk(26), [False, False])


def test_a_segment_that_was_stored_ahead_of_a_refused_save_takes_nothing_away() -> None:
    app = known(create_app())
    save(app, talk(18))
    save_elsewhere(app, talk(18), reword(talk(20), 3, "sentence 3 of the call, and more"))
    save(app, talk(26))
    assert read(app) == reword(talk(26), 3, "sentence 3 of the call, and more")


def test_a_process_that_knows_nothing_of_a_call_goes_on_with_it() -> None:
    app = create_app()
    for count in range(1, 101):
        forget_all()
        save(app, talk(count))
    assert read(app) == talk(100)
    assert len(list_segments(app)) == 12


def test_a_long_call_that_is_sent_at_once_is_one_segment() -> None:
    app = known(create_app())
    assert count_calls(app, talk(100)) == ["UpdateItem", "PutItem", "UpdateItem"]
    assert read(app) == talk(100)
    assert count_calls(app, talk(101)) == BLIND


@pytest.mark.parametrize("size", [200, 250_000, 700_000, 4_900_000])
def test_a_line_of_any_length_comes_back(size: int) -> None:
    app = create_app()
    lines = [line | {"content": make_noise(size)} if at == 1 else line for at, line in enumerate(talk(3))]
    save(app, lines)
    assert read(app) == lines
    assert all(len(row.data) < PIECE_BYTES * 1.1 for row in list_segments(app))
    save(app, [*lines, *talk(1, first=3)])
    assert read(app) == [*lines, *talk(1, first=3)]


def test_the_open_lines_never_weigh_more_than_128_kb() -> None:
    app = create_app()
    for count in range(1, 30):
        save(app, [line | {"content": make_noise(20_000, at)} for at, line in enumerate(talk(count))])
        assert len(find_row(app).tail) <= 128 * 1024
    assert len(read(app)) == 29


def test_a_list_of_long_calls_is_read_in_a_few_calls() -> None:
    app = create_app()
    for number in range(20):
        for count in (30, 60, 90):
            app.post("/api/conversations", {"sessionId": f"s{number}", "messages": talk(count)})
    with record_calls() as calls:
        conversations = app.get("/api/conversations").json["conversations"]
    assert [json.loads(each["transcript"]) for each in conversations] == [talk(90)] * 20
    assert calls.operations == ["Query", "BatchGetItem", "BatchGetItem", "BatchGetItem"]


def test_a_conversation_that_lacks_a_segment_does_not_break_the_list() -> None:
    app = create_app()
    save(app, talk(40))
    for row in list_segments(app):
        row.delete()
    forget_all()
    [conversation] = app.get("/api/conversations").json["conversations"]
    assert (conversation["transcriptOmitted"], "transcript" in conversation) == (True, False)
    save(app, reword(talk(60), 3, "what was said is sent again"))
    assert read(app)[-2:] == talk(60)[-2:]


# -- what is no longer pointed at --------------------------------------------------------------------------


def test_what_was_reworded_away_expires_an_hour_later_and_the_rest_stays() -> None:
    app = create_app()
    with time_machine.travel(1_800_000_000, tick=False):
        for count in (20, 40, 60):
            save(app, talk(count))
        save(app, reword(talk(60), 20, "something else entirely"))
    assert read(app) == reword(talk(60), 20, "something else entirely")
    assert [row.expires_at for row in list_segments(app)].count(1_800_000_000 + 3600) == 2
    assert list_expiring(app).count(False) == 2


def test_a_wording_that_comes_back_finds_its_segment_and_takes_the_expiry_away() -> None:
    app = create_app()
    one, other = talk(60), reword(talk(60), 5, "another wording of it")
    for turn in range(6):
        save(app, (one, other)[turn % 2], replaceTranscript=True)
        assert read(app) == (one, other)[turn % 2]
        assert list_expiring(app).count(False) == 1
        forget_all()
        assert read(app) == (one, other)[turn % 2]


def test_a_late_expiry_leaves_alone_what_is_pointed_at_again() -> None:
    """Between the write of the row and the expiry of what it replaced, another save brings that back."""
    app = create_app()
    one, other = talk(60), reword(talk(60), 5, "another wording of it")
    save(app, one)

    def bring_back(_: int) -> None:
        save(app, one, replaceTranscript=True)

    with act_before_call("TransactWriteItems", bring_back, at=(1,)):
        save(app, other, replaceTranscript=True)
    assert read(app) == one
    present = SegmentRow.of(Shelf(find_row(app).pk), read_name(find_row(app).sealed)).find_stored()
    assert present is not None
    assert present.expires_at is None


def test_a_process_that_remembers_segments_of_before_leads_to_none_that_expires() -> None:
    """Others have reworded the call and brought it back meanwhile, in other segments of the same names."""
    app = create_app()
    for count in (20, 40, 60):
        save(app, talk(count))
    remembered = dict(stored_transcripts._chains)
    save(app, reword(talk(60), 20, "another wording of it"), replaceTranscript=True)
    save(app, talk(60), replaceTranscript=True)
    stored_transcripts._chains.clear()
    stored_transcripts._chains.update(remembered)
    longer = reword(talk(60), 40, talk(60)[40]["content"] + ", and more")
    save(app, longer)
    for row in list_segments(app):
        if row.expires_at:
            row.delete()
    forget_all()
    assert read(app) == longer


def test_a_process_that_remembers_other_times_takes_those_that_are_stored() -> None:
    app = known(create_app())
    save(app, talk(60))
    remembered = dict(stored_transcripts._chains)
    later = [line | {"ts": line["ts"] + 1} for line in talk(60)]
    save(app, later, replaceTranscript=True)
    stored_transcripts._chains.clear()
    stored_transcripts._chains.update(remembered)
    save(app, RESTARTED)
    assert read(app) == [*later, *RESTARTED]
    assert count_calls(app, read(app)) == BLIND


def test_pieces_of_a_long_line_expire_and_come_back_with_it() -> None:
    app = create_app()
    one = [talk(1)[0] | {"content": make_noise(700_000)}]
    other = [talk(1)[0] | {"content": make_noise(700_000, 2)}]
    for turn in range(4):
        save(app, (one, other)[turn % 2], replaceTranscript=True)
        forget_all()
        assert read(app) == (one, other)[turn % 2]
        assert list_expiring(app).count(False) == 3


def test_a_save_whose_answer_is_lost_keeps_its_own_segments(strict: None) -> None:
    app = create_app()
    save(app, talk(40))
    with lose_answer(3):
        save(app, talk(60))
    assert read(app) == talk(60)
    assert not any(list_expiring(app))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 7))
def test_a_process_that_dies_at_any_call_loses_nothing_that_was_answered(number: int, after: bool) -> None:
    app = known(create_app())
    save(app, talk(40))
    changed = reword(talk(60), 3, "reworded, and longer than it was before")
    with suppress(Cut), cut(number, after=after):
        save(app, changed)
    forget_all()
    assert [line["ts"] for line in read(app)][:40] == [line["ts"] for line in talk(40)]
    save(app, changed)
    assert read(app) == changed


# -- data of before ----------------------------------------------------------------------------------------


def store_before(app: Client, lines: list[Line], *, parts: int = 0, **fields: Any) -> None:
    """Store a conversation as it was before there were segments."""
    row, packed = ConversationRow.of(app.slug, "s"), zlib.compress(to_json(lines), 6)
    save(app, [], **fields)
    size = len(packed) // parts + 1 if parts else 0
    changes = [
        ConversationRow.message_count.set(len(lines)),
        ConversationRow.transcript_bytes.set(20_000),
        ConversationRow.transcript.set(packed) if not parts else ConversationRow.transcript.remove(),
    ]
    if parts:
        changes.append(ConversationRow.transcript_revision.set(f"r.{parts}"))
        for number, place in enumerate(TranscriptPart.list_part_keys(row.pk, f"r.{parts}")):
            TranscriptPart(*place, data=packed[number * size : (number + 1) * size]).save()
    row.change(changes)


@pytest.mark.parametrize("parts", [0, 3], ids=["in the row", "in parts"])
def test_a_transcript_of_before_is_read_and_changes_at_its_next_save(parts: int) -> None:
    app = known(create_app())
    store_before(app, talk(40), parts=parts)
    assert read(app) == talk(40)
    save(app, talk(38))
    assert read(app) == talk(40)
    row = find_row(app)
    assert row.transcript is None
    assert row.transcript_revision is None
    old = list(TranscriptPart.query(row.pk, TranscriptPart.sk.startswith("TRANSCRIPT#")))
    assert [part.expires_at is not None for part in old] == [True] * parts
    assert count_calls(app, talk(41)) == BLIND


def test_an_empty_transcript_of_before_takes_the_first_lines() -> None:
    app = create_app()
    store_before(app, [])
    save(app, talk(2))
    assert read(app) == talk(2)


def test_what_the_service_of_before_saves_while_both_are_deployed_is_merged() -> None:
    app = create_app()
    save(app, talk(40))
    store_before(app, talk(42)[20:])
    assert read_transcript_alone(app) == talk(42)[20:]
    save(app, talk(41))
    assert read(app) == talk(42)


def read_transcript_alone(app: Client) -> list[Line]:
    [conversation] = app.get("/api/conversations").json["conversations"]
    lines: list[Line] = json.loads(conversation["transcript"])
    return lines


def test_the_most_a_transcript_can_hold_is_one_word_lines_too() -> None:
    app = create_app()
    lines = [{"role": "user", "content": "ja", "ts": START + at} for at in range(90_000)]
    save(app, lines)
    assert find_row(app).message_count == 90_000 or len(to_json(lines)) > MAX_BYTES
    save(app, lines[:10])
    assert find_row(app).message_count == 90_000
