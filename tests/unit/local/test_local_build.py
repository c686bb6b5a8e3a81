"""`make build`: a function ships no copy of what its layer has."""

from pathlib import Path

import pytest

from local.build.artifacts import drop_copies
from local.errors import LocalError


def install(folder: Path, name: str, version: str, *modules: str) -> None:
    """A library as pip puts it into a folder."""
    about = f"{name}-{version}.dist-info"
    files = [*modules, f"{about}/METADATA", f"{about}/RECORD"]
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("")
    (folder / about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / about / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_what_the_layer_has_is_removed_from_a_function(tmp_path: Path) -> None:
    install(tmp_path / "CoreLayer" / "python", "typing_extensions", "4.0", "typing_extensions.py")
    install(tmp_path / "CoreLayer" / "python", "shared", "1.0", "google/shared/core.py")
    before = files(tmp_path / "CoreLayer")
    function = tmp_path / "TokenFunction"
    install(function, "typing_extensions", "4.0", "typing_extensions.py")
    install(function, "shared", "1.0", "google/shared/core.py")
    install(function, "own", "2.0", "google/own.py")
    (function / "app.py").write_text("")
    drop_copies(tmp_path)
    about = "own-2.0.dist-info"
    own = {"app.py", "google", "google/own.py", about, f"{about}/METADATA", f"{about}/RECORD"}
    assert files(function) == own
    assert files(tmp_path / "CoreLayer") == before


def test_another_version_than_the_layers_stops_the_build(tmp_path: Path) -> None:
    install(tmp_path / "CoreLayer" / "python", "shared", "1.0", "shared.py")
    install(tmp_path / "TokenFunction", "shared", "1.1", "shared.py")
    with pytest.raises(LocalError, match=r"TokenFunction has shared 1\.1, the layer 1\.0: run make lock"):
        drop_copies(tmp_path)
