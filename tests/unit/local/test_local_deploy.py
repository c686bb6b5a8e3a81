"""`make deploy`: what it refuses before anything is built, and which parameters a stack gets."""

import re
from pathlib import Path

import pytest

from local.build import artifacts
from local.build.deploy import main, plan
from local.serve.cloudformation import read_parameters

ROOT = Path(__file__).resolve().parents[3]
ORIGINS = "https://app.example.com,https://admin.example.com"


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "Say which stage of samconfig.toml: make deploy STAGE=dev|prod\n"),
        ({"STAGE": "default"}, "Say which stage of samconfig.toml"),
        ({"STAGE": "prod"}, "Stage prod needs the origins"),
        ({"STAGE": "dev"}, "make deploy needs AWS credentials and found none"),
    ],
    ids=["no stage", "no stage of this name", "production without origins", "no credentials"],
)
def test_what_is_missing_is_told_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    environ: dict[str, str],
    told: str,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert main(environ) == 1
    assert capsys.readouterr().err.startswith(told)


def test_a_variable_wins_over_samconfig() -> None:
    assert plan({"STAGE": "dev"})[1]["LogRetention"] == "7"
    stage, parameters = plan({"STAGE": "prod", "ALLOWED_ORIGINS": ORIGINS, "LOG_RETENTION": "365"})
    assert stage == "prod"
    assert parameters == {
        "Stage": "prod",
        "Architecture": "x86_64",
        "LogRetention": "365",
        "AllowedOrigins": ORIGINS,
    }


def test_only_what_is_given_is_a_parameter() -> None:
    given = read_parameters(ROOT / "template.yaml", {"ALARM_TOPIC_ARN": "", "ALLOWED_ORIGINS": ORIGINS})
    assert given == {"AllowedOrigins": ORIGINS}


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_what_is_built_allows_only_the_architecture_that_it_was_built_for(architecture: str) -> None:
    text = artifacts._fix_architecture(architecture)
    assert f"BuildArchitecture: {architecture} " in text
    (allowed,) = re.findall(r"  Architecture:\n.*\n    Default: (\S+)\n    AllowedValues: \[(.*)\]", text)
    assert allowed == (architecture, architecture)
