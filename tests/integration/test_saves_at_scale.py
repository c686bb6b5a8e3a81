"""Saves of one conversation that race, and transcripts as long as a request may be: no line is lost."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.stored_transcripts import read_transcript

from tests.support.savers import START_MS, Line
from tests.support.service import Client, create_app

SAVES = 40
AT_ONCE = 8


def send(app: Client, path: str, body: dict[str, Any]) -> None:
    while (reply := app.post(path, body)).status == 503:
        pass  # others won every time: clients send it again
    assert reply.status == 200, reply.text


def save(app: Client, lines: list[Line]) -> None:
    send(app, "/api/conversations", {"sessionId": "s", "status": "active", "messages": lines})


def hand_over(app: Client) -> None:
    send(app, "/api/handoffs", {"sessionId": "s", "reason": "asked", "transcript": talk(0, 2)})


def find_row(app: Client) -> ConversationRow:
    row = ConversationRow.of(app.slug, "s").find_stored()
    assert row
    return row


def read_lines(app: Client) -> Any:
    return json.loads(read_transcript(find_row(app)) or "[]")


def talk(writer: int, count: int) -> list[Line]:
    return [
        {"role": "user", "ts": START_MS + writer + 3_000 * n, "content": f"w{writer}n{n} yes"}
        for n in range(count)
    ]


def test_forty_saves_that_race_with_a_handoff_lose_no_line(strict: None) -> None:
    app = create_app()
    lists = [talk(writer, count) for writer in range(2) for count in range(2, SAVES + 2, 2)]
    random.Random(1).shuffle(lists)  # noqa: S311 - an order that can be had again
    calls = [partial(save, app, lines) for lines in lists]
    calls.insert(SAVES // 2, partial(hand_over, app))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()
    said = [line for both in zip(talk(0, SAVES), talk(1, SAVES), strict=True) for line in both]
    assert sorted(read_lines(app), key=lambda line: line["ts"]) == said
    assert (find_row(app).status, find_row(app).message_count) == ("handed_off", len(said))


LONG = {
    "one line": [4_900_000],
    "lines that no segment holds": [600_000] * 8,
    "words": [3] * 75_000,
}


@pytest.mark.parametrize("sizes", LONG.values(), ids=LONG)
def test_five_megabytes_are_kept_whatever_comes_late(sizes: list[int]) -> None:
    app = create_app()
    lines = [
        {"role": "user", "ts": START_MS + 2 * n, "content": f"{n:x}".rjust(size, "a")}
        for n, size in enumerate(sizes)
    ]
    save(app, lines)
    save(app, [{**line, "content": line["content"][:2]} for line in lines[: len(lines) // 2 + 1]])
    save(
        app,
        [
            {"role": "agent", "ts": START_MS + 1, "content": "Yes?"},
            {"role": "user", "ts": START_MS + 9**6, "content": "No"},
        ],
    )
    first, *others, last = [*lines, {"role": "user", "ts": START_MS + 9**6, "content": "No"}]
    assert read_lines(app) == [first, {"role": "agent", "ts": START_MS + 1, "content": "Yes?"}, *others, last]
    assert find_row(app).message_count == len(lines) + 2
