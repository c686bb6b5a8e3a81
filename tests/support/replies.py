"""Replies to the payloads of events/, kept beside them for the OpenAPI document to show (`make openapi`)."""

import json
from pathlib import Path
from typing import Any

from local.build.openapi import locate_reply
from tests.support.service import Reply


def record(event: Path, reply: Reply) -> None:
    """Keep the reply, unless the one that is kept looks like it: ids and times are others each time."""
    file = locate_reply(event)
    if file.is_file() and outline(json.loads(file.read_text())) == outline(reply.json):
        return
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(_hide_credentials(reply.json), indent=2, ensure_ascii=False) + "\n")


def outline(value: Any) -> Any:
    """Keys and types."""
    if isinstance(value, dict):
        return {name: outline(each) for name, each in value.items()}
    if isinstance(value, list):
        return [outline(each) for each in value]
    return float if type(value) is int else type(value)


def _hide_credentials(reply: Any) -> Any:
    """No credential is kept, not even one that opens nothing."""
    return reply | {"sessionToken": "only-a-sample"} if "sessionToken" in reply else reply
