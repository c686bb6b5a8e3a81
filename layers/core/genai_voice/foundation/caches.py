"""Every cache of a process is registered here, so that all of them can be emptied at once.

    @cache_results()                    what functools.cache does
    @cache_results(maxsize=50)          what functools.lru_cache(50) does
    _callers = register_cache(TTLCache(...))

tests/contract/test_caches.py finds a cache that is not registered. The connection to the table is none: see
`table.forget_connection`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from functools import _lru_cache_wrapper

T = TypeVar("T")


class _Clearable(Protocol):
    def clear(self) -> object: ...


C = TypeVar("C", bound=_Clearable)

_caches: list[object] = []
_clearing: list[Callable[[], object]] = []


def cache_results(maxsize: int | None = None) -> "Callable[[Callable[..., T]], _lru_cache_wrapper[T]]":
    """Keep what a function has answered for the same arguments: the last `maxsize` answers, or all of them.
    A decorator.
    """

    def decorate(function: Callable[..., T]) -> "_lru_cache_wrapper[T]":
        caching = lru_cache(maxsize)(function)
        _register(caching, caching.cache_clear)
        return caching

    return decorate


def register_cache(cache: C) -> C:
    """Have `forget_all` clear this cache too. Answers it."""
    _register(cache, cache.clear)
    return cache


def forget_all() -> None:
    """Empty every cache of this process: what it does next it does as a process that has just started."""
    for clear in _clearing:
        clear()


def list_caches() -> list[object]:
    """List the caches that `forget_all` empties."""
    return [*_caches]


def _register(cache: object, clear: Callable[[], object]) -> None:
    _caches.append(cache)
    _clearing.append(clear)
