"""`make sam` without Docker, and what it hides from `sam local`."""

import os
from pathlib import Path

import pytest

from local.build.sam import build_command, build_environment, localize_template, main


def test_without_docker_it_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = {"PATH": os.environ["PATH"], "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    for environ in (nowhere, {"PATH": str(tmp_path)}):
        assert main(environ) == 1
        assert capsys.readouterr().err == "make sam needs Docker, and none is running here: start it.\n"


def test_neither_real_credentials_nor_another_table_reach_sam_local() -> None:
    given = {"AWS_SESSION_TOKEN": "real", "AWS_PROFILE": "real", "AWS_ACCESS_KEY_ID": "real"}
    table = {"TABLE_NAME": "deployed", "DYNAMODB_ENDPOINT": "https://elsewhere", "PORT": "1"}
    table["WEBHOOK_QUEUE_URL"] = "https://deployed"
    seen = build_environment(given | table)
    assert "real" not in seen.values()
    assert not {"TABLE_NAME", "DYNAMODB_ENDPOINT", "WEBHOOK_QUEUE_URL"} & set(seen)
    assert seen["PORT"] == "1"


def test_more_options_for_sam_local_are_taken_as_a_shell_would() -> None:
    flags = {"SAM_LOCAL_FLAGS": "--skip-pull-image --add-host 'a:b'"}
    assert build_command("invoke", "F", environ=flags)[-3:] == ["--skip-pull-image", "--add-host", "a:b"]


def test_functions_in_containers_see_no_queue_and_what_this_machine_has() -> None:
    given = {"TABLE_NAME": {"Ref": "Table"}, "QUEUE": {"Ref": "Queue"}, "LEVEL": "INFO", "AGE": 3}
    template = {
        "Globals": {"Function": {"Environment": {"Variables": given}}},
        "Resources": {"Table": {"Type": "AWS::DynamoDB::Table"}, "Queue": {"Type": "AWS::SQS::Queue"}},
    }
    seen = localize_template(template, {"TABLE_NAME": "here"})["Globals"]["Function"]["Environment"]
    assert seen["Variables"] == {"TABLE_NAME": "here", "QUEUE": "", "LEVEL": "INFO", "AGE": 3}
