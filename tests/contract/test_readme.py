"""What the README says exists: endpoints, variables, commands of make and of operators, limits."""

import re
import shlex

import click
import pytest
from genai_voice.agents.model import MAX_METADATA_BYTES
from genai_voice.conversations.model import MAX_CONTENT_BYTES, MAX_FAILURE_MODES, MAX_MESSAGES
from genai_voice.conversations.service import MAX_EXPERIMENTS
from genai_voice.experiments.model import MAX_CONFIG_BYTES, MAX_VARIANT_ID, MAX_VARIANTS
from genai_voice.foundation.model import MAX_LISTED
from genai_voice.foundation.settings import Settings
from genai_voice.guardrails.model import MAX_CHECKED_BYTES, MAX_RULES, MAX_USER_MESSAGE_BYTES
from genai_voice.guardrails.patterns import MAX_BYTES, MAX_REPETITIONS
from genai_voice.guardrails.rows import MAX_LOOKED_AT
from genai_voice.guardrails.service import MAX_STORED
from genai_voice.telemetry.model import MAX_DATA_BYTES, MAX_EVENTS
from genai_voice.tools.model import MAX_PARAMETERS_BYTES
from genai_voice.traces.model import MAX_ROWS

from local.cli import cli
from tests.support.operator import commands
from tests.support.service import ROOT, endpoints

README = (ROOT / "README.md").read_text()
TARGETS = re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.M)
OPERATIONS = re.findall(r"^\.venv/bin/genai-voice .*$", README, re.M)


def test_the_endpoints_are_those_that_are_declared() -> None:
    listed = re.findall(r"^\| `(GET|POST|PATCH|DELETE) (/api/[^`]+)` \|", README, re.M)
    assert sorted(listed) == sorted((endpoint.method, endpoint.path) for endpoint in endpoints())


def test_every_variable_of_the_functions_is_explained() -> None:
    explained = set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.M))
    assert {str(field.alias) for field in Settings.model_fields.values()} <= explained


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z0-9-]+)\b", README)) - {"alone"}))
def test_every_make_command_exists(target: str) -> None:
    assert target in TARGETS


@pytest.mark.parametrize("line", OPERATIONS)
def test_every_operator_command_is_understood(line: str) -> None:
    """Parsed as click parses it, without being carried out."""
    arguments = shlex.split(line)[1:]
    command: click.Command = cli
    while isinstance(command, click.Group):
        command = command.commands[arguments.pop(0)]
    command.make_context(line, arguments, parent=click.Context(cli, **cli.context_settings))


def test_every_operator_command_is_listed() -> None:
    listed = {line.partition(" ")[2] for line in OPERATIONS}
    for command in commands():
        assert any(f"{line} ".startswith(f"{command} ") for line in listed), command


@pytest.mark.parametrize(
    "limit",
    [
        *(MAX_MESSAGES, MAX_CONTENT_BYTES, MAX_EVENTS, MAX_DATA_BYTES, MAX_PARAMETERS_BYTES),
        *(MAX_FAILURE_MODES, MAX_METADATA_BYTES, MAX_LISTED, MAX_ROWS),
        *(MAX_EXPERIMENTS, MAX_VARIANTS, MAX_VARIANT_ID, MAX_CONFIG_BYTES),
    ],
)
def test_every_limit_is_stated(limit: int) -> None:
    assert re.search(rf"\| {limit:,}( bytes| characters)? \|", README)


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("text of a guardrail check", MAX_CHECKED_BYTES),
        ("guardrail rules", MAX_RULES),
        ("pattern of a rule", MAX_BYTES),
        ("pattern of a rule", MAX_REPETITIONS),
        ("`userMessage` of a rule", MAX_USER_MESSAGE_BYTES),
        ("violations stored of a check", MAX_STORED),
        ("violations of a session looked through for those of one rule", MAX_LOOKED_AT),
    ],
)
def test_every_limit_of_guardrails_is_stated(what: str, limit: int) -> None:
    assert re.search(rf"\| {what} \|.*\b{limit:,}\b.* \|", README)
