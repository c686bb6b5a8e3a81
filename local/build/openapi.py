"""Write the OpenAPI document: what the endpoints declare, with the payloads of events/ as examples.

    python -m local.build.openapi     writes docs/openapi.json

Nothing is said twice: paths, credentials, shapes, statuses and texts are those of the declarations. An
operation is called `<group>_<function>`, a schema as its class: generated clients take these names.
"""

import ast
import inspect
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any, get_origin

import genai_voice
from genai_voice.foundation.errors import Refused
from genai_voice.foundation.http import MEGABYTE, Api, Endpoint
from pydantic import TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from local.project import Project
from local.serve.worker import load_module

Json = dict[str, Any]

_SCHEMA = "#/components/schemas/{model}"
_ABOUT = """\
Everything behind a voice agent: who may talk, what was said, what the agent may do.

A caller shows an app's secret with the app's slug, which only servers may hold, or a session token, which a
browser may. Both come in headers or in the query; where there is a body they may be in it instead.

An error is an object with a sentence in `error`. A list that goes on has a `cursor`: send it to get the rest.
"""
_CREDENTIALS: Json = {
    "sessionToken": {"type": "string", "description": "Instead of a header: a session token."},
    "appSlug": {"type": "string", "description": "Instead of a header: the app, with `appSecret`."},
    "appSecret": {"type": "string", "description": "Instead of a header: the secret of `appSlug`."},
}
_SECURITY_SCHEMES: Json = {
    "sessionToken": {"type": "http", "scheme": "bearer", "description": "A session token."},
    "appSecret": {"type": "http", "scheme": "bearer", "description": "An app's secret, with X-App-Slug."},
    "appSlug": {"type": "apiKey", "in": "header", "name": "X-App-Slug"},
    "sessionTokenInQuery": {"type": "apiKey", "in": "query", "name": "sessionToken"},
    "appSecretInQuery": {"type": "apiKey", "in": "query", "name": "appSecret"},
    "appSlugInQuery": {"type": "apiKey", "in": "query", "name": "appSlug"},
}
_SECRET: Json = {"appSecret": [], "appSlug": []}
_TOKEN: Json = {"sessionToken": []}
_IN_QUERY: list[Json] = [{"sessionTokenInQuery": []}, {"appSecretInQuery": [], "appSlugInQuery": []}]
_NOT_FOR = {
    "manage": "Not for session tokens that their app limits to runtime calls.",
    "secret": "Not for session tokens.",
}
_IN_BODY: Json = {}
"""OpenAPI has no word for credentials in a body: none in headers or query may be right."""
_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "A sentence for people."},
        "reason": {"type": "string", "description": "Why a caller with a valid credential may not."},
        "details": {"type": "string", "description": "Why no live token was made."},
    },
}


def format_document(root: Path) -> str:
    """Format the document of the project in this folder as it is written into its file."""
    return json.dumps(build_document(root), indent=2, ensure_ascii=False) + "\n"


def build_document(root: Path) -> Json:
    """Build the document of the project in this folder."""
    apis = dict(_find_apis(root))
    operations = [
        _Operation(group, endpoint, root)
        for group, (api, _) in apis.items()
        for endpoint in api.endpoints.values()
    ]
    shapes, schemas = _build_schemas(operations)
    paths: Json = {}
    for each in sorted(operations, key=lambda each: (each.endpoint.path, each.endpoint.method)):
        described = each.describe(shapes, schemas)
        paths.setdefault(each.endpoint.path, {})[each.endpoint.method.lower()] = described
    statuses = {status for each in operations for status in each.endpoint.refusals}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "GenAI Voice Backend",
            "version": genai_voice.__version__,
            "description": _ABOUT,
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": group, "description": doc} for group, (_, doc) in apis.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": _describe_refusals(statuses),
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _find_apis(root: Path) -> Iterator[tuple[str, tuple[Api, str]]]:
    """Find the endpoints of each function that has some, and the text that describes the function."""
    for file in sorted(root.glob("functions/*/app.py")):
        module = load_module(f"openapi_{file.parent.name}", file)
        if api := getattr(module, "api", None):
            yield file.parent.name, (api, _join_lines(module.__doc__ or ""))


