"""The functions and their layer as they are deployed, made of this checkout."""

import compileall
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from py_compile import PycInvalidationMode

from bench.workload import ROOT
from local.build.botocore_data import drop_unused_services

_LAYER = ROOT / "layers" / "core"
_sources_only = shutil.ignore_patterns("__pycache__")


@contextmanager
def copy_built() -> Iterator[Path]:
    """A folder with `layer` (genai_voice and the libraries it pins, as they are installed here) and
    `functions`, with bytecode that is never checked against its source, as `make build` compiles it.
    """
    with tempfile.TemporaryDirectory(prefix="genai-voice-bench-") as name:
        folder = Path(name)
        shutil.copytree(_LAYER, folder / "layer", ignore=_sources_only)
        shutil.copytree(ROOT / "functions", folder / "functions", ignore=_sources_only)
        for library in re.findall(r"^([\w.-]+)==", (_LAYER / "requirements.txt").read_text(), re.MULTILINE):
            _copy(library, folder / "layer")
        drop_unused_services(folder / "layer")
        compileall.compile_dir(folder, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        yield folder


def _copy(library: str, target: Path) -> None:
    found = distribution(library)
    for file in found.files or ():
        if ".." in file.parts or "__pycache__" in file.parts:
            continue
        destination = target / file
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(str(found.locate_file(file))), destination)
