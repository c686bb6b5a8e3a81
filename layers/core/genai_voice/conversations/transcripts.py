"""The layout of a transcript: compressed in the conversation's row, or in parts beside it."""

import zlib

PIECE_BYTES = 300 * 1024
"""An item of DynamoDB holds 400 KB."""


def pack(transcript: str) -> list[bytes]:
    """Compress a transcript, in pieces that fit an item. A single piece goes into the conversation's row."""
    compressed = zlib.compress(transcript.encode(), 6)
    return [compressed[start : start + PIECE_BYTES] for start in range(0, len(compressed), PIECE_BYTES)]


def unpack(pieces: list[bytes]) -> str:
    """Unpack a transcript."""
    return zlib.decompress(b"".join(pieces)).decode()


def count_reply_bytes(transcript: str) -> int:
    """Count what a transcript adds to a reply: it is JSON in a JSON string in Lambda's JSON, so a quote or a
    backslash takes four bytes.
    """
    return len(transcript.encode()) + 3 * (transcript.count('"') + transcript.count("\\"))
