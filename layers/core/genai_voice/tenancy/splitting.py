"""Apps of before had one row. Each is given its credential row, once."""

from collections.abc import Callable
from itertools import islice

from cachetools import LRUCache

from genai_voice.foundation.caches import register_cache
from genai_voice.foundation.clock import get_now_ms
from genai_voice.tenancy.credential_rows import AppsSplitRow, CredentialFields, CredentialRow
from genai_voice.tenancy.rows import AppRow

_PAGE = 100  # apps that are looked at together
_SETTLED_MS = 60_000
"""How old the note must be to be believed: older than any request that may have missed a credential row."""

_settled: LRUCache[str, bool] = register_cache(LRUCache(1))
"""Whether this process has seen that all apps are split, which stays so."""


def split_apps(has_time_left: Callable[[], bool]) -> int:
    """Give each app that has no credential row its own, then note that all have one. Answers how many were
    given one; what time does not suffice for is found by the next call.
    """
    note, made, slugs = AppsSplitRow.of(), 0, AppRow.list_slugs()
    if note.find_stored():
        return 0
    while page := list(islice(slugs, _PAGE)):
        if not has_time_left():
            return made
        wanted = {slug: CredentialRow.of(slug) for slug in page}
        found = CredentialRow.find_all((row.pk, row.sk) for row in wanted.values())
        made += sum(insert_credentials(slug) for slug, row in wanted.items() if (row.pk, row.sk) not in found)
    note.created_at = get_now_ms()
    note.insert()
    return made


def insert_credentials(slug: str) -> bool:
    """Insert the credential row of an app as it is now, unless there is one: whoever changes credentials
    meanwhile writes it, and wins. Answers whether it was inserted.
    """
    app = AppRow.find_by_slug(slug)
    return app is not None and CredentialRow.of_app(app, {}).insert()


def make_note_to_read() -> AppsSplitRow | None:
    """Make the note that all apps are split, to be read with something else; None where it is known of."""
    return None if _settled else AppsSplitRow.of()


def record_note(note: AppsSplitRow | None) -> None:
    """Have this process know that all apps are split, where the note that was read says so."""
    if note and (note.created_at or 0) < get_now_ms() - _SETTLED_MS:
        _settled["settled"] = True


def find_unsplit(slug: str) -> CredentialFields | None:
    """Find the credentials of an app that has no credential row in its other one. None where all apps are
    split: then a slug that no app has costs no more than one that some app has.
    """
    return None if _settled else AppRow.find_by_slug(slug)
