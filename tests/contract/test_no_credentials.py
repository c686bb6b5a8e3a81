"""No credential is in the repository, in whatever file (contract, section 7, row 38)."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

from tests.support.service import ROOT

DETECTORS = [
    *("AWSKeyDetector", "AzureStorageKeyDetector", "DiscordBotTokenDetector", "GitHubTokenDetector"),
    *("GitLabTokenDetector", "JwtTokenDetector", "MailchimpDetector", "NpmDetector", "OpenAIDetector"),
    *("PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector", "SquareOAuthDetector"),
    *("StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector"),
]
"""Those that know a provider's form. What merely looks random is mostly a hash here."""
OURS = re.compile(r"gvs_[A-Za-z0-9_-]{30,}|AIza[A-Za-z0-9_-]{35}|-----BEGIN [A-Z ]*PRIVATE KEY-----")
"""Session tokens, keys of Gemini, private keys of any kind."""


def credentials(file: Path) -> Iterator[str]:
    """What is in a file, by kind and line."""
    with transient_settings({"plugins_used": [{"name": name} for name in DETECTORS]}):
        yield from (f"{found.type}, line {found.line_number}" for found in scan_file(str(file)))
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if OURS.search(line):
            yield f"token or key, line {number}"


def test_no_file_of_the_repository_holds_a_credential() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)  # noqa: S607
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    assert files
    assert {file.name: found for file in files if file.is_file() and (found := [*credentials(file)])} == {}


@pytest.mark.parametrize(
    "made_up",
    [
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "gvs_" + "x" * 43,
        "AIza" + "x" * 35,
        "-----BEGIN " + "RSA PRIVATE KEY-----",
    ],
)
def test_what_has_the_form_of_a_credential_is_found(tmp_path: Path, made_up: str) -> None:
    (tmp_path / "notes.md").write_text(f"use {made_up} for now\n")
    assert [*credentials(tmp_path / "notes.md")]
