"""docs/openapi.json says what the code does, in words that others understand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from genai_voice.foundation.endpoints import Endpoint
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from pydantic import TypeAdapter

from local.build.openapi import build_document, format_document, locate_reply
from local.project import Project
from tests.support.service import ROOT, list_endpoints
from tests.support.valid import name_endpoint

WRITTEN = Project.read({}).openapi.read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = json.loads(WRITTEN)
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
EVENTS = {file: json.loads(file.read_text()) for file in sorted((ROOT / "events").glob("*.json"))}
ENDPOINTS = {name_endpoint(endpoint): endpoint for endpoint in list_endpoints()}

each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)


def test_the_document_is_that_of_the_code() -> None:
    assert format_document(ROOT) == WRITTEN, "`make openapi` writes it anew"


def test_it_is_valid() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    validate(DOCUMENT)


def test_its_operations_are_the_endpoints() -> None:
    assert OPERATIONS.keys() == ENDPOINTS.keys()


def test_every_operation_has_a_name_of_its_own() -> None:
    assert len({each["operationId"] for each in OPERATIONS.values()}) == len(OPERATIONS)


@each_endpoint
def test_an_operation_says_what_it_does_and_every_status_it_answers(endpoint: Endpoint) -> None:
    operation = OPERATIONS[name_endpoint(endpoint)]
    assert operation["summary"].endswith("."), "its function needs a docstring"
    statuses = {int(status) for status in operation["responses"]}
    assert statuses == {endpoint.status, *endpoint.refusals, 500}
    refusals = [response for status, response in operation["responses"].items() if int(status) >= 400]
    assert all(schema_of(response) == "#/components/schemas/Error" for response in refusals)


def schema_of(response: dict[str, Any]) -> Any:
    found = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return found["content"]["application/json"]["schema"]["$ref"]


@each_endpoint
def test_an_operation_asks_for_credentials_where_its_endpoint_does(endpoint: Endpoint) -> None:
    asked = OPERATIONS[name_endpoint(endpoint)]["security"]
    assert bool(asked) == bool({"caller", "credentials"} & endpoint.wants.keys())
    assert ({} in asked) == (bool(asked) and endpoint.takes_body), "they may be in a body"


@each_endpoint
def test_an_operation_is_shown_with_a_payload_and_its_reply(endpoint: Endpoint) -> None:
    operation = OPERATIONS[name_endpoint(endpoint)]
    replies = list(examples(operation["responses"][str(endpoint.status)]))
    assert replies or endpoint.method == "HEAD", (
        "`make openapi` records what the payloads of events/ are answered"
    )
    for reply in replies:
        TypeAdapter(endpoint.reply).validate_json(json.dumps(reply), strict=True, extra="forbid")
    if "body" in endpoint.wants:
        assert list(examples(operation["requestBody"]))
    for example in [*replies, *examples(operation.get("requestBody", {}))]:
        assert "gvs_" not in json.dumps(example), "a session token"


@each_endpoint
def test_what_is_shown_has_the_shape_that_is_told(endpoint: Endpoint) -> None:
    operation = OPERATIONS[name_endpoint(endpoint)]
    shown = [operation["responses"][str(endpoint.status)], operation.get("requestBody", {})]
    media = [each["content"]["application/json"] for each in shown if "content" in each]
    assert len(media) == (endpoint.method != "HEAD") + endpoint.takes_body
    for each in media:
        for example in each.get("examples", {}).values():
            validator(each["schema"]).validate(example["value"])
    for parameter in operation.get("parameters", []):
        for example in parameter.get("examples", {}).values():
            validator(parameter["schema"]).validate(example["value"])


def examples(message: dict[str, Any]) -> Iterator[Any]:
    for media in message.get("content", {}).values():
        yield from (each["value"] for each in media.get("examples", {}).values())


def validator(schema: dict[str, Any]) -> Any:
    return OAS31Validator({**schema, "components": DOCUMENT["components"]})


def test_a_number_is_one_type_and_no_name_is_made_up() -> None:
    for branches in (each["anyOf"] for each in every_object(DOCUMENT) if "anyOf" in each):
        assert not {"integer", "number"} <= {branch.get("type") for branch in branches}
    assert all(schema.isidentifier() for schema in DOCUMENT["components"]["schemas"])


def every_object(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from every_object(each)


def test_the_text_under_a_field_is_its_description() -> None:
    view = DOCUMENT["components"]["schemas"]["ToolView"]["properties"]  # inherited
    assert view["parametersSchema"]["description"] == "JSON text."
    save = DOCUMENT["components"]["schemas"]["ConversationSave"][
        "properties"
    ]  # named differently on the wire
    assert save["startedAt"]["description"].startswith("Epoch ms;")


def test_every_reply_that_is_kept_has_its_payload() -> None:
    kept = {file.name for file in locate_reply(ROOT / "events" / "any").parent.glob("*")}
    assert kept <= {file.name for file in EVENTS}


TWO_OF_A_NAME = """
from genai_voice.foundation.http import Api
from typing_extensions import TypedDict

api = Api()


class Same(TypedDict):
    field: int


@api.get("/one")
def one() -> Same:
    return {"field": 1}


class Same(TypedDict):
    field: str


@api.get("/other")
def other() -> Same:
    return {"field": ""}
"""


def test_two_shapes_of_one_name_are_refused(tmp_path: Path) -> None:
    function = tmp_path / "functions" / "two"
    function.mkdir(parents=True)
    (function / "app.py").write_text(TWO_OF_A_NAME)
    with pytest.raises(ValueError, match="Two shapes have one name"):
        build_document(tmp_path)
