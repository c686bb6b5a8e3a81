"""The schemas of the OpenAPI document, made of the classes that endpoints declare."""

import ast
import inspect
from collections.abc import Mapping
from itertools import pairwise
from textwrap import dedent
from typing import Any, get_origin

from pydantic import TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

Json = dict[str, Any]

REFERENCE = "#/components/schemas/{model}"


def build_schemas(shapes: Mapping[tuple[str, str], Any]) -> tuple[dict[tuple[str, str], Json], Json]:
    """Build a reference for each shape, and the schemas by name. Raises ValueError where two classes would
    share a name.
    """
    found, definitions = TypeAdapter.json_schemas(
        [(key, "validation", TypeAdapter(shape)) for key, shape in shapes.items()],
        ref_template=REFERENCE,
        schema_generator=SchemaGenerator,
    )
    schemas = definitions.get("$defs", {})
    if shared := [name for name in schemas if "__" in name]:
        raise ValueError(f"Two shapes have one name: {', '.join(shared)}")
    return {key: schema for (key, _), schema in found.items()}, schemas


class SchemaGenerator(GenerateJsonSchema):
    """Schemas as clients want them: named by their keys alone, numbers of one type, fields described."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        return _describe_fields(super().typed_dict_schema(schema), schema.get("cls"))

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return _describe_fields(super().model_schema(schema), schema["cls"])

    def union_schema(self, schema: core_schema.UnionSchema) -> JsonSchemaValue:
        found = super().union_schema(schema)
        branches = found.get("anyOf", [])
        if any(each.get("type") == "number" for each in branches):
            branches[:] = [each for each in branches if each.get("type") != "integer"]
        return dict(branches[0]) if len(branches) == 1 else found


def _describe_fields(schema: Json, cls: type | None) -> Json:
    schema.pop("title", None)
    if "description" in schema:
        schema["description"] = join_lines(schema["description"])
    for field in schema["properties"].values():
        if field.get("default", ...) is None:
            del field["default"]
    for name, doc in _read_attribute_docs(cls).items() if cls else ():
        for field in {name, to_camel(name)} & schema["properties"].keys():
            schema["properties"][field].setdefault("description", doc)
    return schema


def _read_attribute_docs(cls: type) -> dict[str, str]:
    """Read the text under each field of a class. pydantic could read them when it makes a class, but a cold
    start would pay for it.
    """
    if cls.__module__.startswith(("builtins", "pydantic", "typing")):
        return {}
    docs: dict[str, str] = {}
    for base in getattr(cls, "__orig_bases__", cls.__bases__):
        docs |= _read_attribute_docs(get_origin(base) or base)
    body = ast.parse(dedent(inspect.getsource(cls))).body[0].body  # type: ignore[attr-defined]  # it is a class
    for statements in pairwise(body):
        match statements:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(doc))):
                docs[name] = join_lines(doc)
    return docs


def join_lines(doc: str) -> str:
    """Join the lines within each paragraph."""
    return "\n\n".join(" ".join(each.split()) for each in inspect.cleandoc(doc).split("\n\n"))


def drop_null(schema: Json) -> Json:
    """Remove null from a parameter's schema: a parameter in a query is there or not."""
    branches = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return branches[0] if len(branches) == 1 else schema
