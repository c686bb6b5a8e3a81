"""Of botocore the layer ships the services alone that functions call: all of it starts on what is left."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import botocore
import pytest
from genai_voice.foundation.aws import SERVICES

from local.build.botocore_data import drop_unused_services
from local.errors import LocalError
from tests.support.service import ROOT, list_groups

CORE = ROOT / "layers" / "core"
START = """
import importlib.util, sys
from pathlib import Path

import botocore.session
from botocore.exceptions import UnknownServiceError

root, built, *groups = sys.argv[1:]
for group in groups:
    spec = importlib.util.spec_from_file_location(group, Path(root) / "functions" / group / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(module.handler), group

from genai_voice.foundation import aws, queue
from genai_voice.foundation.table import Item

assert botocore.__file__.startswith(built), botocore.__file__
session = botocore.session.get_session()
assert sorted(session.get_available_services()) == sorted(aws.SERVICES)
made = [aws.open_client(each, connect_timeout_s=1, read_timeout_s=1, attempts=1) for each in aws.SERVICES]
made.append(queue._make_client("https://sqs.eu-central-1.amazonaws.com/1/a"))
made.append(Item._get_connection().connection.client)
print(*sorted({client.meta.service_model.service_name for client in made}))
try:
    session.create_client("s3", region_name="eu-central-1")
except UnknownServiceError:
    print("nothing else")
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """botocore as the build ships it, to be found before the installed one. Of the hundreds of services that
    are dropped one is copied, which saves seconds.
    """
    folder = tmp_path_factory.mktemp("libraries")
    installed = Path(botocore.__file__).parent

    def ignore(folder: str, names: list[str]) -> set[str]:
        services = {each for each in names if (installed / "data" / each).is_dir()}
        others = services - {*SERVICES, "s3"} if Path(folder) == installed / "data" else set()
        return others | {"__pycache__"}

    shutil.copytree(installed, folder / "botocore", ignore=ignore)
    drop_unused_services(folder)
    return folder


def test_every_handler_starts_and_every_client_opens(libraries: Path) -> None:
    groups = list_groups()
    path = os.pathsep.join(map(str, (libraries, CORE)))
    own = {"PYTHONPATH": path, "TABLE_NAME": "none", "AWS_REGION": "eu-central-1", "HOME": str(libraries)}
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    started = subprocess.run(  # noqa: S603 - what is under test
        [sys.executable, "-c", START, str(ROOT), str(libraries), *groups],
        env=own | keys,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert started.returncode == 0, started.stderr
    assert started.stdout.split("\n")[:2] == [" ".join(sorted(SERVICES)), "nothing else"]


def test_what_every_client_reads_is_left(libraries: Path) -> None:
    data = libraries / "botocore" / "data"
    beside = {each.name for each in data.iterdir() if each.is_file()}
    assert {"endpoints.json", "partitions.json", "sdk-default-configuration.json", "_retry.json"} <= beside
    assert {each.name for each in data.iterdir() if each.is_dir()} == set(SERVICES)


def test_a_service_that_botocore_does_not_have_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "botocore" / "data" / "dynamodb").mkdir(parents=True)
    with pytest.raises(LocalError, match="botocore does not know secretsmanager, sqs"):
        drop_unused_services(tmp_path)


def test_clients_are_opened_where_services_are_declared() -> None:
    """Types hold there that a service is a declared one."""
    opening = {
        str(file.relative_to(CORE / "genai_voice"))
        for file in (CORE / "genai_voice").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("create_client", "client_creator", "resource")
    }
    assert opening == {"foundation/aws.py"}
