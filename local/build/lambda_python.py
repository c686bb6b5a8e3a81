"""Find a Python of the version that Lambda runs.

python -m local.build.lambda_python     prints its place
"""

import os
import subprocess
import sys
from pathlib import Path

from local.errors import LocalError

VERSION = "3.13"
_PYTHON = f"python{VERSION}"
_PROBE = "import sys, pip; print('%d.%d' % sys.version_info[:2], sys.executable)"


def find_lambda_python() -> Path:
    """Find a Python of Lambda's version, with pip. Candidates are run, not looked up: pyenv has shims also
    for Pythons that are not installed. Raises LocalError when there is none.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [
        Path(sys.base_prefix) / "bin" / _PYTHON,
        *(Path(folder) / _PYTHON for folder in os.get_exec_path()),
        *sorted(pyenv.glob(f"versions/{VERSION}*/bin/{_PYTHON}")),
        *(Path(folder) / _PYTHON for folder in ("/usr/local/bin", "/opt/homebrew/bin")),
    ]
    for candidate in candidates:
        if python := _resolve_python(candidate):
            return python
    raise LocalError(
        f"make build needs Python {VERSION}, which Lambda runs, with pip, and found none: "
        f"install it so that {_PYTHON} runs it."
    )


def _resolve_python(candidate: Path) -> Path | None:
    """Find the interpreter that a candidate runs, which may be a script that chooses one."""
    try:
        found = subprocess.run([candidate, "-c", _PROBE], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    version, _, executable = found.stdout.strip().partition(" ")
    return Path(executable) if version == VERSION else None


def main() -> None:
    try:
        print(find_lambda_python())
    except LocalError as wrong:
        sys.exit(str(wrong))


if __name__ == "__main__":
    main()
