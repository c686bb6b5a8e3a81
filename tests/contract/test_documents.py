"""What the documents say is there: endpoints, variables, commands of make and of operators, limits, pages."""

import re
import shlex

import click
import genai_voice
import pytest
from genai_voice.agents.model import MAX_METADATA_BYTES
from genai_voice.conversations.exposures import MAX_EXPERIMENTS
from genai_voice.conversations.message_model import MAX_CONTENT
from genai_voice.conversations.model import MAX_FAILURE_MODES
from genai_voice.experiments.model import MAX_CONFIG_BYTES, MAX_VARIANT_ID, MAX_VARIANTS
from genai_voice.experiments.model import MAX_STORED as MAX_EXPERIMENTS_STORED
from genai_voice.foundation.model import MAX_LISTED
from genai_voice.foundation.settings import Settings
from genai_voice.guardrails.matching import MAX_STEPS, MAX_STEPS_TOGETHER, MAX_WORK
from genai_voice.guardrails.model import MAX_RULES, MAX_USER_MESSAGE_BYTES
from genai_voice.guardrails.patterns import MAX_BYTES, MAX_REPETITIONS
from genai_voice.guardrails.readings import MAX_CHARACTERS
from genai_voice.guardrails.rows import MAX_LOOKED_AT
from genai_voice.guardrails.service import MATCHED_WITHIN_MS, MAX_STORED
from genai_voice.personas.model import MAX_STORED as MAX_PERSONAS
from genai_voice.qa.model.scenarios import MAX_STORED as MAX_SCENARIOS
from genai_voice.telemetry.model import MAX_DATA_BYTES, MAX_EVENTS
from genai_voice.tools.model import MAX_PARAMETERS_BYTES, MAX_TOOLS, MAX_TOOLS_BYTES

from local.cli import cli
from tests.support.documents import (
    PAGES,
    list_anchors,
    list_commands,
    list_links,
    list_paths,
    read_page,
)
from tests.support.operator import list_operator_commands
from tests.support.service import ROOT, list_endpoints

README, LIMITS = read_page("README.md"), read_page("docs/limits.md")
OPERATOR = ".venv/bin/genai-voice"
TARGETS = re.findall(r"^([a-z0-9-]+):.*## ", read_page("Makefile"), re.M)
NAMED_TARGETS = {
    target for page in PAGES for target in re.findall(r"(?:^|`)make ([a-z0-9-]+)\b", read_page(page), re.M)
}
FOLDERS = ("bench", "docs", "events", "functions", "layers", "local", "tests")
FILES = [str(file) for folder in FOLDERS for file in (ROOT / folder).rglob("*.*")]
LINKS = [(page, link) for page in PAGES for link in list_links(read_page(page)) if "://" not in link]


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len(README.splitlines()) <= 130


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_every_link_leads_somewhere(page: str, link: str) -> None:
    name, _, anchor = link.partition("#")
    target = (ROOT / page).parent / name if name else ROOT / page
    assert target.exists()
    assert not anchor or anchor in list_anchors(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("page", "path"),
    sorted({(page, path) for page in PAGES for path in list_paths(read_page(page)) if "notes/" not in path}),
)
def test_every_file_that_a_page_names_is_there(page: str, path: str) -> None:
    """By its path or by the end of it. Notes are the feature that CONTRIBUTING.md adds as an example."""
    assert (ROOT / path).exists() or any(file.endswith(f"/{path}") for file in FILES)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "README.md"])
def test_the_readme_leads_to_every_page(page: str) -> None:
    assert page in list_links(README)


def test_the_changelog_tells_of_this_version() -> None:
    told = re.findall(r"^## \[([\d.]+)\] - \d{4}-\d\d-\d\d$", read_page("CHANGELOG.md"), re.M)
    assert told[0] == genai_voice.__version__


def test_the_endpoints_are_those_that_are_declared() -> None:
    listed = re.findall(r"^\| `(GET|HEAD|POST|PATCH|DELETE) (/api/[^`]+)` \|", read_page("docs/api.md"), re.M)
    assert sorted(listed) == sorted((endpoint.method, endpoint.path) for endpoint in list_endpoints())


@pytest.mark.parametrize("page", PAGES)
def test_every_endpoint_that_a_page_names_is_declared(page: str) -> None:
    """But for notes, the feature that CONTRIBUTING.md adds as an example."""
    declared = {(endpoint.method, endpoint.path) for endpoint in list_endpoints()}
    named = set(re.findall(r"\b(GET|HEAD|POST|PATCH|DELETE)\s(/api/[a-z/-]+)", read_page(page)))
    assert named - {("POST", "/api/notes")} <= declared


def test_every_variable_of_the_functions_is_explained() -> None:
    explained = set(re.findall(r"^\| `([A-Z_]+)` \|", read_page("docs/configuration.md"), re.M))
    assert {str(field.alias) for field in Settings.model_fields.values()} <= explained


@pytest.mark.parametrize("target", sorted(NAMED_TARGETS))
def test_every_make_command_exists(target: str) -> None:
    assert target in TARGETS


@pytest.mark.parametrize(
    "line", [line for page in PAGES for line in list_commands(read_page(page), OPERATOR)]
)
def test_every_operator_command_is_understood(line: str) -> None:
    """Parsed as click parses it, without being carried out."""
    arguments = shlex.split(line, comments=True)[1:]
    command: click.Command = cli
    while isinstance(command, click.Group):
        command = command.commands[arguments.pop(0)]
    command.make_context(line, arguments, parent=click.Context(cli, **cli.context_settings))


def test_every_operator_command_is_listed() -> None:
    listed = {line.partition(" ")[2] for line in list_commands(read_page("docs/operators.md"), OPERATOR)}
    for command in list_operator_commands():
        assert any(f"{line} ".startswith(f"{command} ") for line in listed), command


@pytest.mark.parametrize(
    "limit",
    [
        *(MAX_CONTENT, MAX_EVENTS, MAX_DATA_BYTES, MAX_PARAMETERS_BYTES),
        *(MAX_FAILURE_MODES, MAX_METADATA_BYTES, MAX_LISTED),
        *(MAX_EXPERIMENTS, MAX_VARIANTS, MAX_VARIANT_ID, MAX_CONFIG_BYTES),
    ],
)
def test_every_limit_is_stated(limit: int) -> None:
    assert re.search(rf"\| {limit:,}( bytes| characters)? \|", LIMITS)


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("text of a guardrail check", MAX_CHARACTERS),
        ("text of a guardrail check", MAX_WORK // MAX_STEPS_TOGETHER),
        ("a guardrail check", MATCHED_WITHIN_MS // 1000),
        ("guardrail rules", MAX_STEPS_TOGETHER),
        ("pattern of a rule", MAX_STEPS),
        ("guardrail rules", MAX_RULES),
        ("pattern of a rule", MAX_BYTES),
        ("pattern of a rule", MAX_REPETITIONS),
        ("`userMessage` of a rule", MAX_USER_MESSAGE_BYTES),
        ("violations stored of a check", MAX_STORED),
        ("tools", MAX_TOOLS),
        ("tools of an app together.*", MAX_TOOLS_BYTES),
        ("personas", MAX_PERSONAS),
        ("scenarios", MAX_SCENARIOS),
        ("experiments", MAX_EXPERIMENTS_STORED),
        ("violations of a session looked through for those of one rule", MAX_LOOKED_AT),
    ],
)
def test_every_limit_of_a_name_is_stated(what: str, limit: int) -> None:
    assert re.search(rf"\| {what} \|.*\b{limit:,}\b.* \|", LIMITS)
