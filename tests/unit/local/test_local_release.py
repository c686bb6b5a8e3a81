"""The name of a release: a new one wherever a function would run otherwise than before."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local.build.release import name_release
from local.errors import LocalError

TEMPLATE = """\
Globals:
  Function:
    Timeout: 29
    Environment:
      Variables:
        RELEASE: unbuilt
"""


@pytest.fixture
def built(tmp_path: Path) -> Path:
    for folder in ("CoreLayer/python", "AuthFunction"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "CoreLayer/python/library.py").write_text("works = False")
    (tmp_path / "AuthFunction/app.py").write_text("")
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return tmp_path


def test_it_stands_in_the_template_for_all_functions(built: Path) -> None:
    release = name_release(built, {})
    assert (built / "template.yaml").read_text() == TEMPLATE.replace("unbuilt", release)


def test_the_same_is_named_the_same_however_often(built: Path) -> None:
    first = name_release(built, {"Stage": "dev", "LogRetention": "7"})
    (built / "local.json").write_text("what make sam writes beside it")
    assert name_release(built, {"LogRetention": "7", "Stage": "dev"}) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda built: (built / "CoreLayer/python/library.py").write_text("works = True"),
        lambda built: (built / "CoreLayer/python/library.py").rename(built / "CoreLayer/python/other.py"),
        lambda built: (built / "template.yaml").write_text(TEMPLATE.replace("29", "30")),
    ],
    ids=["a file of the layer", "a name of a file", "the template"],
)
def test_what_is_deployed_otherwise_is_another_release(built: Path, change: Callable[[Path], object]) -> None:
    before = name_release(built, {})
    change(built)
    assert name_release(built, {}) != before


def test_another_parameter_is_another_release(built: Path) -> None:
    origins = ("https://app.example.com", "https://admin.example.com")
    first, second = (name_release(built, {"AllowedOrigins": each}) for each in origins)
    assert first != second


def test_a_template_without_a_place_for_it_is_refused(built: Path) -> None:
    (built / "template.yaml").write_text(TEMPLATE.replace("RELEASE", "OTHER"))
    with pytest.raises(LocalError, match="one variable RELEASE"):
        name_release(built, {})
