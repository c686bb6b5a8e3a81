"""docs/architecture.md is of this house: its layers are those that are held, its table has every row."""

import json
import os
import re
import tomllib
from itertools import product
from typing import Any

import pytest
from genai_voice.foundation.table import Item
from genai_voice.seeding.service import seed_demos

from tests.support.documents import list_code_blocks, read_page
from tests.support.samples import store_samples
from tests.support.service import ROOT, handle

PAGE = read_page("docs/architecture.md")


def read_section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_drawing_of_modules_has_the_layers_that_are_held() -> None:
    """Line by line, and every feature once in it and once in the table."""
    section = read_section("The modules")
    drawn = [
        set(re.findall(r"[a-z_]+", re.split(r" {2,}", line.strip())[0]))
        for line in list_code_blocks(section)[0].splitlines()
        if line.strip() and "functions/" not in line
    ]
    contracts = tomllib.loads(read_page("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["id"] == "layers")
    assert drawn == [set(re.findall(r"[a-z_]+", layer)) for layer in layers]
    folders = {file.parent.name for file in (ROOT / "layers" / "core" / "genai_voice").glob("*/__init__.py")}
    listed = re.findall(r"^\| `([a-z_]+)` \|", section, re.M)
    assert sorted([*listed, "foundation"]) == sorted(folders)
    assert set().union(*drawn) == folders


@pytest.mark.parametrize("feature", ["foundation", "conversations"])
def test_every_module_of_the_largest_features_is_told(feature: str) -> None:
    table = read_section("The modules").partition(f"| module of `{feature}` |")[2].partition("\n\n")[0]
    folder = ROOT / "layers" / "core" / "genai_voice" / feature
    modules = {file.name for file in folder.glob("*.py")} - {"__init__.py"}
    assert sorted(re.findall(r"`(\w+\.py)`", table)) == sorted(modules)


def list_places() -> list[re.Pattern[str]]:
    """What the table says of keys: a pattern of `pk sk` for each."""
    places, before = [], ""
    for row in re.findall(r"^\| .+ \|$", read_section("The table"), re.M)[1:]:
        cells = row.split(" | ")
        before = cells[1] if "`" in cells[1] else before  # 〃 repeats it
        for pk, sk in product(re.findall(r"`([^`]+)`", before), re.findall(r"`([^`]+)`", cells[2])):
            pattern = re.sub(r"<[^>]+>", "[^#]+", re.escape(f"{pk} {sk}").replace("\\ ", " "))
            places.append(re.compile(f"{pattern}#?"))
    return places


@pytest.fixture(scope="module")
def rows(engine: None) -> list[dict[str, Any]]:
    """What seeding, samples and every payload of events/ have stored."""
    list(seed_demos("only-a-sample"))
    store_samples("demo-dentist")
    for file in sorted((ROOT / "events").glob("*.json")):
        handle(json.loads(file.read_text()))
    client = Item._get_connection().connection.client
    pages = client.get_paginator("scan").paginate(TableName=os.environ["TABLE_NAME"])
    return [item for page in pages for item in page["Items"]]


def test_every_row_lies_where_the_table_says(rows: list[dict[str, Any]]) -> None:
    places = list_places()
    keys = {f"{row['pk']['S']} {row['sk']['S']}" for row in rows}
    assert [key for key in sorted(keys) if not any(place.fullmatch(key) for place in places)] == []
    assert len({row["kind"]["S"] for row in rows}) >= 25
