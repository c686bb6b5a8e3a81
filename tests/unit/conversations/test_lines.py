"""Lines as other stacks send them, and what is read of each (contract, amendment 2)."""

import json
from typing import Any

import pytest
from genai_voice.conversations.lines import read_content, read_time
from genai_voice.conversations.model import ConversationSave, SentLines
from genai_voice.foundation.errors import BadRequest
from genai_voice.foundation.model import parse
from genai_voice.handoffs.model import HandoffRequest

MS = 1_767_225_600_000  # 2026-01-01
STARTED = MS - 5_000


def read(*items: Any, **fields: Any) -> SentLines:
    lines = parse(ConversationSave, {"sessionId": "s", "messages": list(items), **fields}).messages
    assert lines is not None
    return lines


CONTENTS: dict[str, tuple[Any, str | None]] = {
    "a text": ("Hallo", "Hallo"),
    "an empty text": ("", ""),
    "null": (None, ""),
    "LiveKit: a list of texts": (["Guten", "Tag"], "Guten Tag"),
    "LiveKit: a text beside a picture": (["Look", {"type": "image_content", "image": "data:"}], "Look"),
    "LiveKit: what was heard": ([{"type": "audio_content", "frame": [], "transcript": "Ja"}], "Ja"),
    "OpenAI: parts": ([{"type": "text", "text": "A"}, {"type": "text", "text": "B"}], "A B"),
    "OpenAI: an input text": ([{"type": "input_text", "text": "Hi"}], "Hi"),
    "OpenAI realtime: what was heard": ([{"type": "input_audio", "transcript": "Hi"}], "Hi"),
    "OpenAI realtime: not yet heard": ([{"type": "input_audio", "transcript": None}], None),
    "OpenAI: refused": ([{"type": "refusal", "refusal": "I may not."}], "I may not."),
    "OpenAI assistants": ([{"type": "text", "text": {"value": "Hi", "annotations": []}}], "Hi"),
    "Anthropic: beside a thought": (
        [{"type": "thinking", "thinking": "hm", "text": "hm"}, {"type": "text", "text": "Yes"}],
        "Yes",
    ),
    "Anthropic: a call alone": ([{"type": "tool_use", "name": "f", "input": {}}], None),
    "Vercel: a reasoning": ([{"type": "reasoning", "text": "hm"}], None),
    "Gemini in content": ({"parts": [{"text": "Hi"}]}, "Hi"),
    "one part": ({"type": "text", "text": "Hi"}, "Hi"),
    "blanks are kept": (["a ", " b"], "a   b"),
    "empty texts between": (["a", "", "b"], "a b"),
    "a list of nothing": ([], None),
    "a list of an empty text": ([""], None),
    "a list of other things": ([None, 5, True, ["x"], {}], None),
    "a number": (5, None),
    "a boolean": (True, None),
    "an object": ({}, None),
}


@pytest.mark.parametrize(("value", "said"), CONTENTS.values(), ids=CONTENTS)
def test_what_is_said_is_one_text(value: Any, said: str | None) -> None:
    assert read_content(value) == said
    assert [each["content"] for each in read({"role": "user", "content": value, "ts": 1})] == (
        [] if said is None else [said]
    )


