"""The guide of CONTRIBUTING.md to an endpoint in five minutes runs as it stands there."""

import re
import subprocess
import sys
import textwrap

from tests.support.documents import list_code_blocks, read_page
from tests.support.service import ROOT

GUIDE = read_page("CONTRIBUTING.md").partition("\n## ")[2].partition("\n## ")[0]
BEFORE = """
from types import SimpleNamespace
from typing import Annotated, Self

from genai_voice.foundation.keys import make_key
from genai_voice.foundation.model import Name, Ok, Request, Text, limit_bytes
from genai_voice.foundation.table import Item, UnicodeAttribute
from genai_voice.tenancy import Api, Caller
"""
AFTER = """
service = SimpleNamespace(save=save)
written = []
NoteRow.change = lambda row, actions: written.append((row.pk, row.sk, actions))
save_note(SimpleNamespace(app=SimpleNamespace(slug="a")), NoteRequest(sessionId="s", text="hello"))
assert [each[:2] for each in written] == [("APP#a#SESSION#s#", "NOTE")], written
assert [endpoint.path for endpoint in api.endpoints.values()] == ["/api/notes"]
"""


def test_the_guide_makes_an_endpoint() -> None:
    """In a process of its own, because a kind of row and its name stay registered."""
    blocks = [textwrap.dedent(block) for block in list_code_blocks(GUIDE)]
    assert len(blocks) == 4
    run = subprocess.run(  # noqa: S603 - what is under test
        [sys.executable, "-c", "\n".join([BEFORE, *blocks, AFTER])],
        cwd=ROOT,
        env={"PYTHONPATH": "layers/core", "TABLE_NAME": "none", "AWS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr


def test_the_names_of_after_are_those_of_the_code() -> None:
    """And those of before are gone."""
    code = "".join(file.read_text() for file in (ROOT / "layers").rglob("*.py"))
    named = set(re.findall(r"^ *(?:def|class) (\w+)", code, re.M))
    table = read_page("CONTRIBUTING.md").partition("| before | after |")[2].partition("\n\n")[0]
    for before, after in re.findall(r"^\| (`[^|]*) \| ([^|]*) \|", table, re.M):
        assert set(re.findall(r"`(\w+)", after)) <= named
        assert not set(re.findall(r"`(\w+)", before.partition(" beside ")[0])) & named
