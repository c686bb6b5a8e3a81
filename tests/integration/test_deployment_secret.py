"""The deployment secret: read once, from Secrets Manager or from a file, with a sentence when it cannot
be.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from genai_voice.foundation import secret
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.settings import SettingsError
from moto import mock_aws


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    def forget() -> None:
        forget_all()

    forget()
    yield
    forget()


def test_deployed_it_comes_from_secrets_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    local = secret.derive_keys("a purpose")
    document = Path(os.environ["DEPLOYMENT_SECRET_FILE"]).read_text()
    with mock_aws():
        arn = boto3.client("secretsmanager").create_secret(Name="root", SecretString=document)["ARN"]
        monkeypatch.delenv("DEPLOYMENT_SECRET_FILE")
        monkeypatch.setenv("DEPLOYMENT_SECRET_ARN", arn)
        forget_all()
        assert secret.derive_keys("a purpose") == local


def test_keys_for_different_purposes_differ_and_none_is_the_root() -> None:
    keys = {secret.derive_keys(purpose)[0].bytes for purpose in ("one", "two", "three")}
    assert len(keys) == 3
    assert all(len(key) == 32 for key in keys)


def test_an_id_that_is_gone_has_no_key() -> None:
    assert secret.find_key("a purpose", "k1") == secret.derive_keys("a purpose")[0].bytes
    assert secret.find_key("a purpose", "k0") is None


@pytest.mark.parametrize(
    "document", ["", "no JSON", "[]", "{}", '{"id": "k1"}', '{"id": "k1", "key": "x", "previous": 5}']
)
def test_a_damaged_secret_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, document: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(document)
    monkeypatch.setenv("DEPLOYMENT_SECRET_FILE", str(file))
    with pytest.raises(SettingsError, match="must be JSON"):
        secret.derive_keys("a purpose")


def test_a_missing_secret_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEPLOYMENT_SECRET_FILE", str(tmp_path / "nothing"))
    with pytest.raises(SettingsError, match="DEPLOYMENT_SECRET_FILE cannot be read"):
        secret.derive_keys("a purpose")
    monkeypatch.delenv("DEPLOYMENT_SECRET_FILE")
    forget_all()
    with pytest.raises(SettingsError, match="Set DEPLOYMENT_SECRET_ARN"):
        secret.derive_keys("a purpose")
