"""A dump holds one conversation at a time, however many there are. In a table of its own, for its size."""

import gc
import random
from typing import Any

from genai_voice.conversations import operations
from genai_voice.conversations.model import TranscriptItem
from genai_voice.conversations.rows import ConversationRow
from genai_voice.conversations.segment_rows import SegmentRow, Shelf, write_name
from genai_voice.conversations.segment_writes import build_segments
from genai_voice.conversations.transcripts import join_lines, name_segment
from genai_voice.foundation.keys import make_time_key
from genai_voice.foundation.table import Item

from tests.support.service import Client, create_app

NOW = 1_795_000_000  # epoch seconds


def test_three_hundred_transcripts_in_segments_are_dumped_one_at_a_time() -> None:
    """What is held is counted: the segments that are alive when a conversation comes out."""
    app = create_app()
    text = random.Random(1).randbytes(500).hex()  # noqa: S311 - only has to be incompressible
    lines: list[TranscriptItem] = [{"role": "user", "content": text, "ts": at} for at in range(3)]
    with Item.batch_write() as batch:
        for number in range(300):
            put_in_segments(batch, app, str(number), lines)
    del batch
    seen = most = 0
    for view in operations.dump(app.slug):
        seen += view["transcript"][0]["content"] == text
        if seen % 100 == 0:
            held = [type(each) for each in gc.get_objects() if isinstance(each, Item)]
            most = max(most, held.count(SegmentRow))
    assert seen == 300
    assert most <= len(lines)


def put_in_segments(batch: Any, app: Client, session: str, lines: list[TranscriptItem]) -> None:
    """A conversation with a segment for each line."""
    row = ConversationRow.of(app.slug, session)
    row.session_id, row.status, row.message_count = session, "active", len(lines)
    row.started_at = row.ended_at = row.created_at = NOW * 1000
    names = [name_segment(lines, count) for count in range(1, len(lines) + 1)]
    row.transcript_bytes, row.line_keys, row.sealed = 1_000, b"keys", write_name(names[-1])
    row.gsi1pk, row.gsi1sk = row.make_list_key(app.slug), make_time_key(NOW * 1000, session)
    batch.save(row)
    for at, (name, line) in enumerate(zip(names, lines, strict=True)):
        batch.save(build_segments(Shelf(row.pk), name, join_lines([line]), names[:at][::-1]).head)
