"""Transcripts: packed and unpacked without loss, in pieces that fit their items."""

import json
import random

import pytest
from genai_voice.conversations.transcripts import (
    PIECE_BYTES,
    count_reply_bytes,
    pack,
    round_down_from_lists,
    round_up_for_lists,
    unpack,
)
from hypothesis import given, settings
from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_what_is_packed_comes_back(transcript: str) -> None:
    assert unpack(pack(transcript)) == transcript


@settings(max_examples=30)
@given(st.integers(0, 3_000_000), st.integers(0, 9))
def test_long_ones_come_back_from_pieces_that_fit(size: int, seed: int) -> None:
    transcript = random.Random(seed).randbytes(size // 2).hex()  # noqa: S311 - only has to be incompressible
    pieces = pack(transcript)
    assert unpack(pieces) == transcript
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)


@given(st.lists(st.fixed_dictionaries({"role": texts, "content": texts})))
def test_its_size_in_a_reply_is_what_lambda_counts(messages: list[dict[str, str]]) -> None:
    transcript = json.dumps(messages, ensure_ascii=False)
    body = json.dumps({"transcript": transcript}, ensure_ascii=False)
    event = json.dumps({"body": body}, ensure_ascii=False)
    around = len(json.dumps({"body": json.dumps({"transcript": ""})}))
    assert count_reply_bytes(transcript) >= len(event.encode()) - around


@pytest.mark.parametrize(("text", "size"), [("", 0), ("abc", 3), ("é", 2), ('"', 4), ("\\", 4)])
def test_quotes_and_backslashes_take_four(text: str, size: int) -> None:
    assert count_reply_bytes(text) == size


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
