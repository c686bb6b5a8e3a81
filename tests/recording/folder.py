"""What is kept of a service that has written: its table, its seed's mark, and what it answered."""

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.serve.seeding import hash_inputs
from tests.support.service import ROOT

DATA = Path(__file__).resolve().parents[1] / "data"
SECRET = "the secret of the recorded apps"
"""Of every app in it."""
_TABLE, _MARK, _REPLIES = "dynamodb.sqlite", "seeded", "replies.json"


def list_folders() -> list[Path]:
    """List the folders that hold data of before, each named after the commit that wrote it."""
    return sorted(each for each in DATA.iterdir() if each.is_dir())


def write_deployment_secret(data: Path) -> None:
    """Give a data folder the key that only tests know: what is sealed, signed or hashed in the recorded
    tables was made with it.
    """
    secret = json.dumps({"id": "k1", "key": "of the recorded tables, and of no other " * 2})
    (data / "deployment-secret").write_text(secret + "\n")


def unpack(folder: Path, data: Path) -> None:
    """Make a data folder in which the service finds what was recorded, and the mark of today's demo data:
    else it would seed these over the recorded ones.
    """
    data.mkdir(parents=True, exist_ok=True)
    write_deployment_secret(data)
    (data / _MARK).write_text(hash_inputs(SECRET, ROOT, {"TABLE_NAME": "genai-voice"}))
    (data / _TABLE).write_bytes(lzma.decompress((folder / f"{_TABLE}.xz").read_bytes()))


def pack(data: Path, folder: Path, replies: Mapping[str, Any]) -> None:
    """Keep a data folder whose service has stopped, and what it answered."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).write_bytes((data / _MARK).read_bytes())
    (folder / f"{_TABLE}.xz").write_bytes(
        lzma.compress((data / _TABLE).read_bytes(), preset=9 | lzma.PRESET_EXTREME)
    )
    (folder / _REPLIES).write_text(_format(replies))


def _format(replies: Mapping[str, Any]) -> str:
    """As JSON with a line for each request and each command."""
    lists = [
        f"{json.dumps(name)}: [\n"
        + ",\n".join(json.dumps(each, ensure_ascii=False) for each in value)
        + "\n]"
        for name, value in replies.items()
    ]
    return "{" + ",\n".join(lists) + "}\n"


def read_replies(folder: Path) -> dict[str, Any]:
    """Read what the service answered that wrote this folder."""
    return dict(json.loads((folder / _REPLIES).read_text()))
