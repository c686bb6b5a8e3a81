"""Build what is deployed (`make build`): `sam build`, then bytecode for Lambda's Python, which SAM does not
ship and which makes cold starts much shorter.

SAM installs what a function needs with all that this needs in turn, much of which is in the layer. Lambda
takes the function's, so the copies are removed. Of botocore, half of the layer, only what is used stays.

The bytecode is not checked against its source at import: SAM dates every file 1980, so a check by time would
reject it.
"""

import os
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from local.build.botocore_data import drop_unused_services
from local.build.lambda_python import VERSION, find_lambda_python
from local.build.release import name_release
from local.errors import LocalError

ROOT = Path(__file__).resolve().parents[2]
SAM = ROOT / ".venv-sam" / "bin" / "sam"
BUILT = ROOT / ".aws-sam" / "build"
_TEMPLATE = ROOT / ".aws-sam" / "template.yaml"
ARCHITECTURE = "x86_64"
_LOAD_ALL = """
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

class Deployed(SourceFileLoader):
    def path_stats(self, path):
        return {**super().path_stats(path), "mtime": 315532800}  # 1980
    def source_to_code(self, *_, **__):
        sys.exit(self.path + " would be compiled again at every start.")

for file in Path(sys.argv[1]).rglob("*.py"):
    Deployed(file.stem, str(file)).get_code(file.stem)
"""
_LIMIT_MB = 250  # of a function together with its layers, unzipped
_MB = 1024 * 1024


def main() -> None:
    try:
        build(os.environ.get("ARCHITECTURE") or ARCHITECTURE)
    except LocalError as wrong:
        sys.exit(str(wrong))


def build(architecture: str = ARCHITECTURE) -> None:
    """Build into `BUILT`, for x86_64 or arm64. Raises LocalError when that is not possible."""
    python = find_lambda_python()
    print(f"Building for {architecture} with {python} …", flush=True)
    _run_sam_build(python, architecture)
    drop_copies(BUILT)
    for folder in filter(_is_layer, _list_folders()):
        drop_unused_services(folder / "python")
    for folder in _list_folders():
        _compile(folder, python)
    _check_bytecode(python)
    name_release(BUILT, {})
    print(_check_sizes(), flush=True)


def _run_sam_build(python: Path, architecture: str) -> None:
    """Run `sam build`, which takes its Python from PATH. Its output is shown only when it fails."""
    environ = {
        **os.environ,
        "PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)]),
        "SAM_CLI_TELEMETRY": "0",
    }
    _TEMPLATE.parent.mkdir(exist_ok=True)
    _TEMPLATE.write_text(_fix_architecture(architecture), encoding="utf-8")
    built = subprocess.run(
        [SAM, "build", "--template", _TEMPLATE, "--base-dir", ROOT],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if built.returncode:
        raise LocalError(f"{built.stdout}\nsam build failed; what it said is above.")


def _fix_architecture(architecture: str) -> str:
    """Return the template with its architecture fixed, which must be the same when it is built and when it is
    deployed: SAM builds a layer for the architecture that stands there, and CloudFormation refuses any other
    for what was built.
    """
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    for declared, fixed in (
        ("BuildArchitecture: x86_64", f"BuildArchitecture: {architecture}"),
        (
            "Default: x86_64\n    AllowedValues: [x86_64, arm64]",
            f"Default: {architecture}\n    AllowedValues: [{architecture}]",
        ),
    ):
        if text.count(declared) != 1:
            raise LocalError(f"template.yaml must say {declared!r} once.")
        text = text.replace(declared, fixed)
    return text


def drop_copies(built: Path) -> None:
    """Remove from the functions in this folder the libraries that their layer has. Raises LocalError where
    the two have different versions.
    """
    folders = sorted(path for path in built.iterdir() if path.is_dir())
    layered = {
        name: each.version
        for folder in folders
        if _is_layer(folder)
        for name, each in _find_libraries(folder / "python").items()
    }
    for folder in folders:
        for name, library in {} if _is_layer(folder) else _find_libraries(folder).items():
            if layered.get(name) == library.version:
                _remove(library)
            elif name in layered:
                raise LocalError(
                    f"{folder.name} has {name} {library.version}, the layer {layered[name]}: run make lock."
                )


def _find_libraries(folder: Path) -> dict[str, Distribution]:
    return {canonicalize_name(each.name): each for each in distributions(path=[str(folder)])}


def _remove(library: Distribution) -> None:
    """Remove a library's files, and the folders that are empty without them."""
    for file in library.files or ():
        place = Path(str(library.locate_file(file)))
        place.unlink(missing_ok=True)
        for folder in place.parents:
            if not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()


def _compile(folder: Path, python: Path) -> None:
    """Compile a folder. The paths in the bytecode are Lambda's, so it bears no trace of this machine."""
    there = "/opt" if _is_layer(folder) else "/var/task"
    how = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", there]
    if subprocess.run([python, "-m", "compileall", *how, folder]).returncode:
        raise LocalError(f"{folder} holds files that Python {VERSION} cannot compile.")


def _check_bytecode(python: Path) -> None:
    """Check that the import system takes the bytecode of each module, dated as it is in Lambda. Nothing is
    executed: what is built for Lambda's machine need not run on this one.
    """
    loaded = subprocess.run([python, "-I", "-B", "-c", _LOAD_ALL, BUILT], capture_output=True, text=True)
    if loaded.returncode:
        raise LocalError(f"The bytecode is not what would run: {loaded.stderr.strip()}")


def _list_folders() -> list[Path]:
    return sorted(path for path in BUILT.iterdir() if path.is_dir())


def _is_layer(folder: Path) -> bool:
    return (folder / "python").is_dir()


def _measure_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / _MB


def _check_sizes() -> str:
    """Say how large the build is. Raises LocalError when Lambda would refuse the largest function with the
    layer.
    """
    layer = sum(_measure_mb(folder) for folder in _list_folders() if _is_layer(folder))
    function = max(_measure_mb(folder) for folder in _list_folders() if not _is_layer(folder))
    text = f"unzipped, the layer takes {layer:.1f} MB, the largest function {function:.2f} MB"
    if layer + function > _LIMIT_MB:
        raise LocalError(f"Too large: {text}, and Lambda allows {_LIMIT_MB} MB for both.")
    return f"{BUILT.relative_to(ROOT)}: {text} (Lambda allows {_LIMIT_MB} MB for both)."


if __name__ == "__main__":
    main()
