"""Settings: a wrong variable is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.settings import SettingsError, get_settings


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    forget_all()
    yield
    forget_all()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TABLE_NAME", None),
        ("TABLE_NAME", ""),
        ("AWS_REGION", None),
        ("DYNAMODB_ENDPOINT", "here"),
        ("OUTGOING_LOCAL_CA", "/nowhere"),
    ],
)
def test_a_missing_or_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        get_settings()


def test_origins_are_trimmed_and_empty_ones_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", " https://a.example ,, https://b.example,")
    assert get_settings().allowed_origins == ("https://a.example", "https://b.example")


def test_the_authority_of_tests_is_refused_in_a_deployed_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGOING_LOCAL_CA", __file__)
    assert get_settings().outgoing_local_ca == Path(__file__)
    forget_all()
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "tools")
    with pytest.raises(SettingsError, match="OUTGOING_LOCAL_CA"):
        get_settings()
