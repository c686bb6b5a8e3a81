"""The tenant that asks, and the other one, whose rows must never be seen."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

Json = dict[str, Any]

MINE, OTHER = "demo-dentist", "demo-ecommerce"
SECRET = "only-a-sample"
MARKER = "said-to-the-other-tenant"
OF_THE_OTHER = (MARKER, "lookup_order", "CB-2025", f"Greeting of {OTHER}")
"""Words that stand in its rows alone: what it was told, its tools, the orders of its scenario, the experiment
among its samples.
"""


def open_session(address: str) -> str:
    """A token of the tenant that asks."""
    asked = {"appSlug": MINE, "appSecret": SECRET}
    reply = httpx.post(f"{address}/api/auth/session", json=asked, trust_env=False)
    return str(reply.raise_for_status().json()["sessionToken"])


def fill(address: str, document: Path) -> None:
    """The document's examples are sent for both tenants: for the other one with the marker in each text in
    turn, so that it has whatever can be stored, under the same names.

    Raises AssertionError where an operation that reads then shows nothing that could be recognised.
    """
    paths: Json = json.loads(document.read_text(encoding="utf-8"))["paths"]
    with _client(address, MINE) as mine, _client(address, OTHER) as other:
        for method, path, operation in _operations(paths, "post", "patch"):
            headers = _shown(operation, "header")
            for body in _bodies(operation):
                mine.request(method, path, json=body, headers=headers)
                for marked in _marked(body):
                    other.request(method, path, json=marked, headers=headers)
        for method, path, operation in _operations(paths, "get"):
            if not operation.get("parameters"):
                continue  # the same for everybody
            reply = other.request(method, path, params=_shown(operation, "query"))
            assert any(word in reply.text for word in OF_THE_OTHER), f"{path} shows nothing: {reply.text}"


def _client(address: str, slug: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {SECRET}", "X-App-Slug": slug}
    return httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=30)


def _operations(paths: Json, *methods: str) -> Iterator[tuple[str, str, Json]]:
    """Those with a caller."""
    for path, operations in paths.items():
        for method in methods:
            if {"sessionToken": []} in operations.get(method, {}).get("security", ()):
                yield method, path, operations[method]


def _bodies(operation: Json) -> Iterator[Json]:
    content = operation["requestBody"]["content"]["application/json"]
    yield from (example["value"] for example in content.get("examples", {}).values())


def _marked(value: Any) -> Iterator[Any]:
    """Copies, each with the marker instead of another one of its texts."""
    if isinstance(value, str):
        yield MARKER
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from ([*value[:index], marked, *value[index + 1 :]] for marked in _marked(each))
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from ({**value, name: marked} for marked in _marked(each))


def _shown(operation: Json, place: str) -> dict[str, str]:
    """The examples of its parameters."""
    return {
        parameter["name"]: next(iter(parameter["examples"].values()))["value"]
        for parameter in operation.get("parameters", ())
        if parameter["in"] == place and "examples" in parameter
    }
