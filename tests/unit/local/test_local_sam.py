"""`make sam` without Docker, and what it hides from `sam local`."""

import os
from pathlib import Path

import pytest

from local.sam import command, environment, main


def test_without_docker_it_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = {"PATH": os.environ["PATH"], "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    for environ in (nowhere, {"PATH": str(tmp_path)}):
        assert main(environ) == 1
        assert capsys.readouterr().err == "make sam needs Docker, and none is running here: start it.\n"


def test_neither_real_credentials_nor_another_table_reach_sam_local() -> None:
    given = {"AWS_SESSION_TOKEN": "real", "AWS_PROFILE": "real", "AWS_ACCESS_KEY_ID": "real"}
    table = {"TABLE_NAME": "deployed", "DYNAMODB_ENDPOINT": "https://elsewhere", "PORT": "1"}
    seen = environment(given | table)
    assert "real" not in seen.values()
    assert not {"TABLE_NAME", "DYNAMODB_ENDPOINT"} & set(seen)
    assert seen["PORT"] == "1"


def test_more_options_for_sam_local_are_taken_as_a_shell_would() -> None:
    flags = {"SAM_LOCAL_FLAGS": "--skip-pull-image --add-host 'a:b'"}
    assert command("invoke", "F", environ=flags)[-3:] == ["--skip-pull-image", "--add-host", "a:b"]
