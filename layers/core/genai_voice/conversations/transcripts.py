"""The layout of a transcript: compressed in the conversation's row, or in parts beside it; and its size, as a
reply has it and as lists know it.
"""

import zlib

PIECE_BYTES = 300 * 1024
"""An item of DynamoDB holds 400 KB."""

_LEAST_STEP = 16 * 1024


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


def round_up_for_lists(size: int, most: int) -> int:
    """Round up the bytes of a transcript in a reply to 16 KB, or to a quarter more each, never above the
    `most` that a reply can hold. The indexes have this size, so each step of it is a write to lists that all
    calls of an app share. A transcript above `most` is left out of replies: the least step will do.
    """
    step = _LEAST_STEP
    while step < size <= most:
        step = step * 5 // 4
    return min(step, most)


def round_down_from_lists(step: int) -> int:
    """Round down a size that lists know to the least that it stands for, where it is not the least step."""
    return step * 4 // 5
