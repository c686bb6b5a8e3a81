"""The rule of names in CONTRIBUTING.md: functions are verb phrases, predicates begin with is_, has_ or may_,
what only plans writes ends in _changes, and a class has a name that no other class of the layer has.
"""

import ast
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYER = "layers/core/genai_voice"
FOLDERS = (LAYER, "functions", "local", "bench", "tests/support")

VERBS = """
acknowledge act activate add admit advance align annotate announce answer ask assign attempt audit await
back backfill begin break build cache call cancel capture carry change check choose claim clean clear
close collect compare compile compose compute connect construct converse convert copy count create cut
decide declare decode decorate delay delete deliver derive describe deserialize digest disable drain draw
drip drive drop dump emulate enable encode end estimate evaluate execute expect expire explain fail fill
find finish fix fold forget format forward generate get grade grant group guard hand handle hang hash head
hide hold hook identify index initiate insert install invalidate invoke issue join judge kill lease leave
let limit link list listen load localize locate lock log look lookup lose make mask match measure merge
move name narrow note notify number open outline pack pair parse pass patch pick place plan play poll post
postpone prepare print process propose prove publish put query raise read recall receive record redrive
refresh refuse register release reload remember remove rename repeat replace replay reply report request
require reschedule reserve reset resolve restart retire retry return revoke roll rotate round run sample
save say score seal seed select send serialize serve set share shorten show sign skip sort spawn spend
split start stop store stream strip submit subtract sum summarize sweep switch take talk tally tell tie
tokenize trace transact transfer traverse trim try unpack unseal update use validate view visit wait warn
watch weigh work wrap write
"""
"""What a function may begin with. A verb that is missing is added here; a noun, an adjective, a participle or
a preposition is none.
"""

PREDICATES = ("is", "has", "may")
FACTORIES = ("of", "from")
CONVERSIONS = ("as", "to")

COMMANDS = {
    *("add", "change", "check", "count", "evaluate", "fill", "hand", "insert", "install", "lease", "lock"),
    *("move", "prepare", "put", "remove", "resolve", "restart", "try", "write"),
}
"""Verbs of functions that do something and answer whether they did it."""

DECIDED_BY_OTHERS = {
    *("do_POST", "getaddrinfo", "log_message", "handle_error"),  # the standard library
    *("field_title_should_be_set", "model_schema", "typed_dict_schema", "union_schema"),  # pydantic
    "get_remaining_time_in_millis",  # Lambda
    "startup",  # uvicorn
}
"""Methods that somebody else calls by their names."""

DECLARED = ("property", "cached_property", "setter", "fixture", "command", "group")
"""Decorators that make a value of a function, or give it the name of an operator's command."""


class Function(NamedTuple):
    place: str
    name: str
    answers: str
    """The annotation of what it returns."""

    @property
    def words(self) -> list[str]:
        return self.name.strip("_").split("_")


def _list_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def _list_functions(folder: str) -> list[Function]:
    return [
        Function(
            f"{path.relative_to(ROOT)}:{node.lineno}",
            node.name,
            ast.unparse(node.returns or ast.Constant("")),
        )
        for path in _list_files(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _has_own_name(node)
    ]


def _has_own_name(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    decorators = {ast.unparse(each).partition("(")[0].rpartition(".")[2] for each in node.decorator_list}
    is_special = node.name.startswith("__") or node.name in DECIDED_BY_OTHERS or node.name == "main"
    return not is_special and not decorators & set(DECLARED)


def _is_verb_phrase(function: Function) -> bool:
    words = function.words
    if words[0] in (*PREDICATES, *FACTORIES, *CONVERSIONS):
        return words[0] == "of" or len(words) > 1
    return words[0] in VERBS.split() or words[-1] == "changes"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_function_is_a_verb_phrase(folder: str) -> None:
    functions = _list_functions(folder)
    assert [f"{each.place} {each.name}" for each in functions if not _is_verb_phrase(each)] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_predicate_answers_yes_or_no(folder: str) -> None:
    yes_or_no = ("bool", "TypeIs", "TypeGuard", "Condition")
    asked = [each for each in _list_functions(folder) if each.words[0] in PREDICATES]
    assert [f"{each.place} {each.name}" for each in asked if not each.answers.startswith(yes_or_no)] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_answers_yes_or_no_is_a_predicate_or_a_command(folder: str) -> None:
    first_words = {*PREDICATES, *COMMANDS}
    answering = [each for each in _list_functions(folder) if each.answers in ("bool", "bool | None")]
    assert [f"{each.place} {each.name}" for each in answering if each.words[0] not in first_words] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_only_plans_writes_ends_in_changes(folder: str) -> None:
    plans = {"Change", "list[Action]", "list[Change]", "Iterator[Action]", "Iterator[Change]"}
    planning = [each for each in _list_functions(folder) if each.answers in plans]
    assert [f"{each.place} {each.name}" for each in planning if each.words[-1] != "changes"] == []


def test_no_two_classes_of_the_layer_have_one_name() -> None:
    names = Counter(
        node.name
        for path in _list_files(LAYER)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.name != "Meta"  # pynamodb's
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_names_that_others_decide_are_in_use() -> None:
    names = {
        node.name
        for folder in FOLDERS
        for path in _list_files(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert DECIDED_BY_OTHERS - names == set()
