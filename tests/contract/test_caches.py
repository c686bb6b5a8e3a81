"""What a process remembers can be forgotten at once: no cache is left out."""

import functools
import os
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import cachetools
import genai_voice
import pytest
from genai_voice.foundation.caches import forget_all, list_caches, register_cache
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.secret import derive_keys
from genai_voice.foundation.settings import get_settings
from genai_voice.tenancy.resolver import find_by_secret

from tests.support.service import create_app


def modules() -> Iterator[ModuleType]:
    """All of the layer, whatever tests have loaded of it."""
    for module in pkgutil.walk_packages(genai_voice.__path__, "genai_voice."):
        yield import_module(module.name)


def caches() -> Iterator[tuple[str, object]]:
    """Every cache that outlives a call, by where it is."""
    for module in modules():
        for name, value in vars(module).items():
            if is_cache(value):
                yield f"{module.__name__}.{name}", value
            elif isinstance(value, type) and value.__module__ == module.__name__:
                for attribute, held in vars(value).items():
                    method = getattr(held, "__func__", held)
                    if is_cache(method):
                        yield f"{module.__name__}.{name}.{attribute}", method


def is_cache(value: object) -> bool:
    """Whether it is one of ours: functions of the standard library, such as urlsplit, have some too."""
    if isinstance(value, functools._lru_cache_wrapper):
        return str(value.__module__).startswith("genai_voice")
    return isinstance(value, cachetools.Cache)


def test_every_cache_is_registered() -> None:
    found = dict(caches())
    assert len(set(map(id, found.values()))) >= 10
    known = set(map(id, list_caches()))
    assert [place for place, cache in found.items() if id(cache) not in known] == []


def test_no_cache_is_lost_to_where_this_test_looks() -> None:
    found = {id(cache) for _, cache in caches()}
    assert all(id(cache) in found for cache in list_caches() if cache not in (LATE,))


LATE = register_cache(cachetools.LRUCache[str, str](1))


def test_forgetting_empties_every_cache(engine: None) -> None:
    app = create_app()
    assert find_by_secret(app.slug, app.secret, "127.0.0.1")
    make_key("APP", app.slug)
    LATE["a"] = "b"
    sizes = [_size(cache) for cache in list_caches()]
    assert sum(map(bool, sizes)) >= 5
    forget_all()
    assert not any(map(_size, list_caches()))


def test_what_was_forgotten_is_read_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    before, file = derive_keys("a purpose"), os.environ["DEPLOYMENT_SECRET_FILE"]
    assert get_settings().deployment_secret_file == file
    secret = f"{tmp_path}/another"
    with open(secret, "w") as another:  # noqa: PTH123 - a moment's file
        another.write('{"id": "k9", "key": "another"}')
    monkeypatch.setenv("DEPLOYMENT_SECRET_FILE", secret)
    assert derive_keys("a purpose") == before
    forget_all()
    assert derive_keys("a purpose") != before
    monkeypatch.undo()
    forget_all()
    assert derive_keys("a purpose") == before


def _size(cache: object) -> int:
    if isinstance(cache, cachetools.Cache):
        return len(cache)
    assert isinstance(cache, functools._lru_cache_wrapper)
    return cache.cache_info().currsize
