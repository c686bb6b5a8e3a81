"""The service as tests see it: real events go into the real handlers, rows are read back from the table."""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import md5
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from boto3.dynamodb.types import TypeDeserializer
from genai_voice.foundation.endpoints import Endpoint
from genai_voice.foundation.http import Api
from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import Item
from genai_voice.outcomes.rows import TallyRow
from genai_voice.tenancy import apps
from genai_voice.tenancy.credential_rows import AppsSplitRow
from genai_voice.tenancy.fields import AppFields, NewApp
from genai_voice.tools.rows import ExecutionRow
from pydantic import TypeAdapter

from local.serve.gateway import HttpRequest, build_event
from local.serve.template import Template
from local.serve.template_reader import read_template
from local.serve.worker import LambdaContext
from tests.support.policies import hold_to_policy

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "203.0.113.7"

Event = dict[str, Any]


@cache
def load_template() -> Template:
    return read_template(ROOT / "template.yaml", os.environ)


@cache
def load_function(group: str) -> ModuleType:
    """A function's module, imported by path, as Lambda does."""
    name = f"functions_{group}_app"
    spec = spec_from_file_location(name, ROOT / "functions" / group / "app.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def list_groups() -> list[str]:
    return sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))


def load_apis() -> dict[str, Api]:
    """What is declared, by group. Workers have no endpoints."""
    return {
        group: load_function(group).api for group in list_groups() if hasattr(load_function(group), "api")
    }


def list_endpoints() -> list[Endpoint]:
    """Everything that is declared anywhere: the walls are made of it."""
    return [endpoint for api in load_apis().values() for endpoint in api.endpoints.values()]


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def make_event(
    method: str,
    path: str,
    *,
    body: Any = None,
    raw: bytes | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    source: str = SOURCE,
) -> Event:
    """What API Gateway makes of this request. `body` is sent as JSON, `raw` as it is."""
    payload = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    given = {"host": "api.test", "content-type": "application/json", **(headers or {})}
    request = HttpRequest(
        method, path, urlencode(query or {}), list(given.items()), payload, source=source, protocol="HTTP/1.1"
    )
    found = load_template().find(method, path)
    assert found
    return build_event(request, found[0], str(uuid4()), datetime.now(UTC))


def handle(event: Event) -> Reply:
    """The reply of the function that the template routes this event to."""
    found = load_template().find(event["requestContext"]["http"]["method"], event["rawPath"])
    assert found
    group = load_template().functions[found[1]].folder.name
    with hold_to_policy(found[1]):
        answer = load_function(group).handler(event, None)
    json.dumps(answer)  # Lambda sends it as JSON
    reply = Reply(answer["statusCode"], answer["headers"], answer["body"])
    endpoint = load_function(group).api.endpoints.get(
        (event["requestContext"]["http"]["method"], event["rawPath"])
    )
    if endpoint and reply.status != 500:
        assert reply.status in (endpoint.status, *endpoint.refusals), f"undeclared: {reply}"
    if endpoint and reply.status == endpoint.status:
        _make_reply_type(endpoint.reply).validate_json(reply.text, strict=True, extra="forbid")
    return reply


@cache
def _make_reply_type(declared: Any) -> TypeAdapter[Any]:
    """What an endpoint says it answers: every reply of every test is held against it."""
    return TypeAdapter(declared)


def call(method: str, path: str, **request: Any) -> Reply:
    return handle(make_event(method, path, **request))


# -- workers -----------------------------------------------------------------------------------------------


def invoke(group: str, event: Any) -> Any:
    """What a worker answers to an event that is no request; it may do what its policy allows."""
    id_, declared = next(
        (id_, each) for id_, each in load_template().functions.items() if each.folder.name == group
    )
    deadline = time.monotonic() + declared.timeout_s
    context = LambdaContext(str(uuid4()), id_, declared.memory_mb, deadline)
    with hold_to_policy(id_):
        answer = load_function(group).handler(event, context)
    json.dumps(answer)  # Lambda sends it as JSON
    return answer


def work(group: str, bodies: Iterable[str]) -> list[str]:
    """Have the worker of a queue handle messages with these bodies. Answers those that failed."""
    event = make_queue_event(bodies)
    sent = {each["messageId"]: each["body"] for each in event["Records"]}
    return [sent[failed["itemIdentifier"]] for failed in invoke(group, event)["batchItemFailures"]]


def make_queue_event(bodies: Iterable[str]) -> dict[str, Any]:
    """What Lambda gives a function of messages in SQS."""
    return {"Records": [_make_record(body) for body in bodies]}


def _make_record(body: str) -> dict[str, Any]:
    now = str(int(time.time() * 1000))
    return {
        "messageId": str(uuid4()),
        "receiptHandle": "a-receipt",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": now,
            "SenderId": "AIDASAMPLE",
            "ApproximateFirstReceiveTimestamp": now,
        },
        "messageAttributes": {},
        "md5OfBody": md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:a-queue",
        "awsRegion": "us-east-1",
    }


def sweep() -> None:
    """The schedule's time has come: what EventBridge Scheduler sends."""
    invoke("sweep", {})


def note_that_apps_are_split() -> None:
    """What the sweep has noted some minutes after a deployment has begun: every app has a credential row."""
    note = AppsSplitRow.of()
    note.created_at = 0
    note.save()


