"""The smallest valid body or query of an endpoint, made from its declaration, and what to break in it."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any, get_args

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
def read_schema(model: type[Request]) -> Schema:
    """Return the JSON schema of a model, made once as it costs milliseconds. It is for reading alone."""
    return model.model_json_schema(by_alias=True)


def make_minimal(schema: Schema, root: Schema | None = None) -> Any:
    """A value that fits: required fields only, the first branch of a union, one item where one is needed."""
    root = root or schema
    schema = resolve_schema(schema, root)
    if "examples" in schema:
        return deepcopy(schema["examples"][0])
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if "default" in schema:
        return deepcopy(schema["default"])
    kind = schema.get("type")
    if kind == "object":
        names = schema.get("required", [])
        return {name: make_minimal(schema["properties"][name], root) for name in names}
    if kind == "array":
        return [make_minimal(schema["items"], root)] if "items" in schema else []
    return {"string": "x", "number": 1, "integer": 1, "boolean": True, "null": None}[str(kind)]


def resolve_schema(schema: Schema, root: Schema) -> Schema:
    """Without references and unions: the first branch that is not null."""
    while "$ref" in schema or "anyOf" in schema:
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
        else:
            schema = next(each for each in schema["anyOf"] if each.get("type") != "null")
    return schema


def make_minimal_body(endpoint: Endpoint) -> dict[str, Any]:
    return dict(make_minimal(read_schema(endpoint.wants["body"]))) if "body" in endpoint.wants else {}


def make_minimal_query(endpoint: Endpoint) -> dict[str, str]:
    return dict(make_minimal(read_schema(endpoint.wants["query"]))) if "query" in endpoint.wants else {}


def list_required(endpoint: Endpoint) -> list[str]:
    model = endpoint.wants.get("body") or endpoint.wants.get("query")
    return list(read_schema(model).get("required", [])) if model else []


def is_tolerant(model: type[Request], name: str) -> bool:
    """Whether this field is a list whose unusable items are left out and counted."""
    field = next(each for each in model.model_fields.values() if each.alias == name)
    return any(hasattr(each, "ignored") for each in (field.annotation, *get_args(field.annotation)))


def break_bodies(endpoint: Endpoint) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path of the field, body in which it has a wrong type), for every field, those in list items too."""
    model = endpoint.wants["body"]
    root = read_schema(model)
    for name, schema in root.get("properties", {}).items():
        for value in _list_wrong_values(schema, root):
            yield name, {**make_minimal_body(endpoint), name: value}
        inner = resolve_schema(schema, root)
        if inner.get("type") == "array" and "items" in inner and not is_tolerant(model, name):
            yield from break_items(endpoint, name, inner["items"], root)


def break_items(
    endpoint: Endpoint, name: str, items: Schema, root: Schema
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same, for the fields of the items of a list."""
    fields = resolve_schema(items, root).get("properties", {})
    for field, schema in fields.items():
        for value in _list_wrong_values(schema, root):
            yield (
                f"{name}[1].{field}",
                {
                    **make_minimal_body(endpoint),
                    name: [make_minimal(items, root), {**make_minimal(items, root), field: value}],
                },
            )
    for field in resolve_schema(items, root).get("required", []):
        item = make_minimal(items, root)
        del item[field]
        yield f"{name}[0].{field}", {**make_minimal_body(endpoint), name: [item]}


def _list_wrong_values(schema: Schema, root: Schema) -> list[Any]:
    return _WRONG.get(str(resolve_schema(schema, root).get("type")), [])
