"""The tenant that asks, and the other one, whose rows must never be seen."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx

Json = dict[str, Any]

MINE, OTHER = "demo-dentist", "demo-ecommerce"
SECRET = "only-a-sample"
MARKER = "said-to-the-other-tenant"
OF_THE_OTHER = (MARKER, "lookup_order", "CB-2025")
"""Words that stand in its rows alone: what it was told, its tools, the orders of its scenario."""


def open_session(address: str) -> str:
    """A token of the tenant that asks."""
    asked = {"appSlug": MINE, "appSecret": SECRET}
    reply = httpx.post(f"{address}/api/auth/session", json=asked, trust_env=False)
    return str(reply.raise_for_status().json()["sessionToken"])


def fill_the_other(address: str, document: Path) -> None:
    """The document's examples are sent for the other tenant, with the marker in each of their texts in turn.

    Raises AssertionError where an operation that reads then shows nothing that could be recognised.
    """
    paths: Json = json.loads(document.read_text(encoding="utf-8"))["paths"]
    headers = {"Authorization": f"Bearer {SECRET}", "X-App-Slug": OTHER}
    with httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=30) as client:
        for method, path, operation in _operations(paths):
            if method in ("post", "patch"):
                for body in _bodies(operation):
                    client.request(method, path, json=body, headers=_shown(operation, "header"))
        for method, path, operation in _operations(paths):
            if method == "get":
                reply = client.get(path, params=_shown(operation, "query"))
                assert any(word in reply.text for word in OF_THE_OTHER), f"{path} shows nothing: {reply.text}"


def _operations(paths: Json) -> Iterator[tuple[str, str, Json]]:
    """Those with a caller."""
    for path, methods in paths.items():
        for method, operation in methods.items():
            if {"sessionToken": []} in operation["security"]:
                yield method, path, operation


def _bodies(operation: Json) -> Iterator[Json]:
    for example in operation["requestBody"]["content"]["application/json"].get("examples", {}).values():
        body = example["value"]
        for steps in _texts(body):
            yield _with_marker(body, steps)


def _texts(value: Any) -> Iterator[list[Any]]:
    """The steps to each text in it."""
    if isinstance(value, str):
        yield []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in items:
        yield from ([step, *steps] for steps in _texts(each))


def _with_marker(body: Json, steps: list[Any]) -> Json:
    marked: Any = deepcopy(body)
    here = marked
    for step in steps[:-1]:
        here = here[step]
    here[steps[-1]] = MARKER
    return dict(marked)


def _shown(operation: Json, place: str) -> dict[str, str]:
    """The examples of its parameters."""
    return {
        parameter["name"]: next(iter(parameter["examples"].values()))["value"]
        for parameter in operation.get("parameters", ())
        if parameter["in"] == place and "examples" in parameter
    }