# -- callers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Client:
    """Calls with the credentials of one app in the headers."""

    slug: str

    @property
    def secret(self) -> str:
        return f"the secret of {self.slug}"

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secret}", "x-app-slug": self.slug}

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        return call("POST", path, body=body, headers=self.headers | headers)

    def patch(self, path: str, body: Any) -> Reply:
        return call("PATCH", path, body=body, headers=self.headers)

    def delete(self, path: str, body: Any) -> Reply:
        return call("DELETE", path, body=body, headers=self.headers)

    def get(self, path: str, **query: str) -> Reply:
        return call("GET", path, query=query, headers=self.headers)

    def open_session(self, ttl_ms: int = 3_600_000) -> str:
        opened = self.post("/api/auth/session", {"ttlMs": ttl_ms})
        assert opened.status == 200, opened.text
        return str(opened.json["sessionToken"])


def create_app(slug: str | None = None, **fields: Any) -> Client:
    """A fresh app: tenancy is what keeps tests apart."""
    slug = slug or f"app-{uuid4().hex[:12]}"
    declared = {"name": "An app", "model_id": "a-model", "reply_as_audio": True, "system_prompt": "Be kind."}
    app = NewApp.model_validate(declared, by_name=True)
    extra = AppFields.model_validate(fields, by_name=True)
    client = Client(slug)
    apps.put_app(slug, app, client.secret, on_create=extra)
    return client


def read_pages(client: Client, path: str, items: str, **query: str) -> Iterator[list[Any]]:
    """Every page of a list."""
    cursor: dict[str, str] = {}
    seen: set[str] = set()
    while True:
        page = client.get(path, **query, **cursor).json
        assert page.get("cursor") not in seen, "a cursor leads in a circle"
        seen.add(page.get("cursor", ""))
        yield page[items]
        if "cursor" not in page:
            return
        cursor = {"cursor": page["cursor"]}


@dataclass
class Calls:
    """What was asked of DynamoDB."""

    operations: list[str] = field(default_factory=list)
    """In order; the attempts of one call count once."""
    written: list[str] = field(default_factory=list)
    """The sort keys of all items that were to be written."""

    def note(self, model: Any, params: dict[str, Any], **_: object) -> None:
        self.operations.append(model.name)
        asked = json.loads(params["body"])
        self.written += [str(item["sk"]["S"]) for item in _list_items_to_write(model.name, asked)]


def _list_items_to_write(operation: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    if operation in ("PutItem", "UpdateItem", "DeleteItem"):
        return [asked.get("Item") or asked["Key"]]
    if operation == "BatchWriteItem":
        return [
            request["PutRequest"]["Item"] for table in asked["RequestItems"].values() for request in table
        ]
    if operation == "TransactWriteItems":
        return [
            each.get("Item") or each["Key"] for change in asked["TransactItems"] for each in change.values()
        ]
    return []


@contextmanager
def record_calls() -> Iterator[Calls]:
    """What this process asks of DynamoDB meanwhile."""
    calls = Calls()
    events = find_client_events()
    note = calls.note
    events.register("before-call.dynamodb", note)
    try:
        yield calls
    finally:
        events.unregister("before-call.dynamodb", note)


def find_client_events() -> Any:
    """Where botocore tells what the service's DynamoDB client does."""
    return Item._get_connection().connection.client.meta.events


def read_rows(app: str, *sessions: str) -> list[dict[str, Any]]:
    """Every item of the app, of these sessions and of its experiments, as stored, in the order of their
    keys.
    """
    experiments = [
        to_plain(item["experiment_id"]) for item in read_partition(make_key("APP", app), "EXPERIMENT#")
    ]
    partitions = [
        make_key("APP", app),
        make_key("APP", app, "AUDIT"),
        make_key("APP", app, "CREDENTIAL"),
        make_key("APP", app, "DELIVERY"),
        *ExecutionRow.list_partitions(app),
        make_key("APP", app, "HANDOFF"),
        make_key("APP", app, "KNOWLEDGE"),
        make_key("APP", app, "VIOLATION"),
        make_key("APP", app, "QA_RECENT"),
        make_key("APP", app, "QA_RUN"),
        make_key("APP", app, "SCENARIO"),
        *(pk for experiment in experiments for pk in TallyRow.list_partitions(app, experiment)),
        *(make_key("APP", app, "SESSION", session) for session in sessions),
    ]
    found = [item for pk in sorted(partitions) for item in read_partition(pk)]
    return [{name: to_plain(value) for name, value in item.items()} for item in found]


def read_partition(pk: str, prefix: str = "") -> Iterator[dict[str, Any]]:
    """The items of one partition, or those whose sort keys begin with the prefix, as DynamoDB's JSON, in the
    order of their sort keys.
    """
    client = Item._get_connection().connection.client
    asked = {
        "TableName": os.environ["TABLE_NAME"],
        "KeyConditionExpression": "pk = :pk" + (" AND begins_with(sk, :sk)" if prefix else ""),
        "ExpressionAttributeValues": {":pk": {"S": pk}, **({":sk": {"S": prefix}} if prefix else {})},
        "ConsistentRead": True,
    }
    for page in client.get_paginator("query").paginate(**asked):
        yield from page["Items"]


def to_plain(value: Any) -> Any:
    """A value of DynamoDB's JSON as python has it."""
    return TypeDeserializer().deserialize(value)
