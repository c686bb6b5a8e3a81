"""The rules of dependence that import-linter (see pyproject.toml) cannot see: what functions import, where
third parties are imported, which modules are pure, and what a cold start loads.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "layers" / "core"
HANDLERS = {path.parent.name: path for path in sorted((ROOT / "functions").glob("*/app.py"))}

USE_CASES = {
    *("conversations.annotations", "conversations.listing", "conversations.messages"),
    *("conversations.operations", "conversations.saving", "handoffs.desk", "handoffs.listing"),
    *("guardrails.rules", "guardrails.violations", "live_tokens.tokens"),
    *("personas.library", "personas.versions", "tenancy.apps", "tenancy.sessions"),
    *("qa.runs", "qa.scenarios", "qa.suites"),
    *("tools.executions", "tools.executor", "tools.registry"),
    *("tenancy.webhook_settings", "webhooks.deliveries", "webhooks.sender"),
}
"""What functions call, beside every `service`."""

OUTWARD = {
    "demos.handlers",  # binds the pure tools to the data files
    "demos.scenarios",  # reads the data files
    "guardrails.counts",  # reads and changes rows
    "guardrails.expressions",  # these two run RE2
    "guardrails.filters",
    "guardrails.masking",  # looks for what expressions match
    "guardrails.matching",  # has it compile, and keeps what it has compiled
    "guardrails.rulesets",  # keeps rules for some seconds
    "guardrails.writes",  # writes rules, and counts them
    "gemini.client",
    "qa.grading",  # reads what is graded, asks the judge, keeps what came of it
    "qa.judge",  # asks Gemini, in threads
    "delivery.attempts",  # reads the clock, has a delivery sent
    "delivery.listing",  # reads rows
    "delivery.outbox",  # tells the queue
    "delivery.replays",
    "tenancy",  # exports the Api that is bound to the resolver
    "tenancy.brake",  # reads and changes rows
    "tenancy.credential_rows",
    "tenancy.known_apps",  # reads rows, and keeps what it has read
    "tenancy.resolver",
    "tenancy.splitting",
    "conversations.message_rows",
    "conversations.packing",  # reads its dictionary
    "conversations.segment_rows",
    "conversations.segment_writes",  # stores segments
    "conversations.exposures",  # these three plan changes of rows
    "conversations.handover",
    "conversations.writes",
    "conversations.stored_transcripts",  # reads segments, and keeps some
    "outcomes.tallies",  # reads rows, chooses a share by chance
    "webhooks.outbox",  # makes rows
    "webhooks.signing",
    "traces.lists",  # these three read rows
    "traces.parts",
    "traces.sources",
    "tools.circuit",  # plans changes of rows
    "tools.claims",  # reads the clock, waits
    "tools.writes",  # reads and changes rows
    "tools.endpoint",  # calls what tenants have registered
}
"""Modules that reach outside and are no use case either."""

EVERYWHERE = {"pydantic", "pydantic_core", "typing_extensions"}
HOMES = {
    "aws_lambda_powertools": {"foundation.log", "foundation.work"},
    "botocore": {
        *("foundation.aws", "foundation.connection", "foundation.log", "foundation.queue"),
        "foundation.secret",
    },
    "cachetools": {
        *("conversations.stored_transcripts", "foundation.secret", "foundation.trace_sessions"),
        "guardrails.rulesets",
        *("tenancy.known_apps", "tenancy.resolver", "tenancy.splitting"),
    },
    "cryptography": {"foundation.sealing", "foundation.secret"},
    "google": {"gemini.client"},
    "h11": {"foundation.outgoing"},
    "httpx2": {"gemini.client"},
    "pynamodb": {"foundation.table", "foundation.transactions"},
    "standardwebhooks": {"webhooks.signing"},
    "re2": {"guardrails.expressions", "guardrails.filters"},
}
"""The modules that may import each third party beside those of EVERYWHERE: each has one face to the rest."""

LOADED_AT_IMPORT = {"botocore", "cachetools", "pynamodb"}
"""Those of HOMES that nearly every request needs; pynamodb loads botocore. Others are imported where they are
used.
"""

IO = {
    *("asyncio", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil"),
    *("signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib.request"),
}
"""Of the standard library what a pure module does without: files, network, processes, clock and chance."""

NOT_AT_A_COLD_START = {
    *("boto3", "cryptography", "google", "grpc", "h11", "httpx", "httpx2", "livekit", "opensearchpy"),
    *("re2", "requests", "click", "moto", "rich", "yaml"),
}
"""What only some requests need, and what is not deployed."""


class Import(NamedTuple):
    name: str
    """A module, as far as it is one: `from genai_voice.tenancy import Api` imports genai_voice.tenancy."""
    lazy: bool
    """Within a function."""


def imports(path: Path) -> set[Import]:
    return set(_imports(tree(path), lazy=False))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _imports(node: ast.AST, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.module, f"line {child.lineno}: a relative import"
            yield from (Import(_module(child.module, alias.name), lazy) for alias in child.names)
        elif not _is_type_checking(child):
            yield from _imports(child, lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


def _module(parent: str, name: str) -> str:
    child = f"{parent}.{name}"
    return child if child in MODULES or child in IO else parent


def _is_type_checking(node: ast.AST) -> bool:
    """What never runs loads nothing; import-linter looks at it all the same."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _name(path: Path) -> str:
    return ".".join(path.relative_to(CORE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_name(path): path for path in sorted((CORE / "genai_voice").rglob("*.py"))}


def _short(module: str) -> str:
    return module.removeprefix("genai_voice.")


def _is_pure(module: str) -> bool:
    """A model or a rule module: of a feature, and neither its rows, nor a use case, nor facing outward."""
    feature, _, rest = _short(module).partition(".")
    reaching = rest in ("rows", "service") or _short(module) in USE_CASES | OUTWARD
    return module != "genai_voice" and feature != "foundation" and not reaching


PURE = [module for module in MODULES if _is_pure(module)]


# -- functions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", HANDLERS)
def test_a_function_imports_only_use_cases_models_and_what_binds_them(group: str) -> None:
    allowed = {"typing_extensions", "genai_voice", "genai_voice.tenancy"}
    faces = ("endpoints", "errors", "http", "incoming", "model", "work")
    allowed |= {f"genai_voice.foundation.{each}" for each in faces}
    allowed |= {f"genai_voice.{use_case}" for use_case in USE_CASES}
    feature_face = re.compile(r"genai_voice\.(?!foundation\b)\w+\.((\w+_)?model(\.\w+)?|service)")
    names = {name for name, _ in imports(HANDLERS[group])} - allowed
    assert [name for name in names if not feature_face.fullmatch(name)] == []


# -- third parties -----------------------------------------------------------------------------------------


def _third_parties(module: str) -> Iterator[Import]:
    ours = sys.stdlib_module_names | {"genai_voice"} | EVERYWHERE
    for name, lazy in imports(MODULES[module]):
        top = name.partition(".")[0]
        if top not in ours:
            yield Import(top, lazy)


@pytest.mark.parametrize("module", MODULES)
def test_a_third_party_is_imported_only_in_its_home(module: str) -> None:
    found = [name for name, _ in _third_parties(module) if _short(module) not in HOMES.get(name, ())]
    assert found == []


@pytest.mark.parametrize("module", MODULES)
def test_a_heavy_third_party_is_imported_only_within_functions(module: str) -> None:
    assert {name for name, lazy in _third_parties(module) if not lazy} - LOADED_AT_IMPORT == set()


# -- purity ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_imports_only_what_is_pure(module: str) -> None:
    feature = ".".join(module.split(".")[:2])
    allowed = EVERYWHERE | (sys.stdlib_module_names - IO)
    ours = {"genai_voice.foundation.model", "genai_voice.foundation.errors"}
    ours |= {each for each in PURE if each.startswith(f"{feature}.") or ".model" in each}
    names = {name for name, _ in imports(MODULES[module])} - ours
    assert [name for name in names if name in IO or name.partition(".")[0] not in allowed] == []


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_reads_no_clock_and_opens_no_file(module: str) -> None:
    calls = [node.func for node in ast.walk(tree(MODULES[module])) if isinstance(node, ast.Call)]
    names = {call.attr for call in calls if isinstance(call, ast.Attribute)}
    names |= {call.id for call in calls if isinstance(call, ast.Name)}
    assert names & {"now", "utcnow", "today", "open", "print", "input"} == set()


def test_every_listed_module_exists() -> None:
    listed = USE_CASES | OUTWARD | set().union(*HOMES.values())
    assert listed - {_short(module) for module in MODULES} == set()


# -- cold start --------------------------------------------------------------------------------------------


@cache
def loaded(group: str) -> frozenset[str]:
    """The modules in a fresh process that has imported a handler as Lambda does, and done nothing else."""
    command = "import app, sys; print(*sys.modules, sep='\\n')"
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(HANDLERS[group].parent), str(CORE)]),
    }
    run = subprocess.run(  # noqa: S603 - this interpreter, on a text of ours
        [sys.executable, "-c", command], env=environ, cwd="/", capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return frozenset(run.stdout.split())


@pytest.mark.parametrize("group", HANDLERS)
def test_importing_a_handler_loads_nothing_heavy(group: str) -> None:
    assert loaded(group) & NOT_AT_A_COLD_START == set()


def test_the_edge_loads_no_database_client() -> None:
    """Powertools looks whether there is a botocore, and loads nothing of it."""
    assert loaded("edge") & {"pynamodb", "botocore.client", "botocore.session"} == set()
