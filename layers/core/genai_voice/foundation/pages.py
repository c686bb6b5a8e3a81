"""Pages of lists: as many items as fit the reply, and a signed cursor where more are left."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, TypeVar

from pydantic_core import from_json, to_json

from genai_voice.foundation.errors import BadRequest
from genai_voice.foundation.model import Listing
from genai_voice.foundation.secret import derive_keys, refresh_roots

R = TypeVar("R")
V = TypeVar("V", bound=Mapping[str, Any])

REPLY_BYTES = 5 * 1024 * 1024
"""Of a reply. Lambda takes 6 MB as `count_wire_bytes` counts them."""

_MAC_BYTES = 16


def _sort_key(row: Any) -> str:
    return str(row.sk)


@dataclass(frozen=True, slots=True)
class PageRows(Generic[R, V]):
    """The rows of a list after a position, in the list's order, and how a reply shows them."""

    rows: Iterable[R]
    """Read only as far as the page goes: one row after it tells that more are left."""
    view: Callable[[R], V]
    last: R | None = None
    """The row after which the next page begins where all of `rows` fit the reply. None: nothing is left."""
    position: Callable[[R], str | None] = _sort_key
    """What the next page asks for the rows after: the row's sort key in the table or in the index."""
    limit: int | None = None
    """Rows of a page; None: as many as fit the reply."""
    is_shown: Callable[[R], bool] = lambda row: True
    """Which rows the list shows. Those left out take room too, so that a page reads no more for them."""
    order: Callable[[R], Any] | None = None
    """What a page is sorted by, where rows are read in another order than that of the list."""

    @classmethod
    def of(
        cls,
        listed: Iterable[R],
        limit: int,
        view: Callable[[R], V],
        *,
        narrow: Callable[[Sequence[R]], Iterable[R]] | None = None,
        position: Callable[[R], str | None] = _sort_key,
    ) -> "PageRows[R, V]":
        """Take the first `limit` rows of `listed`, which is read with `limit + 1` to see whether more are
        left.

        `narrow` makes of these the rows to show: it reads whole what an index knows in part, and leaves out
        what does not match any more. It may leave out all of them: the next page begins after the last row
        that was looked at.
        """
        if narrow is None:
            return cls(listed, view, position=position, limit=limit)
        read = list(listed)
        first = read[:limit]
        return cls(narrow(first), view, first[-1] if len(read) > limit else None, position)

    def fill(self) -> tuple[list[V], R | None]:
        """Fill a reply with views of the first rows, as many as fit it. Answers the views, and the last row
        of the page if more are left, else None.

        The first row is always shown: an item that no reply can hold must be made smaller by its view.
        """
        shown: list[tuple[R, V]] = []
        size, last, more = 0, None, False
        for number, row in enumerate(self.rows):
            view = self.view(row)
            size += count_wire_bytes(view)
            more = number == self.limit or (number > 0 and size > REPLY_BYTES)
            if more:
                break
            if self.is_shown(row):
                shown.append((row, view))
            last = row
        if self.order:
            order = self.order
            shown.sort(key=lambda each: order(each[0]))
        return [view for _, view in shown], last if more else None


def read_page(
    app: str, query: Listing, scope: Sequence[str], read: Callable[[str | None], PageRows[R, V]]
) -> tuple[list[V], str | None]:
    """Read one page of a list of the app. Answers its views, as many as fit the reply, and the cursor of the
    next page, None where there is none.

    `scope` names the list and the filters of the query: a cursor is refused (BadRequest) by any other list,
    filter or app. `read` is given the position after which the page begins, None for the first page. It is
    not called where the query asks for another app, which answers an empty page:

        views, cursor = read_page(app, query, ("annotations", quality), read)
        return add_optional(AnnotationPage(annotations=views), cursor=cursor)
    """
    if not query.is_for(app):
        return [], None
    page = read(str(read_cursor(query.cursor, app, *scope)[0]) if query.cursor else None)
    views, last = page.fill()
    last = last or page.last
    return views, None if last is None else sign_cursor([page.position(last)], app, *scope)


def count_wire_bytes(item: object) -> int:
    """Count the bytes of an item in a reply as Lambda does: the body becomes a JSON string, in which quotes
    and backslashes are escaped once more.
    """
    text = to_json(item)
    return len(text) + text.count(b'"') + text.count(b"\\") + 2


def take_fitting(rows: Sequence[R], size: Callable[[R], int], limit: int) -> Sequence[R]:
    """Take the first rows, as many as fit `limit` and the reply by their sizes (bytes), which are known
    before all that is shown of them is read. The first row is always taken.
    """
    total = 0
    for count, row in enumerate(rows[:limit]):
        total += size(row)
        if total > REPLY_BYTES and count:
            return rows[:count]
    return rows[:limit]


def sign_cursor(position: list[Any], *scope: str) -> str:
    """Sign a position, so that only a request with the same scope (app, list, filters) can use it."""
    payload = to_json(position)
    signed = _compute_mac(derive_keys("cursor")[0].bytes, payload, scope) + payload
    return urlsafe_b64encode(signed).decode().rstrip("=")


def read_cursor(cursor: str, *scope: str) -> list[Any]:
    """Read the position in a cursor. Raises BadRequest for anything but an unchanged cursor of this scope."""
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        raw = b""
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    for again in (False, True):  # another process may have signed it with a newer secret
        if again:
            refresh_roots()
        macs = [_compute_mac(key.bytes, payload, scope) for key in derive_keys("cursor")]
        if any(hmac.compare_digest(mac, each) for each in macs):
            return list(from_json(payload))
    raise BadRequest("Invalid field: cursor (it belongs to another list, or is damaged: begin without it)")


def _compute_mac(key: bytes, payload: bytes, scope: tuple[str, ...]) -> bytes:
    return hmac.new(key, to_json(scope) + b"\0" + payload, sha256).digest()[:_MAC_BYTES]