TIMES: dict[str, tuple[Any, float | None]] = {
    "milliseconds": (MS, MS),
    "milliseconds with a fraction": (MS + 0.5, MS + 0.5),
    "seconds": (MS // 1000, MS // 1000),
    "seconds with a fraction": (1767225600.12, 1767225600.12),
    "nothing yet": (0, 0),
    "the latest millisecond": (10**14, 10**14),
    "microseconds": (MS * 1_000, MS),
    "microseconds between": (MS * 1_000 + 250, MS + 0.25),
    "microseconds as a float": (MS * 1_000.0, MS),
    "the first microseconds": (10**14 + 1_000, 10**11 + 1),
    "the latest microsecond": (10**17, 10**14),
    "nanoseconds": (MS * 1_000_000, MS),
    "nanoseconds between": (MS * 1_000_000 + 500_000, MS + 0.5),
    "the first nanoseconds": (10**17 + 1_000_000, 10**11 + 1),
    "more than nanoseconds": (10**20 + 1, None),
    "a number of 5,000 digits": (10**5_000, None),
    "infinity": (float("inf"), None),
    "no number": (float("nan"), None),
    "negative": (-1, None),
    "too close to zero": (1e-200, None),
    "a boolean": (True, None),
    "null": (None, None),
    "an object": ({"seconds": 1}, None),
    "Pipecat": ("2026-01-01T00:00:00.000+00:00", MS),
    "ISO with a Z": ("2026-01-01T00:00:00Z", MS),
    "ISO in small letters": (" 2026-01-01t00:00:00z ", MS),
    "ISO with an offset": ("2026-01-01T05:30:00+05:30", MS),
    "ISO with a fraction": ("2026-01-01T00:00:00.250Z", MS + 250),
    "ISO with microseconds": ("2026-01-01T00:00:00.000500Z", MS + 0.5),
    "ISO with nanoseconds": ("2026-01-01T00:00:00.123456789Z", MS + 123.456),
    "ISO without a zone": ("2026-01-01T00:00:00", MS),
    "ISO with a blank": ("2026-01-01 00:00:00", MS),
    "a date": ("2026-01-01", MS),
    "before 1970": ("1969-12-31T23:59:59Z", None),
    "the first year there is": ("0001-01-01T00:00:00+23:59", None),
    "the last year there is": ("9999-12-31T23:59:59-23:59", 253_402_387_139_000),
    "a number as text": (str(MS), MS),
    "seconds as text": ("1767225600.12", 1767225600.12),
    "microseconds as text": (str(MS * 1_000), MS),
    "digits of another script": ("\uff11\uff12", None),
    "no time": ("yesterday", None),
    "an empty text": ("", None),
    "half an emoji": ("\ud83d", None),
    "a long text": ("1" * 100_000, None),
}


@pytest.mark.parametrize(("value", "moment"), TIMES.values(), ids=TIMES)
def test_a_time_is_kept_as_sent_or_brought_to_milliseconds(value: Any, moment: float | None) -> None:
    read_as = read_time(value)
    assert (read_as, type(read_as)) == (moment, type(moment))


ITEMS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "as it should be": (
        {"role": "user", "content": "Hi", "ts": 1},
        [{"role": "user", "content": "Hi", "ts": 1}],
    ),
    "LiveKit: a message": (
        {
            "id": "item_1",
            "type": "message",
            "role": "user",
            "content": ["Guten Tag"],
            "interrupted": False,
            "ts": 1767225600.12,
        },
        [{"role": "user", "content": "Guten Tag", "ts": 1767225600.12}],
    ),
    "LiveKit: a call": (
        {"id": "i2", "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}", "ts": MS},
        [],
    ),
    "LiveKit: what a call answered": (
        {"type": "function_call_output", "call_id": "c1", "output": "{}", "is_error": False, "ts": MS},
        [],
    ),
    "a call of somebody": ({"type": "function_call", "role": "assistant", "content": None, "ts": MS}, []),
    "OpenAI: a call in a message": (
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1"}], "ts": MS},
        [{"role": "assistant", "content": "", "ts": MS}],
    ),
    "OpenAI realtime": (
        {
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_audio", "transcript": "Hello!"}],
            "ts": MS,
        },
        [{"role": "assistant", "content": "Hello!", "ts": MS}],
    ),
    "Gemini": (
        {"role": "model", "parts": [{"text": "Hm", "thought": True}, {"text": "A"}, {"text": "B"}], "ts": MS},
        [{"role": "model", "content": "A B", "ts": MS}],
    ),
    "Gemini: a call": ({"role": "model", "parts": [{"functionCall": {"name": "f"}}], "ts": MS}, []),
    "Vercel: parts beside an empty content": (
        {"role": "user", "content": "", "parts": [{"type": "text", "text": "Hi"}], "ts": "x"},
        [{"role": "user", "content": "Hi", "ts": STARTED}],
    ),
    "Pipecat": (
        {"role": "user", "content": "Hi", "ts": "2026-01-01T00:00:00.000+00:00"},
        [{"role": "user", "content": "Hi", "ts": MS}],
    ),
    "a clock in microseconds": (
        {"role": "user", "content": "Hi", "ts": MS * 1_000},
        [{"role": "user", "content": "Hi", "ts": MS}],
    ),
    "a clock in nanoseconds": (
        {"role": "user", "content": "Hi", "ts": MS * 1_000_000},
        [{"role": "user", "content": "Hi", "ts": MS}],
    ),
    "without a time": ({"role": "user", "content": "Hi"}, [{"role": "user", "content": "Hi", "ts": STARTED}]),
    "zero bytes and marks inside": (
        {"role": "user", "content": ["\0a\ufeff", "\ufffd"], "ts": 1},
        [{"role": "user", "content": "\0a\ufeff \ufffd", "ts": 1}],
    ),
    "nothing is said": ({"role": "user", "ts": 1}, []),
    "nobody says it": ({"content": "Hi", "ts": 1}, []),
    "an empty role": ({"role": "", "content": "Hi", "ts": 1}, []),
    "a role of another type": ({"role": 5, "content": "Hi", "ts": 1}, []),
}


