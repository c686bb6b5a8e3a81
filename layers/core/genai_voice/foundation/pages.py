"""Lists: as many items as fit the reply, and a signed cursor where more are left."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar

from pydantic_core import from_json, to_json

from genai_voice.foundation.errors import BadRequest
from genai_voice.foundation.secret import keys_for, reread
from genai_voice.foundation.table import Item

R = TypeVar("R", bound=Item)

REPLY_BYTES = 5 * 1024 * 1024
"""Lambda takes 6 MB, counted after the body has become a JSON string: `wire_size` counts it like that."""

_MAC_BYTES = 16


def wire_size(item: object) -> int:
    """Bytes of an item in a reply as Lambda counts them: quotes and backslashes are escaped once more."""
    text = to_json(item)
    return len(text) + text.count(b'"') + text.count(b"\\") + 2


def fill(
    rows: Iterable[R], view: Callable[[R], Mapping[str, Any]], limit: int | None = None
) -> tuple[list[Any], R | None]:
    """Views of the first rows that fit `limit` and the reply, and the last of these rows if more are left,
    else None.

    The first row is always taken: an item that no reply can hold must be made smaller by its view.
    """
    views: list[Any] = []
    size, last = 0, None
    for row in rows:
        shown = view(row)
        size += wire_size(shown)
        if last is not None and (len(views) == limit or size > REPLY_BYTES):
            return views, last
        views.append(shown)
        last = row
    return views, None


def fitting(rows: Sequence[R], size: Callable[[R], int], limit: int) -> Sequence[R]:
    """The first rows, as many as fit `limit` and the reply by what is known of their sizes (bytes) before
    all that is shown of them is read; one always does.
    """
    total = 0
    for count, row in enumerate(rows[:limit]):
        total += size(row)
        if total > REPLY_BYTES and count:
            return rows[:count]
    return rows[:limit]


def sealed_cursor(position: list[Any], *scope: str) -> str:
    """A position that only a request with the same scope (app, list, filters) can use."""
    payload = to_json(position)
    return urlsafe_b64encode(_mac(keys_for("cursor")[0].bytes, payload, scope) + payload).decode().rstrip("=")


def opened_cursor(cursor: str, *scope: str) -> list[Any]:
    """The position in a cursor. Raises BadRequest for anything but an unchanged cursor of this scope."""
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        raw = b""
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    for again in (False, True):  # another process may have sealed it with a newer secret
        if again:
            reread()
        if any(hmac.compare_digest(mac, _mac(key.bytes, payload, scope)) for key in keys_for("cursor")):
            return list(from_json(payload))
    raise BadRequest("Invalid field: cursor (it belongs to another list, or is damaged: begin without it)")


def _mac(key: bytes, payload: bytes, scope: tuple[str, ...]) -> bytes:
    return hmac.new(key, to_json(scope) + b"\0" + payload, sha256).digest()[:_MAC_BYTES]
