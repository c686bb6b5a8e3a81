"""Write the OpenAPI document: what the endpoints declare, with the payloads of events/ as examples.

    python -m local.build.openapi     writes docs/openapi.json

Nothing is said twice: paths, credentials, shapes, statuses and texts are those of the declarations. An
operation is called `<group>_<function>`, a schema as its class: generated clients take these names.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import genai_voice
from genai_voice.foundation.endpoints import MEGABYTE, Endpoint
from genai_voice.foundation.errors import Refused
from genai_voice.foundation.http import Api
from pydantic import TypeAdapter

from local.build.openapi_schemas import REFERENCE, Json, SchemaGenerator, build_schemas, drop_null, join_lines
from local.project import Project
from local.serve.worker import load_module

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
        "missing": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The required fields that are absent, null or empty.",
        },
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
    wanted = {(each.id, "reply"): each.endpoint.reply for each in operations}
    wanted |= {
        (each.id, "body"): each.endpoint.wants["body"] for each in operations if "body" in each.endpoint.wants
    }
    shapes, schemas = build_schemas(wanted)
    schemas["Error"] = _ERROR
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
            yield file.parent.name, (api, join_lines(module.__doc__ or ""))


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
        summary, *more = join_lines(endpoint.call.__doc__ or "").split("\n\n")
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
        if endpoint.takes_body:
            found["requestBody"] = self._describe_body(shapes, schemas)
        found["responses"] = self._describe_responses(shapes)
        return found

    def _describe_security(self) -> list[Json]:
        in_body = [_IN_BODY] if self.endpoint.takes_body else []
        if self.endpoint.scope == "secret":
            return [_SECRET, _IN_QUERY[1], *in_body]
        if "caller" in self.endpoint.wants:
            return [_TOKEN, _SECRET, *_IN_QUERY, *in_body]
        return [_SECRET, *in_body] if self.endpoint.headers_as_body else []

    def _describe_query(self) -> Iterator[Json]:
        model = self.endpoint.wants.get("query")
        if model is None:
            return
        schema = TypeAdapter(model).json_schema(schema_generator=SchemaGenerator)
        for name, field in schema.get("properties", {}).items():
            field.pop("default", None)
            described = field.pop("description", None)
            shape = drop_null(field)
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
        shape = shapes.get((self.id, "body"), {"$ref": REFERENCE.format(model="Credentials")})
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
        done: Json = {"description": "Done."}
        if endpoint.method != "HEAD":
            done["content"] = _make_content(shapes[self.id, "reply"], self.answered)
        found = {str(endpoint.status): done}
        for status in endpoint.refusals:
            found[str(status)] = {"$ref": f"#/components/responses/{_find_refusal(status).__name__}"}
        return found | {"500": {"$ref": "#/components/responses/Fault"}}


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
    content = _make_content({"$ref": REFERENCE.format(model="Error")}, {})
    found = {
        refusal.__name__: {
            "description": join_lines(refusal.__doc__ or refusal.__name__),
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