class _Operation:
    """One endpoint, and the payloads of events/ that show it."""

    def __init__(self, group: str, endpoint: Endpoint, root: Path) -> None:
        self.group, self.endpoint = group, endpoint
        self.id = f"{group}_{endpoint.call.__name__}"
        self.asked: dict[str, Json] = {}
        self.answered: Json = {}
        for file in sorted((root / "events").glob(f"{group}.*.json")):
            event = json.loads(file.read_text())
            if event["routeKey"] == f"{endpoint.method} {endpoint.path}":
                case = file.stem.partition(".")[2]
                self.asked[case] = event
                if (reply := locate_reply(file)).is_file():
                    self.answered[case] = {"value": json.loads(reply.read_text())}

    def describe(self, shapes: dict[tuple[str, str], Json], schemas: Json) -> Json:
        """Describe the endpoint as an OpenAPI operation."""
        endpoint = self.endpoint
        summary, *more = _join_lines(endpoint.call.__doc__ or "").split("\n\n")
        if endpoint.scope in _NOT_FOR:
            more.append(_NOT_FOR[endpoint.scope])
        for model in (endpoint.wants[part] for part in ("query", "body") if part in endpoint.wants):
            if any(field.is_required() for field in model.model_fields.values()):
                more.append(f"Answers 400 `{model.missing}` where a required field is absent, null or empty.")
        found: Json = {"operationId": self.id, "tags": [self.group], "summary": summary}
        if more:
            found["description"] = "\n\n".join(more)
        found["security"] = self._describe_security()
        if parameters := [*self._describe_query(), *self._describe_trace_id()]:
            found["parameters"] = parameters
        if endpoint.method != "GET":
            found["requestBody"] = self._describe_body(shapes, schemas)
        found["responses"] = self._describe_responses(shapes)
        return found

    def _describe_security(self) -> list[Json]:
        in_body = [] if self.endpoint.method == "GET" else [_IN_BODY]
        if self.endpoint.scope == "secret":
            return [_SECRET, _IN_QUERY[1], *in_body]
        if "caller" in self.endpoint.wants:
            return [_TOKEN, _SECRET, *_IN_QUERY, *in_body]
        return [_SECRET, *in_body] if self.endpoint.headers_as_body else []

    def _describe_query(self) -> Iterator[Json]:
        model = self.endpoint.wants.get("query")
        if model is None:
            return
        schema = TypeAdapter(model).json_schema(schema_generator=_Schemas)
        for name, field in schema.get("properties", {}).items():
            field.pop("default", None)
            described = field.pop("description", None)
            shape = _drop_null(field)
            is_number = shape.get("type") in ("integer", "number")
            yield {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                **({"description": described} if described else {}),
                "schema": shape,
                **_make_examples(
                    {case: event.get("queryStringParameters") for case, event in self.asked.items()},
                    name,
                    json.loads if is_number else str,
                ),
            }

    def _describe_trace_id(self) -> Iterator[Json]:
        if "trace_id" in self.endpoint.wants:
            yield {
                "name": "X-Trace-Id",
                "in": "header",
                "description": "What belongs to one turn of a conversation carries the same.",
                "schema": {"type": "string", "maxLength": 1000},
                **_make_examples(
                    {case: event["headers"] for case, event in self.asked.items()}, "x-trace-id"
                ),
            }

    def _describe_body(self, shapes: dict[tuple[str, str], Json], schemas: Json) -> Json:
        shape = shapes.get((self.id, "body"), {"$ref": _SCHEMA.format(model="Credentials")})
        schema = schemas.setdefault(_read_name(shape), {"type": "object"})
        if self._describe_security():
            schema["properties"] = {**schema.get("properties", {}), **_CREDENTIALS}
        if self.endpoint.headers_as_body:
            schema["required"] = [each for each in schema["required"] if each not in _CREDENTIALS]
        bodies = {case: json.loads(event.get("body") or "{}") for case, event in self.asked.items()}
        return {
            "description": f"At most {self.endpoint.body_limit // MEGABYTE} MB.",
            "required": not self.endpoint.lenient_body,
            "content": _make_content(shape, {case: {"value": body} for case, body in bodies.items()}),
        }

    def _describe_responses(self, shapes: dict[tuple[str, str], Json]) -> Json:
        endpoint = self.endpoint
        found = {
            str(endpoint.status): {
                "description": "Done.",
                "content": _make_content(shapes[self.id, "reply"], self.answered),
            }
        }
        for status in endpoint.refusals:
            found[str(status)] = {"$ref": f"#/components/responses/{_find_refusal(status).__name__}"}
        return found | {"500": {"$ref": "#/components/responses/Fault"}}


