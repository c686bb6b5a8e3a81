"""What the bytes of a body say: a JSON object, in the charset that the Content-Type declares.

Well-formed UTF-8 is parsed as it is. Only where that fails it is looked at again, because clients send what
is nearly JSON: with a byte order mark before it, or with half of an emoji that was cut in two. Half a
surrogate pair is read as U+FFFD.
"""

import re
from typing import Any

from pydantic_core import from_json

from genai_voice.foundation.errors import BadRequest

_UTF_8 = "utf-8"
_CODECS = {
    **dict.fromkeys(("utf-8", "utf8", "us-ascii"), _UTF_8),
    **{each: each for each in ("utf-16", "utf-16le", "utf-16be")},
    **dict.fromkeys(("iso-8859-1", "latin1"), "latin-1"),
    "windows-1252": "cp1252",
}
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([^\s;\"']*)", re.IGNORECASE)
_UNKNOWN_CHARSET = "This charset is not read: use utf-8, utf-16, iso-8859-1 or windows-1252"
INVALID_BODY = "Invalid JSON body"

_HALF_PAIR = re.compile(
    r"((?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})++)"
    r"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""Matches what stays whole (text, other escapes, pairs), or half of a pair as JSON escapes it."""
_PLACE = re.compile(r" at line (\d+) column (\d+)$")
_MARK = "\ufeff"


def parse_body(raw: bytes, content_type: str) -> dict[str, Any]:
    """Parse a body as a JSON object; no bytes are `{}`. Raises BadRequest: also for NaN, and for depth over
    200.
    """
    if not raw:
        return {}
    codec = _find_codec(content_type) if ";" in content_type else _UTF_8
    try:
        body = from_json(raw, allow_inf_nan=False) if codec == _UTF_8 else _parse_text(_decode(raw, codec))
    except ValueError:
        body = _parse_text(_decode(raw, codec))
    if not isinstance(body, dict):
        raise BadRequest(INVALID_BODY)
    return body


def replace_half_pairs(text: str) -> str:
    """Replace each half of a surrogate pair by U+FFFD: neither UTF-8 nor the table takes it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _find_codec(content_type: str) -> str:
    """Find how to decode the declared charset. Raises BadRequest for one that is not read."""
    declared = _CHARSET.search(content_type)
    codec = _CODECS.get(declared[1].lower()) if declared else _UTF_8
    if codec is None:
        raise BadRequest(_UNKNOWN_CHARSET)
    return codec


def _decode(raw: bytes, codec: str) -> str:
    """Decode a body, without its byte order mark. Raises BadRequest for what is no text of this charset."""
    if codec == "utf-16" and raw.startswith(b"\0"):
        codec = "utf-16be"  # without a mark: JSON begins with a character of ASCII
    try:
        return raw.decode(codec, "surrogatepass").removeprefix(_MARK)
    except UnicodeDecodeError:
        raise BadRequest(INVALID_BODY) from None


def _parse_text(text: str) -> Any:
    """Parse JSON in which halves of pairs may be. Raises BadRequest, and says where it is no JSON."""
    whole = _HALF_PAIR.sub(lambda found: found[1] or r"\ufffd", replace_half_pairs(text))
    try:
        return from_json(whole, allow_inf_nan=False) if whole else {}
    except ValueError as invalid:
        place = _PLACE.search(str(invalid))
        raise BadRequest(
            f"{INVALID_BODY}: line {place[1]} column {place[2]}" if place else INVALID_BODY
        ) from None
