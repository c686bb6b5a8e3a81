"""The rows of a recorded table, as the engine has them and as the layer's models know them."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import genai_voice
from genai_voice.foundation.table import Item

from local.serve import connection, tables


def read_items(data: Path) -> list[dict[str, Any]]:
    """Read all items of the running service on this data folder, as DynamoDB's JSON."""
    here = connection.find_running(data)
    client = tables.open_client(here)
    try:
        pages = client.get_paginator("scan").paginate(TableName=here.table)
        return [item for page in pages for item in page["Items"]]
    finally:
        client.close()


def kinds() -> dict[str, type[Item]]:
    """The models of all rows, by the kind that is stored."""
    for module in pkgutil.walk_packages(genai_voice.__path__, "genai_voice."):
        import_module(module.name)
    return {kind: model for model in _subclasses(Item) if (kind := model.kind.get_discriminator(model))}


def _subclasses(of: type[Item]) -> Iterator[type[Item]]:
    for each in of.__subclasses__():
        yield each
        yield from _subclasses(each)
