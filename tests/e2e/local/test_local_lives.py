"""The life of a run: how it starts, why it does not, how it ends, what is left."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.serve import connection, tables
from local.serve.template_reader import read_template
from tests.e2e.local.service import ROOT, Project, Service, body_of, needs_dynoxide

Start = Callable[..., Service]


def refused(service: Service) -> str:
    """What a run told that did not start: one sentence."""
    assert service.process.wait(30) == 1
    assert service.processes() == []
    assert service.output.count("\n") == 1, service.output
    return service.output.strip()


def test_a_busy_port_is_one_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused(start(PORT=str(port))) == (
            f"Port {port} cannot be used (Address already in use): set PORT to another one."
        )


def test_a_bad_port_is_one_sentence(start: Start) -> None:
    assert refused(start(PORT="http")) == "PORT must be a number from 0 to 65535, not 'http'."


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        ("http://127.0.0.1:9", "The DynamoDB of DYNAMODB_ENDPOINT does not answer at http://127.0.0.1:9."),
        ("here", "DYNAMODB_ENDPOINT must be an address such as http://127.0.0.1:8000, not 'here'."),
    ],
)
def test_a_missing_engine_is_one_sentence(start: Start, endpoint: str, sentence: str) -> None:
    assert refused(start(DYNAMODB_ENDPOINT=endpoint)) == sentence


def test_a_second_run_on_the_same_data_is_one_sentence(start: Start, project: Project) -> None:
    first = start()
    first.wait_for("Ctrl-C to stop")
    assert refused_while(first, start()) == (
        f"DATA_DIR {project.data} is in use by another run: stop that one, or give this one its own DATA_DIR."
    )
    assert first.get("/echo").status_code == 200


def refused_while(first: Service, second: Service) -> str:
    """As `refused`, where the project has another run."""
    assert second.process.wait(30) == 1
    assert first.process.poll() is None
    return second.output.strip()


def test_two_runs_with_their_own_data_do_not_meet(start: Start, tmp_path: Path) -> None:
    first, second = start(DATA_DIR=str(tmp_path / "one")), start(DATA_DIR=str(tmp_path / "two"))
    assert body_of(first.post("/store?key=k")) == {"stored": "k"}
    assert body_of(second.get("/store?key=k")) == {"found": False}


def test_a_broken_template_is_one_sentence(start: Start, project: Project) -> None:
    text = (project.root / "template.yaml").read_text()
    project.write("template.yaml", text.replace("CodeUri: functions/echo", "CodeUri: [functions/echo"))
    assert refused(start()).startswith("template.yaml, line 27 is no valid YAML: ")


def test_a_missing_function_is_one_sentence(start: Start, project: Project) -> None:
    (project.root / "functions/echo/app.py").unlink()
    assert refused(start()) == "EchoFunction: functions/echo/app.py does not exist."


def test_a_function_that_does_not_import_is_one_sentence(start: Start, project: Project) -> None:
    project.write("functions/echo/app.py", "import json\n\nimport genai_voice.nothing\n")
    assert refused(start()) == (
        "functions/echo/app.py, line 3: ModuleNotFoundError: No module named 'genai_voice.nothing'"
    )


def test_an_endpoint_where_nothing_answers_is_one_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert refused(start(DYNAMODB_ENDPOINT=address)) == (
        f"The DynamoDB of DYNAMODB_ENDPOINT does not answer at {address}."
    )
    assert refused(start(DYNAMODB_ENDPOINT="localhost")).startswith(
        "DYNAMODB_ENDPOINT must be an address such as"
    )


def test_seeding_that_fails_is_one_sentence(start: Start, project: Project) -> None:
    project.write("layers/core/genai_voice/seeding/service.py", "def seed_demos(secret):\n    yield 1 / 0\n")
    assert (
        "The demo apps could not be put into the table: ZeroDivisionError: division by zero"
        in refused_after_install(start())
    )


def refused_after_install(service: Service) -> str:
    """As `refused`, where the engine may have been installed before."""
    assert service.process.wait(60) == 1
    assert service.processes() == []
    return service.output.strip().splitlines()[-1]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(start: Start, project: Project, sign: signal.Signals) -> None:
    service = start()
    assert service.get("/echo").status_code == 200
    assert len(service.processes()) == 3
    assert service.end(sign) == 0
    assert service.processes() == []
    assert not (project.data / "connection.json").exists()


def test_a_signal_to_the_whole_group_lets_requests_finish(start: Start) -> None:
    service = start()
    client = service.curl("/echo?sleep=1")
    time.sleep(0.5)
    os.killpg(service.process.pid, signal.SIGINT)
    answer, _ = client.communicate(timeout=20)
    assert b"EchoFunction" in answer
    assert service.process.wait(20) == 0


@pytest.mark.parametrize("delay", [0.05, 0.3, 0.6, 0.9])
def test_a_signal_while_it_starts_ends_everything(start: Start, delay: float) -> None:
    service = start()
    time.sleep(delay)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(20) in (0, -signal.SIGTERM)
    assert service.processes() == []


def test_a_stuck_request_does_not_hold_up_the_end(start: Start) -> None:
    service = start()
    client = service.curl("/echo?sleep=60")
    time.sleep(0.5)
    began = time.monotonic()
    assert service.end() == 0
    assert time.monotonic() - began < 10
    assert service.processes() == []
    client.communicate(timeout=20)


@needs_dynoxide
@pytest.mark.parametrize("whole_group", [True, False], ids=["the whole group", "the parent alone"])
def test_data_survives_kill_9_and_nothing_else_does(start: Start, whole_group: bool) -> None:
    service = start()
    assert body_of(service.post("/store?key=kept")) == {"stored": "kept"}
    if whole_group:
        os.killpg(service.process.pid, signal.SIGKILL)
    else:
        service.process.kill()
    service.process.wait(20)
    again = start()
    assert body_of(again.get("/store?key=kept")) == {"found": True}
    assert "seeded with" not in again.output
    assert again.end() == 0
    assert again.processes() == []


def list_rights(data: Path) -> dict[str, str]:
    """The mode of the folder and of all files in it that somebody else has a right on."""
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in [data, *data.iterdir()]}
    return {name: oct(mode) for name, mode in modes.items() if mode & 0o077}


def test_what_is_in_the_data_folder_is_its_owners_alone(start: Start, project: Project) -> None:
    project.data.rmdir()
    before = os.umask(0)
    try:
        service = start()
        assert body_of(service.post("/store?key=k")) == {"stored": "k"}
        assert body_of(service.get("/echo"))
    finally:
        os.umask(before)
    assert len(list(project.data.iterdir())) > 5
    assert list_rights(project.data) == {}


def test_rights_that_others_have_had_so_far_are_taken_from_them(
    start: Start, project: Project, tmp_path: Path
) -> None:
    """As version 0.2.0 left it under the usual umask. What a link leads to is not ours."""
    foreign = tmp_path / "foreign"
    foreign.write_text("somebody else's")
    foreign.chmod(0o644)
    (project.data / "link").symlink_to(foreign)
    (project.data / "script").touch(0o755)
    assert start().end_after("Ctrl-C to stop") == 0
    for each in project.data.iterdir():
        if not each.is_symlink():
            each.chmod(0o644)
    (project.data / "script").chmod(0o755)
    project.data.chmod(0o755)
    start().wait_for("Ctrl-C to stop")
    assert list_rights(project.data) == {"link": "0o644"}
    assert stat.S_IMODE((project.data / "script").stat().st_mode) == 0o700


def test_a_folder_of_somebody_else_is_one_sentence(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "theirs"
    data.mkdir(mode=0o777)
    try:
        os.chown(data, 12345, -1)
    except PermissionError:
        pytest.skip("only root may give a folder away")
    assert refused(start(DATA_DIR=str(data))).startswith(f"DATA_DIR {data} is somebody else's folder")


def test_the_engines_death_is_told(start: Start) -> None:
    service = start()
    service.wait_for("Ctrl-C to stop")
    engine = next(
        each for each in service.processes() if b"--port" in command(each) or b"moto" in command(each)
    )
    os.kill(engine, signal.SIGKILL)
    assert service.process.wait(20) == 1
    assert "has ended with exit code -9" in service.output
    assert service.processes() == []


def command(process: int) -> list[bytes]:
    return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")


def test_demo_apps_are_seeded_once_per_secret(start: Start) -> None:
    assert start(DEMO_SECRET="first").end_after("seeded with a secret of 5 characters") == 0
    second = start(DEMO_SECRET="first")
    assert "seeded with" not in second.wait_for("Ctrl-C to stop")
    second.end()
    assert start(DEMO_SECRET="another").end_after("seeded with a secret of 7 characters") == 0


def test_moto_stands_in_and_says_so(start: Start, project: Project, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    without = {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    service = start(**without)
    assert body_of(service.post("/store?key=k")) == {"stored": "k"}
    assert "in memory, and ends with this run: the engine is moto, since npm is not there" in service.output
    assert service.end() == 0
    assert service.processes() == []
    again = start(**without)
    assert "seeded with" in again.wait_for("Ctrl-C to stop")


def test_a_given_engine_is_used_and_left_running(start: Start, tmp_path: Path) -> None:
    engine = start(DATA_DIR=str(tmp_path / "engine"))
    engine.wait_for("Ctrl-C to stop")
    endpoint = (tmp_path / "engine" / "connection.json").read_text().split('"endpoint": "')[1].split('"')[0]
    service = start(DATA_DIR=str(tmp_path / "mine"), DYNAMODB_ENDPOINT=endpoint)
    assert body_of(service.post("/store?key=k")) == {"stored": "k"}
    assert service.end() == 0
    assert body_of(engine.get("/store?key=k")) == {"found": True}


@needs_dynoxide
def test_a_table_of_another_template_is_one_sentence(start: Start, project: Project) -> None:
    assert start().end_after("Ctrl-C to stop") == 0
    text = (project.root / "template.yaml").read_text()
    project.write("template.yaml", text.replace("AttributeName: pk", "AttributeName: id"))
    assert refused(start()).startswith("The table genai-voice was made from another template.yaml: delete")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_where_the_kernel_does_not_help_a_pipe_ends_the_engine(tmp_path: Path, sign: signal.Signals) -> None:
    pid = tmp_path / "pid"
    program = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"from local.serve import leash; sys.exit(leash.watch([sys.executable, '-c', {program!r}]))"
    leash = f"import sys; {code}"
    watcher = subprocess.Popen(  # noqa: S603 - what is under test
        [sys.executable, "-c", leash], cwd=ROOT, stdin=subprocess.PIPE
    )
    while not pid.exists() or not pid.read_text():
        time.sleep(0.02)
    if sign == signal.SIGTERM:
        watcher.terminate()
    assert watcher.stdin is not None
    watcher.stdin.close()
    assert watcher.wait(20) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_expired_items_go_and_others_stay(start: Start, project: Project) -> None:
    service = start()
    service.wait_for("Ctrl-C to stop")
    here = connection.find_running(project.data)
    client, (table,) = tables.open_client(here), read_template(project.root / "template.yaml").tables
    soon, past = str(int(time.time()) + 1000), str(int(time.time()) - 10)
    for key, more in {
        "past": {"expires_at": {"N": past}},
        "soon": {"expires_at": {"N": soon}},
        "never": {},
    }.items():
        client.put_item(TableName=table.name, Item={"pk": {"S": key}, **more})
    tables.delete_expired(client, [table])
    assert {item["pk"]["S"] for item in client.scan(TableName=table.name)["Items"]} == {"soon", "never"}
