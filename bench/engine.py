"""The service in this process, on dynoxide with an empty table of the template: for what is counted."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from botocore.session import get_session
from genai_voice.foundation.settings import get_settings
from genai_voice.foundation.table import Item

from bench.images import Row
from bench.workload import ENVIRONMENT, log_to_nowhere
from tests.support.gemini import ask_instead, serve_gemini
from tests.support.service import load_template, note_that_apps_are_split
from tests.support.strict import run_engine


@contextmanager
def serve_fresh_table(folder: Path | None = None) -> Iterator[None]:
    """Once in a process: the service keeps its settings and its connection. The table's file lies in
    `folder`, or where temporary files do. It is as a sweep has left it.
    """
    with (
        TemporaryDirectory(prefix="genai-voice-bench-", dir=folder) as name,
        run_engine(Path(name)) as endpoint,
    ):
        secret = Path(name, "deployment-secret")
        secret.write_text('{"id": "k1", "key": "only for measurements"}', encoding="utf-8")
        os.environ.update(ENVIRONMENT, DYNAMODB_ENDPOINT=endpoint, DEPLOYMENT_SECRET_FILE=str(secret))
        for variable in ("ALLOWED_ORIGINS", "DEPLOYMENT_SECRET_ARN"):
            os.environ.pop(variable, None)
        for table in load_template().tables:
            find_client().create_table(**table.definition)
        note_that_apps_are_split()
        with log_to_nowhere(), serve_gemini() as gemini, ask_instead(gemini):
            yield


def find_client() -> Any:
    """The service's own DynamoDB client."""
    return Item._get_connection().connection.client


def read_row(key: Row) -> Row | None:
    """Read an item, by a client that nobody watches."""
    asked = {"TableName": get_settings().table_name, "Key": key, "ConsistentRead": True}
    found: Row | None = _find_reader().get_item(**asked).get("Item")
    return found


def read_partition(pk: str) -> list[Row]:
    """Read all items of a partition, the same way."""
    asked = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": pk}}}
    pages = _find_reader().get_paginator("query").paginate(TableName=get_settings().table_name, **asked)
    return [item for page in pages for item in page["Items"]]


def read_table() -> Iterator[Row]:
    """Read all items, the same way."""
    for page in _find_reader().get_paginator("scan").paginate(TableName=get_settings().table_name):
        yield from page["Items"]


def _find_reader() -> Any:
    meta = find_client().meta
    return _make_reader(meta.region_name, meta.endpoint_url)


@cache
def _make_reader(region: str, endpoint: str) -> Any:
    return get_session().create_client("dynamodb", region, endpoint_url=endpoint)
