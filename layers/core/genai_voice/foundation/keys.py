"""Make keys of the single table: parts become one string that no other parts can become."""

import hashlib
import re
from urllib.parse import quote

from genai_voice.foundation.caches import cache_results

_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]*")
_SAFE = "._:-"  # besides letters and digits
_LONGEST = 200  # bytes of one encoded part: a handful of them stay below DynamoDB's 1,024 of a sort key


def make_key(*parts: str) -> str:
    """Make one key of constants and variable parts in turn: `make_key("APP", "a", "SESSION", "s")` is
    `APP#a#SESSION#s#`.

    A constant is capitals, digits and `_`. A variable part is percent-encoded outside `[A-Za-z0-9._:-]`,
    replaced by `~` and its SHA-256 when that is longer than 200 bytes, and ends with its separator, so that
    no id climbs into another's partition and no prefix query crosses ids. An empty variable part is a
    ValueError: empty text is absent, never a key.
    """
    encoded = [
        _encode_variable(part) if place % 2 else _encode_constant(part) for place, part in enumerate(parts)
    ]
    return "#".join(encoded) + ("#" if len(parts) % 2 == 0 else "")


def digest(*parts: str) -> str:
    """Hash these parts, in this order, to 32 hex digits."""
    hashed = hashlib.sha256()
    for part in parts:
        data = part.encode()
        hashed.update(len(data).to_bytes(8, "big") + data)
    return hashed.hexdigest()[:32]


def choose_shard(shards: int, *parts: str) -> int:
    """Choose one of so many parts of something that is spread: always the same for the same key parts."""
    return int(digest(*parts)[:8], 16) % shards


def make_time_key(ms: float, tie: str) -> str:
    """Make a variable part that sorts by time, then by `tie`: 15 digits of epoch milliseconds and three
    decimals (clients may send fractions).
    """
    return f"{ms + 0.0:019.3f}-{tie}"  # -0.0 is 0


@cache_results(256)
def _encode_constant(part: str) -> str:
    if not _CONSTANT.fullmatch(part):
        raise ValueError(f"not a constant part of a key: {part!r}")
    return part


@cache_results(1024)  # the ids of one request are encoded again and again
def _encode_variable(part: str) -> str:
    if not part:
        raise ValueError("a variable part of a key is empty")
    encoded = quote(part, safe=_SAFE).replace("~", "%7E")  # quote() keeps "~", which marks digests here
    return encoded if len(encoded) <= _LONGEST else "~" + hashlib.sha256(part.encode()).hexdigest()