class _Schemas(GenerateJsonSchema):
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


def _build_schemas(operations: list["_Operation"]) -> tuple[dict[tuple[str, str], Json], Json]:
    """Build a reference for each body and reply, and the schemas by name. Raises ValueError where two classes
    would share a name.
    """
    wanted = {(each.id, "reply"): each.endpoint.reply for each in operations}
    wanted |= {
        (each.id, "body"): each.endpoint.wants["body"] for each in operations if "body" in each.endpoint.wants
    }
    found, definitions = TypeAdapter.json_schemas(
        [(key, "validation", TypeAdapter(shape)) for key, shape in wanted.items()],
        ref_template=_SCHEMA,
        schema_generator=_Schemas,
    )
    schemas = {**definitions.get("$defs", {}), "Error": _ERROR}
    if shared := [name for name in schemas if "__" in name]:
        raise ValueError(f"Two shapes have one name: {', '.join(shared)}")
    return {key: schema for (key, _), schema in found.items()}, schemas


def _describe_fields(schema: Json, cls: type | None) -> Json:
    schema.pop("title", None)
    if "description" in schema:
        schema["description"] = _join_lines(schema["description"])
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
                docs[name] = _join_lines(doc)
    return docs


def _join_lines(doc: str) -> str:
    """Join the lines within each paragraph."""
    return "\n\n".join(" ".join(each.split()) for each in inspect.cleandoc(doc).split("\n\n"))


def _drop_null(schema: Json) -> Json:
    """Remove null from a parameter's schema: a parameter in a query is there or not."""
    branches = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return branches[0] if len(branches) == 1 else schema


def _read_name(shape: Json) -> str:
    return str(shape["$ref"]).rpartition("/")[2]


def _make_content(schema: Json, examples: Json) -> Json:
    return {"application/json": {"schema": schema, **({"examples": examples} if examples else {})}}


def _make_examples(cases: dict[str, Json | None], name: str, read: Callable[[str], Any] = str) -> Json:
    found = {case: {"value": read(given[name])} for case, given in cases.items() if given and name in given}
    return {"examples": found} if found else {}


def _find_refusal(status: int) -> type[Refused]:
    return next(each for each in Refused.__subclasses__() if each.status == status)


def _describe_refusals(statuses: set[int]) -> Json:
    content = _make_content({"$ref": _SCHEMA.format(model="Error")}, {})
    found = {
        refusal.__name__: {
            "description": _join_lines(refusal.__doc__ or refusal.__name__),
            "content": content,
        }
        for refusal in map(_find_refusal, sorted(statuses))
    }
    return found | {"Fault": {"description": "A fault of the service.", "content": content}}


def locate_reply(event: Path) -> Path:
    """Return the file that keeps the reply to a payload of events/, as it was once given."""
    return event.parent / "replies" / event.name


if __name__ == "__main__":
    project = Project.read({})
    project.openapi.write_text(format_document(project.root), encoding="utf-8")
