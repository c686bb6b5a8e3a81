"""How a transcript is laid out: compressed in the conversation's row, or in parts beside it."""

import zlib

INLINE_BYTES = 300 * 1024
"""Compressed; an item of DynamoDB holds 400 KB."""
PART_BYTES = 350 * 1024


def pack(transcript: str) -> list[bytes]:
    """Compressed: one piece that fits the row, or the parts whose concatenation it is."""
    compressed = zlib.compress(transcript.encode(), 6)
    if len(compressed) <= INLINE_BYTES:
        return [compressed]
    return [compressed[start : start + PART_BYTES] for start in range(0, len(compressed), PART_BYTES)]


def unpack(pieces: list[bytes]) -> str:
    """What was packed."""
    return zlib.decompress(b"".join(pieces)).decode()


def reply_bytes(transcript: str) -> int:
    """What it adds to a reply: it is JSON in a JSON string in Lambda's JSON, so a quote or backslash takes
    four.
    """
    return len(transcript.encode()) + 3 * (transcript.count('"') + transcript.count("\\"))
