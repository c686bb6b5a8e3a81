"""Name what is deployed: a hash of the build, its template and the parameters, in the variable RELEASE.

Functions are called by an alias, which leads to a version that was published. SAM publishes one where a
function's own code or a variable has changed in the template. A layer that has changed, and a parameter with
another value, it does not see: without this they would be deployed, and nobody would call them.
"""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from local.errors import LocalError

_DECLARED = re.compile(r"^( +RELEASE: )\w+$", re.MULTILINE)


def name_release(built: Path, parameters: Mapping[str, str]) -> str:
    """Write the name of this release into the template that was built in this folder. Returns the name.
    Raises LocalError when the template has no place for it.
    """
    template = built / "template.yaml"
    text, places = _DECLARED.subn(r"\1unbuilt", template.read_text(encoding="utf-8"))
    if places != 1:
        raise LocalError("template.yaml must have one variable RELEASE, for all functions.")
    release = f"r{_hash_build(built, text, parameters)[:15]}"
    template.write_text(_DECLARED.sub(rf"\g<1>{release}", text), encoding="utf-8")
    return release


def _hash_build(built: Path, template: str, parameters: Mapping[str, str]) -> str:
    digest = sha256(json.dumps([template, dict(parameters)], sort_keys=True).encode())
    for folder in sorted(each for each in built.iterdir() if each.is_dir()):
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            digest.update(f"{file.relative_to(built)}\n{sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
