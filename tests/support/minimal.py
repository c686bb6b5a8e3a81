"""The smallest valid body or query of an endpoint, made from its declaration, and what to break in it."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

from genai_voice.foundation.endpoints import Endpoint
from genai_voice.foundation.model import Request

Schema = dict[str, Any]

_WRONG = {
    "string": [5, True, [], {}],
    "number": ["5", True, [], {}],
    "integer": ["5", True, [], {}],
    "boolean": ["true", 1, [], {}],
    "array": [{}, 5],
    "object": [[], "x", 5],
}


@cache
def schema_of(model: type[Request]) -> Schema:
    """Return the JSON schema of a model, made once as it costs milliseconds. It is for reading alone."""
    return model.model_json_schema(by_alias=True)


def minimal(schema: Schema, root: Schema | None = None) -> Any:
    """A value that fits: required fields only, the first branch of a union, one item where one is needed."""
    root = root or schema
    schema = resolved(schema, root)
    if "examples" in schema:
        return deepcopy(schema["examples"][0])
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if "default" in schema:
        return deepcopy(schema["default"])
    kind = schema.get("type")
    if kind == "object":
        names = schema.get("required", [])
        return {name: minimal(schema["properties"][name], root) for name in names}
    if kind == "array":
        return [minimal(schema["items"], root)] if "items" in schema else []
    return {"string": "x", "number": 1, "integer": 1, "boolean": True, "null": None}[str(kind)]


def resolved(schema: Schema, root: Schema) -> Schema:
    """Without references and unions: the first branch that is not null."""
    while "$ref" in schema or "anyOf" in schema:
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
        else:
            schema = next(each for each in schema["anyOf"] if each.get("type") != "null")
    return schema


def body_of(endpoint: Endpoint) -> dict[str, Any]:
    return dict(minimal(schema_of(endpoint.wants["body"]))) if "body" in endpoint.wants else {}


def query_of(endpoint: Endpoint) -> dict[str, str]:
    return dict(minimal(schema_of(endpoint.wants["query"]))) if "query" in endpoint.wants else {}


def required_of(endpoint: Endpoint) -> list[str]:
    model = endpoint.wants.get("body") or endpoint.wants.get("query")
    return list(schema_of(model).get("required", [])) if model else []


def broken_bodies(endpoint: Endpoint) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path of the field, body in which it has a wrong type), for every field, those in list items too."""
    root = schema_of(endpoint.wants["body"])
    for name, schema in root.get("properties", {}).items():
        for value in _wrong(schema, root):
            yield name, {**body_of(endpoint), name: value}
        inner = resolved(schema, root)
        if inner.get("type") == "array" and "items" in inner:
            yield from _broken_items(endpoint, name, inner["items"], root)


def _broken_items(
    endpoint: Endpoint, name: str, items: Schema, root: Schema
) -> Iterator[tuple[str, dict[str, Any]]]:
    fields = resolved(items, root).get("properties", {})
    for field, schema in fields.items():
        for value in _wrong(schema, root):
            yield (
                f"{name}[1].{field}",
                {**body_of(endpoint), name: [minimal(items, root), {**minimal(items, root), field: value}]},
            )
    for field in resolved(items, root).get("required", []):
        item = minimal(items, root)
        del item[field]
        yield f"{name}[0].{field}", {**body_of(endpoint), name: [item]}


def _wrong(schema: Schema, root: Schema) -> list[Any]:
    return _WRONG.get(str(resolved(schema, root).get("type")), [])
