"""A dump holds one conversation at a time, however many there are. In a table of its own, for its size."""

import gc
import json
import random
from typing import Any

from genai_voice.conversations import operations
from genai_voice.conversations.rows import ConversationRow, TranscriptPart
from genai_voice.conversations.transcripts import pack
from genai_voice.foundation.keys import make_time_key
from genai_voice.foundation.table import Item

from tests.support.service import Client, create_app

NOW = 1_795_000_000  # epoch seconds


def test_three_hundred_transcripts_in_parts_are_dumped_one_at_a_time() -> None:
    """What is held is counted: the parts that are alive when a conversation comes out."""
    app = create_app()
    text = random.Random(1).randbytes(500).hex()  # noqa: S311 - only has to be incompressible
    (packed,) = pack(json.dumps([{"role": "user", "content": text, "ts": 1}]))
    pieces = [packed[:200], packed[200:400], packed[400:]]
    with Item.batch_write() as batch:
        for number in range(300):
            in_parts(batch, app, str(number), pieces)
    del batch
    seen = most = 0
    for view in operations.dump(app.slug):
        seen += view["transcript"][0]["content"] == text
        if seen % 100 == 0:
            held = [type(each) for each in gc.get_objects() if isinstance(each, Item)]
            most = max(most, held.count(TranscriptPart))
    assert seen == 300
    assert most <= len(pieces)


def in_parts(batch: Any, app: Client, session: str, pieces: list[bytes]) -> None:
    """A conversation as it is stored when its transcript is long."""
    row = ConversationRow.of(app.slug, session)
    row.session_id, row.status, row.message_count = session, "active", 1
    row.started_at = row.ended_at = row.created_at = NOW * 1000
    row.transcript_bytes, row.transcript_revision = 1_000, f"r.{len(pieces)}"
    row.gsi1pk, row.gsi1sk = row.make_list_key(app.slug), make_time_key(NOW * 1000, session)
    batch.save(row)
    for (pk, sk), data in zip(row.list_part_keys(), pieces, strict=True):
        batch.save(TranscriptPart(pk, sk, data=data))
