"""The apps that this process knows. Each is read at most once in 30 s, whoever asks and with whatever
credential, so what all calls of an app share does not grow with their number.
"""

from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock

from cachetools import TTLCache

from genai_voice.foundation.caches import register_cache
from genai_voice.foundation.clock import get_now_ms
from genai_voice.tenancy.model import App
from genai_voice.tenancy.rows import AppRow

KEPT_MS = 30_000


@dataclass(frozen=True, slots=True)
class KnownApp:
    """An app, and what of it decides about its session tokens."""

    app: App
    is_active: bool
    is_runtime_only: bool
    """Whether its session tokens may only hold conversations."""
    tokens_revoked_at: float
    """Epoch ms; -1 where they never were."""


_apps: TTLCache[str, Future[KnownApp | None]] = register_cache(TTLCache(10_000, KEPT_MS, timer=get_now_ms))
"""By slug. The 30 s begin before an app is read, and whoever asks meanwhile waits for what is read."""
_lock = Lock()


def find_app(slug: str) -> KnownApp | None:
    """Find the app as it was within the last 30 s, or None where there is none."""
    with _lock:
        reading = _apps.get(slug)
        if reading is None:
            mine = _apps[slug] = Future()
    if reading is not None:
        return reading.result()
    try:
        mine.set_result(_read_app(slug))
    except BaseException as fault:
        _forget(slug, mine)
        mine.set_exception(fault)
    return mine.result()


def forget_apps(slug: str | None = None) -> None:
    """Forget this app, or all: the next who asks reads it, also while it is being read for others."""
    with _lock:
        for known in [slug] if slug else list(_apps):
            _apps.pop(known, None)


def _forget(slug: str, reading: "Future[KnownApp | None]") -> None:
    """Forget a reading that has failed, unless another has begun."""
    with _lock:
        if _apps.get(slug) is reading:
            del _apps[slug]


def _read_app(slug: str) -> KnownApp | None:
    row = AppRow.find_by_slug(slug)
    if row is None:
        return None
    revoked = -1 if row.tokens_revoked_at is None else row.tokens_revoked_at
    return KnownApp(row.as_app(), row.is_active, row.browser_scope == "runtime", revoked)
