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
    "sam": ROOT / "requirements" / "sam.txt",
    "webhook_sender": ROOT / "functions" / "webhook_sender" / "requirements.txt",
}
DEPLOYED = sorted({*COMPILED} - {"dev", "sam"})
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]

each_group = pytest.mark.parametrize("group", COMPILED)


class Pin(NamedTuple):
    name: str
    version: str
    marker: str
    hashes: frozenset[str]


def pins(group: str) -> list[Pin]:
    """Every requirement of a compiled file. Raises where one is anything but a name and one version."""
    text = COMPILED[group].read_text().replace("\\\n", " ")
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
    assert set(COMPILED) == set(GROUPS)


@each_group
def test_every_requirement_of_a_group_is_met_by_a_pin(group: str) -> None:
    unmet = [str(wanted) for wanted in requirements(group) if not _met(wanted, pins(group))]
    assert not unmet, "run `make lock`"


def _met(wanted: Requirement, compiled: list[Pin]) -> bool:
    """There may be several pins of a name, each for other Pythons or machines."""
    versions = [pin.version for pin in compiled if pin.name == canonicalize_name(wanted.name)]
    return bool(versions) and all(map(wanted.specifier.contains, versions))


@pytest.mark.parametrize("group", DEPLOYED)
def test_what_is_deployed_are_the_versions_that_tests_run(group: str) -> None:
    assert set(pins(group)) <= set(pins("dev")), "run `make lock`"


def test_a_function_ships_nothing_that_the_layer_has() -> None:
    shipped = {group: {pin.name for pin in pins(group)} for group in DEPLOYED}
    assert all(not shipped[group] & shipped["core"] for group in DEPLOYED if group != "core")


def test_every_function_with_requirements_of_its_own_has_its_group() -> None:
    found = {path.parent.name for path in (ROOT / "functions").glob("*/requirements.txt")}
    assert found == {*DEPLOYED} - {"core"}


@each_group
def test_every_pin_has_hashes(group: str) -> None:
    digest = re.compile(r"sha256:[0-9a-f]{64}")
    bare = [pin for pin in pins(group) if not pin.hashes or not all(map(digest.fullmatch, pin.hashes))]
    assert not bare


@each_group
def test_compiled_requirements_name_no_index_and_no_path(group: str) -> None:
    text = COMPILED[group].read_text()
    assert not re.findall(r"^\s*-(?!-hash=).*|\S*(?:://|@ |file:|\.whl)\S*|.*#.*", text, re.MULTILINE)
