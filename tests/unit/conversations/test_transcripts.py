"""Transcripts: packed and unpacked without loss, sealed by what they say alone."""

import json
import random
import zlib
from typing import Any

import pytest
from genai_voice.conversations.packing import pack, unpack, unpack_before
from genai_voice.conversations.transcripts import (
    LEAST_OPEN,
    MAX_BYTES,
    MAX_OPEN_BYTES,
    PIECE_BYTES,
    Transcript,
    as_list,
    count_reply_bytes,
    count_sealed,
    cut_pieces,
    digest_prefixes,
    join_lines,
    name_segment,
    round_down_from_lists,
    round_up_for_lists,
    split_lines,
)
from hypothesis import given, settings
from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"]))
times = st.one_of(st.just(0), st.integers(0, 10**14), st.floats(0, 1e14))
lines = st.lists(st.fixed_dictionaries({"role": texts, "content": texts, "ts": times}), max_size=60)
Line = dict[str, Any]
FIRST_DAY = "01c36d0a7ac4e9c10cadd50100"


def talk(count: int, size: int = 10) -> list[Any]:
    return [{"role": "user", "content": "x" * size, "ts": 1_000 * at} for at in range(count)]


@given(st.binary(max_size=100_000))
def test_what_is_packed_comes_back(text: bytes) -> None:
    assert unpack(pack(text)) == text


def test_a_dictionary_that_was_ever_used_unpacks_what_it_has_packed() -> None:
    """A packed text of the first day: whoever changes dictionary 1 instead of adding another sees it here."""
    packed = bytes.fromhex(FIRST_DAY)
    assert json.loads(as_list(unpack(packed))) == [{"role": "user", "content": "Hello, thank you.", "ts": 1}]


def test_a_transcript_of_before_comes_back_from_its_pieces() -> None:
    packed = zlib.compress(b"[]")
    assert unpack_before([packed[:3], packed[3:]]) == "[]"


@given(lines, st.integers(0, 60))
def test_joined_lines_make_the_list_wherever_they_are_cut(said: list[Any], cut: int) -> None:
    joined = join_lines(said[:cut]) + join_lines(said[cut:])
    assert split_lines(joined) == said
    assert as_list(joined) == Transcript(said).text


@settings(max_examples=30)
@given(st.integers(0, 3_000_000), st.integers(0, 9))
def test_long_ones_come_back_from_pieces_that_fit(size: int, seed: int) -> None:
    text = random.Random(seed).randbytes(size)  # noqa: S311 - only has to be incompressible
    pieces = cut_pieces(text)
    assert b"".join(pieces) == text
    assert all(len(pack(piece)) < 350 * 1024 for piece in pieces)
    assert all(len(piece) <= PIECE_BYTES for piece in pieces)


def test_lines_are_sealed_by_eight_and_two_stay_open() -> None:
    found = [count_sealed(talk(count)) for count in range(27)]
    assert found == [0] * 10 + [8] * 8 + [16] * 8 + [24]


@given(st.lists(st.sampled_from([1, 9_000, 30_000, 200_000]), max_size=40))
def test_open_lines_stay_below_their_limit_and_growth_never_opens_a_sealed_one(sizes: list[int]) -> None:
    said: list[Any] = [{"role": "user", "content": "x" * size, "ts": at} for at, size in enumerate(sizes)]
    counts = [count_sealed(said[:count]) for count in range(len(said) + 1)]
    assert counts == sorted(counts)
    for count, sealed in enumerate(counts):
        assert len(join_lines(said[sealed:count])) <= MAX_OPEN_BYTES
        assert count - sealed >= LEAST_OPEN or sealed == 0 or len(join_lines(said[:count])) > MAX_OPEN_BYTES


@given(lines, st.integers(1, 100))
def test_a_prefix_has_the_digest_that_it_has_alone(said: list[Any], most: int) -> None:
    alone = [digest_prefixes(said[:count], 1)[-1] for count in range(len(said) + 1)]
    assert digest_prefixes(said, most) == alone[-most:]
    distinct = {
        json.dumps([[line["role"], line["ts"] or line["content"]] for line in said[:count]])
        for count in range(len(said) + 1)
    }
    assert len(set(alone)) == len(distinct)


def test_a_line_is_known_by_role_and_time_and_by_its_wording_where_it_has_none() -> None:
    def key(role: str, ts: float, content: str) -> bytes:
        return digest_prefixes([{"role": role, "ts": ts, "content": content}], 1)[-1]

    assert key("user", 1, "a") == key("user", 1, "b")
    assert len({key("user", 1, "a"), key("agent", 1, "a"), key("user", 2, "a")}) == 3
    assert key("user", 0, "a") != key("user", 0, "b")
    assert key("user", 1, "a") != key("user", 0, "1")


def test_a_segment_is_named_by_what_was_said_and_not_by_when() -> None:
    said = talk(20)
    later = [line | {"ts": line["ts"] + 1} for line in said]
    other = [*said[:3], said[3] | {"content": "else"}, *said[4:]]
    assert name_segment(said, 16) == name_segment(later, 16) == name_segment([*said, *later], 16)
    assert len({name_segment(each, 16) for each in (said, other)}) == 2
    assert name_segment(said, 16) != name_segment([line | {"role": "agent"} for line in said], 16)
    assert name_segment(said, 3) == name_segment(other, 3)


def test_what_does_not_fit_is_left_out_the_newest_lines_first() -> None:
    fits = Transcript(talk(4, 1_250_000))
    over = Transcript(talk(5, 1_250_000))
    assert (fits.is_truncated, len(fits.lines)) == (False, 4)
    assert (over.is_truncated, list(over.lines)) == (True, talk(4, 1_250_000))
    assert len(over.text) <= MAX_BYTES


@given(st.lists(st.fixed_dictionaries({"role": texts, "content": texts})))
def test_its_size_in_a_reply_is_what_lambda_counts(messages: list[dict[str, str]]) -> None:
    transcript = json.dumps(messages, ensure_ascii=False)
    body = json.dumps({"transcript": transcript}, ensure_ascii=False)
    event = json.dumps({"body": body}, ensure_ascii=False)
    around = len(json.dumps({"body": json.dumps({"transcript": ""})}))
    assert count_reply_bytes(transcript.encode()) >= len(event.encode()) - around


@pytest.mark.parametrize(("text", "size"), [("", 0), ("abc", 3), ("é", 2), ('"', 4), ("\\", 4)])
def test_quotes_and_backslashes_take_four(text: str, size: int) -> None:
    assert count_reply_bytes(text.encode()) == size


MOST = 5_000_000


@given(st.integers(1, MOST))
def test_lists_know_of_a_transcript_what_it_takes_or_up_to_a_quarter_more(size: int) -> None:
    known = round_up_for_lists(size, MOST)
    assert size <= known <= min(max(16 * 1024, size * 5 / 4), MOST)
    assert round_up_for_lists(known, MOST) == known
    assert known == 16 * 1024 or round_down_from_lists(known) <= size


def test_a_transcript_that_grows_to_the_most_changes_its_size_in_lists_27_times() -> None:
    assert len({round_up_for_lists(size, MOST) for size in (*range(1, MOST, 997), MOST)}) == 27


def test_lists_know_the_least_size_of_a_transcript_that_no_reply_can_hold() -> None:
    assert round_up_for_lists(MOST + 1, MOST) == 16 * 1024
