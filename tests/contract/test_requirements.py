"""The compiled requirements hold what pyproject.toml asks for, and the layer ships what tests run: compared
offline, file with file.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
COMPILED = {
    "core": ROOT / "layers" / "core" / "requirements.txt",
    "dev": ROOT / "requirements" / "dev.txt",
    "guardrails": ROOT / "functions" / "guardrails" / "requirements.txt",
    "ministack": ROOT / "requirements" / "ministack.txt",
    "qa": ROOT / "functions" / "qa" / "requirements.txt",
    "sam": ROOT / "requirements" / "sam.txt",
    "live_tokens": ROOT / "functions" / "live_tokens" / "requirements.txt",
    "webhooks_sender": ROOT / "functions" / "webhooks_sender" / "requirements.txt",
}
OF_GROUP = {"qa": "gemini", "live_tokens": "gemini"}
"""What is compiled of the group of another name."""
DEPLOYED = sorted({*COMPILED} - {"dev", "ministack", "sam"})
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]

each_file = pytest.mark.parametrize("file", COMPILED)


class Pin(NamedTuple):
    name: str
    version: str
    marker: str
    hashes: frozenset[str]


def pins(file: str) -> list[Pin]:
    """Every requirement of a compiled file. Raises where one is anything but a name and one version."""
    text = COMPILED[file].read_text().replace("\\\n", " ")
    return [_pin(line) for line in text.splitlines() if line.strip()]


def _pin(line: str) -> Pin:
    declared, *hashes = line.split(" --hash=")
    requirement = Requirement(declared)
    (only,) = requirement.specifier
    assert only.operator == "==", line
    name = canonicalize_name(requirement.name)
    return Pin(name, only.version, str(requirement.marker or ""), frozenset(each.strip() for each in hashes))


def requirements(group: str) -> Iterator[Requirement]:
    for item in GROUPS[group]:
        if isinstance(item, dict):
            yield from requirements(item["include-group"])
        else:
            yield Requirement(item)


def test_every_group_is_compiled() -> None:
    assert {OF_GROUP.get(file, file) for file in COMPILED} == set(GROUPS)


@each_file
def test_every_requirement_of_a_group_is_met_by_a_pin(file: str) -> None:
    wanted = requirements(OF_GROUP.get(file, file))
    unmet = [str(each) for each in wanted if not _met(each, pins(file))]
    assert not unmet, "run `make lock`"


def _met(wanted: Requirement, compiled: list[Pin]) -> bool:
    """There may be several pins of a name, each for other Pythons or machines."""
    versions = [pin.version for pin in compiled if pin.name == canonicalize_name(wanted.name)]
    return bool(versions) and all(map(wanted.specifier.contains, versions))


@pytest.mark.parametrize("file", DEPLOYED)
def test_what_is_deployed_are_the_versions_that_tests_run(file: str) -> None:
    """Also where a function has what the layer has (`make build` removes it): it is the same there."""
    assert _of_any_machine(file) <= _of_any_machine("dev"), "run `make lock`"


def _of_any_machine(file: str) -> set[Pin]:
    """What a library is pinned for, another may need elsewhere too."""
    return {pin._replace(marker="") for pin in pins(file)}


def test_every_function_with_requirements_of_its_own_is_compiled() -> None:
    found = {path.parent.name for path in (ROOT / "functions").glob("*/requirements.txt")}
    assert found == {*DEPLOYED} - {"core"}


@each_file
def test_every_pin_has_hashes(file: str) -> None:
    digest = re.compile(r"sha256:[0-9a-f]{64}")
    bare = [pin for pin in pins(file) if not pin.hashes or not all(map(digest.fullmatch, pin.hashes))]
    assert not bare


@each_file
def test_compiled_requirements_name_no_index_and_no_path(file: str) -> None:
    text = COMPILED[file].read_text()
    assert not re.findall(r"^\s*-(?!-hash=).*|\S*(?:://|@ |file:|\.whl)\S*|.*#.*", text, re.MULTILINE)
