"""Calls of the README and of the documents can be pasted into a shell as they are, and `make run` prints what
the README says.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.local.service import needs_dynoxide
from tests.e2e.served import Served, serving
from tests.support.documents import PAGES, list_code_blocks, read_page

pytestmark = needs_dynoxide

BLOCKS = list_code_blocks(read_page("README.md"))
CALLS = [block for block in BLOCKS if block.startswith("curl ")]
ADDRESS = "http://127.0.0.1:3000"
# As a person has them: interactive, where zsh takes `#` and both take `!` for something else than scripts do.
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "sh": ["sh", "-i"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stands for the reader's checkout: it has `.local`, and the secret in it once the service runs."""
    return tmp_path_factory.mktemp("readme")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Served]:
    (folder / ".local").mkdir()
    with serving(folder / ".local", DEMO_SECRET="") as service:
        yield service


@pytest.mark.parametrize("shell", SHELLS)
def test_every_call_is_pasted_and_answered(service: Served, folder: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    persona, token, saved, executed, state = (
        paste(call.replace(ADDRESS, service.address), shell, folder) for call in CALLS
    )
    assert persona["personaName"] == "Sarah"
    assert token["sessionToken"].startswith("gvs_")
    assert saved == {"ok": True}
    assert set(executed) == {"success", "data"}
    (cancelled,) = (each for each in state["state"]["appointments"] if each["id"] == "APT-10042")
    assert cancelled["status"] == "cancelled"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != "README.md" and ADDRESS in read_page(page)]
)
def test_the_calls_of_other_pages_are_answered(service: Served, folder: Path, page: str) -> None:
    for block in list_code_blocks(read_page(page)):
        if ADDRESS in block:
            assert "error" not in paste(block.replace(ADDRESS, service.address), "sh", folder)


def test_the_start_message_is_the_one_that_is_shown(service: Served) -> None:
    (shown,) = (block for block in BLOCKS if block.startswith("The service answers"))
    for line in shown.replace(ADDRESS, service.address).replace(".local", "").splitlines():
        assert line.partition("…")[0] in service.output


def paste(block: str, shell: str, folder: Path) -> Any:
    """What the call answers."""
    run = subprocess.run(  # noqa: S603 - what is under test
        SHELLS[shell],
        input=block,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PS1": "", "PS2": ""},
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,  # else it would take the terminal from whoever runs the tests
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