@pytest.mark.parametrize(("item", "lines"), ITEMS.values(), ids=ITEMS)
def test_an_item_is_a_line_or_is_counted(item: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    found = read(item, startedAt=STARTED)
    assert (list(found), found.ignored) == (lines, 1 - len(lines))


@pytest.mark.parametrize("item", [None, 5, True, "x", [], ["Hi"]], ids=str)
def test_what_is_no_object_is_counted(item: Any) -> None:
    found = read({"role": "user", "content": "Hi", "ts": 1}, item)
    assert ([each["content"] for each in found], found.ignored) == (["Hi"], 1)


def test_a_line_without_a_time_has_that_of_the_line_before_it() -> None:
    def say(content: str, **more: Any) -> dict[str, Any]:
        return {"role": "user", "content": content, **more}

    sent = [say("a"), say("b", ts=5), {"type": "function_call", "ts": 7}, say("c", ts=None), say("d", ts="?")]
    assert [each["ts"] for each in read(*sent, startedAt=3)] == [3, 5, 5, 5]
    assert [each["ts"] for each in read(*sent)] == [0, 5, 5, 5]
    assert [each["ts"] for each in read(*sent, startedAt=None)] == [0, 5, 5, 5]
    handoff = {"sessionId": "s", "reason": "r", "transcript": sent}
    assert [each["ts"] for each in parse(HandoffRequest, handoff).transcript] == [0, 5, 5, 5]


def test_lines_as_they_should_be_are_only_checked() -> None:
    sent = [{"role": "user", "content": f"{n}", "ts": n, "more": [n]} for n in range(3)]
    found = read(*sent)
    assert found == [{"role": "user", "content": f"{n}", "ts": n} for n in range(3)]
    assert found.ignored == 0


def test_the_keys_stand_in_the_same_order_however_a_line_was_read() -> None:
    item = {"ts": 1, "content": "Hi", "role": "user"}
    checked, read_by_item = read(item), read(item, None)
    assert json.dumps(checked) == json.dumps(read_by_item) == '[{"role": "user", "content": "Hi", "ts": 1}]'


@pytest.mark.parametrize("value", ["x", 5, True, {}, {"role": "user"}], ids=str)
def test_what_is_no_list_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest, match=r"^Invalid field: messages$"):
        parse(ConversationSave, {"sessionId": "s", "messages": value})
    with pytest.raises(BadRequest, match=r"^Missing required fields$"):
        parse(HandoffRequest, {"sessionId": "s", "reason": "r", "transcript": value})


def test_no_messages_are_none() -> None:
    assert parse(ConversationSave, {"sessionId": "s", "messages": None}).messages is None
    assert parse(ConversationSave, {"sessionId": "s"}).messages is None
