"""Where the local service keeps its things, and how another process finds it."""

import json
import os
import stat
from pathlib import Path

import pytest

from local.errors import LocalError
from local.project import Project
from local.serve import connection, data_folder
from local.serve.connection import Connection
from local.serve.secret_files import prepare_deployment_secret, read_demo_secret

CONNECTION = Connection("http://127.0.0.1:1", "a-table", "eu-central-1", "/secret", "http://127.0.0.1:3000")


def test_the_variables_of_a_project_have_defaults() -> None:
    project = Project.read({})
    assert (project.port, project.region, project.table) == (3000, "us-east-1", "genai-voice")
    assert project.data == project.root / ".local"


def test_a_data_folder_may_be_relative_to_the_project_or_anywhere(tmp_path: Path) -> None:
    assert Project.read({"GENAI_VOICE_ROOT": str(tmp_path), "DATA_DIR": "mine"}).data == tmp_path / "mine"
    assert Project.read({"DATA_DIR": str(tmp_path)}).data == tmp_path


@pytest.mark.parametrize("port", ["x", "-1", "65536", "3000.0", "٣"])
def test_a_bad_port_is_told(port: str) -> None:
    with pytest.raises(LocalError, match=r"^PORT must be a number from 0 to 65535"):
        Project.read({"PORT": port})


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    made, file = read_demo_secret(tmp_path, {}), prepare_deployment_secret(tmp_path)
    kept = file.read_text()
    assert read_demo_secret(tmp_path, {}) == made
    assert prepare_deployment_secret(tmp_path).read_text() == kept
    assert set(json.loads(kept)) == {"id", "key"}
    assert len(json.loads(kept)["key"]) >= 64
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}


def test_a_given_demo_secret_is_not_kept(tmp_path: Path) -> None:
    assert read_demo_secret(tmp_path, {"DEMO_SECRET": "given"}) == "given"
    assert list(tmp_path.iterdir()) == []


def test_one_run_at_a_time_has_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "_PATIENCE_S", 0)
    lock = data_folder.claim(tmp_path)
    assert data_folder.is_claimed(tmp_path)
    with pytest.raises(LocalError, match="is in use by another run"):
        data_folder.claim(tmp_path)
    os.close(lock)
    assert not data_folder.is_claimed(tmp_path)
    os.close(data_folder.claim(tmp_path))


def test_a_data_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="cannot be used: Not a directory"):
        data_folder.claim(tmp_path / "file" / "data")


def test_a_long_log_begins_anew(tmp_path: Path) -> None:
    log = tmp_path / "handlers.log"
    log.write_bytes(b"x" * 100)
    data_folder.start_log(log)
    assert log.stat().st_size == 100
    log.write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    data_folder.start_log(log)
    assert log.stat().st_size == 0


def test_a_process_is_pointed_at_the_running_service(tmp_path: Path) -> None:
    lock = data_folder.claim(tmp_path)
    CONNECTION.write(tmp_path)
    environ = {"DATA_DIR": str(tmp_path), "AWS_PROFILE": "mine", "AWS_SESSION_TOKEN": "mine", "OTHER": "kept"}
    connection.connect(environ)
    os.close(lock)
    assert environ == {
        "DATA_DIR": str(tmp_path),
        "OTHER": "kept",
        "TABLE_NAME": "a-table",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "DYNAMODB_ENDPOINT": "http://127.0.0.1:1",
        "DEPLOYMENT_SECRET_FILE": "/secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


def test_a_process_that_names_a_table_is_left_alone() -> None:
    environ = {"TABLE_NAME": "deployed", "AWS_PROFILE": "mine"}
    connection.connect(environ)
    assert environ == {"TABLE_NAME": "deployed", "AWS_PROFILE": "mine"}


def test_a_service_that_does_not_run_is_told(tmp_path: Path) -> None:
    CONNECTION.write(tmp_path)  # left behind by a run that was killed
    (tmp_path / "lock").write_text("")
    with pytest.raises(LocalError, match="No local service is running on"):
        connection.connect({"DATA_DIR": str(tmp_path)})
    with pytest.raises(LocalError, match="No local service is running on"):
        connection.connect({"DATA_DIR": str(tmp_path / "nowhere")})
