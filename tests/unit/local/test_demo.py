"""The demo's scripts and how it tells right from wrong, without a service."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.demo import script
from local.demo.__main__ import main
from local.demo.account import Account
from local.demo.compare import find_changes, find_differences
from local.serve.greeting import DEMO_APPS


@pytest.mark.parametrize("app", DEMO_APPS)
def test_every_demo_app_has_a_script_that_ends_and_calls_only_its_own_tools(app: str) -> None:
    played = script.read(app)
    calls = [call for turn in played.turns for call in turn.calls]
    assert played.ends in ("resolved", "handed_off")
    assert {call.tool for call in calls} <= set(played.tools)
    assert calls


def test_dates_in_a_script_are_text_as_in_json() -> None:
    first = script.read("demo-dentist").turns[1].calls[1]
    assert first.parameters == {"startDate": "2026-04-07"}


@pytest.mark.parametrize(
    ("expected", "got", "exact", "told"),
    [
        pytest.param({"a": 1}, {"a": 1, "b": 2}, False, [], id="more keys are no fault"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, True, ["b should be absent, and is 2"], id="unless exact"),
        pytest.param({"a": 1}, {}, False, ["a should be 1, and is absent"], id="a missing key"),
        pytest.param({"a": None}, {}, False, ["a should be None, and is absent"], id="null is not absent"),
        pytest.param([1, 2], [1], False, ["it should be [1, 2], and is [1]"], id="a shorter list"),
        pytest.param([1], [1], False, [], id="a list of the same"),
        pytest.param(["x" * 300], [], False, ["it should be a list of 1, and is one of 0"], id="a long list"),
        pytest.param(
            {"a": [{"b": 1}]}, {"a": [{"b": 2}]}, False, ["a[0].b should be 1, and is 2"], id="deep"
        ),
        pytest.param(1, True, False, ["it should be 1, and is True"], id="true is not one"),
        pytest.param(1, 1.0, False, [], id="numbers are numbers"),
        pytest.param("1", 1, False, ["it should be '1', and is 1"], id="text is no number"),
        pytest.param(re.compile("R-.+"), "R-1", False, [], id="a pattern"),
        pytest.param(
            re.compile("R-.+"), "r-1", False, ["it should be text like 'R-.+', and is 'r-1'"], id="a miss"
        ),
        pytest.param(
            re.compile(".*"), None, False, ["it should be text like '.*', and is None"], id="no text"
        ),
    ],
)
def test_differences_are_sentences(expected: Any, got: Any, exact: bool, told: list[str]) -> None:
    assert list(find_differences(expected, got, exact=exact)) == told


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (None, None, {}),
        ({"rows": [{"id": "1", "a": 1}]}, {"rows": [{"id": "1", "a": 1}]}, {}),
        ({"rows": [{"id": "1", "a": 1}]}, {"rows": [{"id": "1", "a": 2}]}, {"rows": {"1": {"a": 2}}}),
        ({"rows": [{"id": "1"}]}, {"rows": []}, {"rows": {"1": {"id": None}}}),
        ({"rows": []}, {"rows": [{"id": "1"}]}, {"rows": {"1": {"id": "1"}}}),
        (None, {"rows": [{"a": 1}]}, {"rows": {"[0]": {"a": 1}}}),
        ({"rows": [{"sku": "x", "a": None}]}, {"rows": [{"sku": "x"}]}, {"rows": {"x": {"a": None}}}),
    ],
)
def test_changes_of_the_state_are_found_by_the_ids_of_its_rows(before: Any, after: Any, found: Any) -> None:
    assert find_changes(before, after) == found


def account_on(file: io.StringIO, **console: Any) -> Account:
    return Account(Console(file=file, highlight=False, width=100, **console))


def test_a_wrong_step_is_counted_and_told_in_red_on_a_terminal_alone() -> None:
    terminal, pipe = io.StringIO(), io.StringIO()
    for account in (
        account_on(terminal, force_terminal=True, color_system="standard", _environ={}),
        account_on(pipe, _environ={}),
    ):
        assert account.check("GET /api/tools", []) is True
        assert account.check("GET /api/persona", ["voice should be 'Kore', and is 'Puck'"]) is False
        account.end(1, 2, 0.5)
        assert (account.checked, account.wrong) == (2, 1)
    assert "\x1b[31mvoice should be 'Kore', and is 'Puck'" in terminal.getvalue()
    assert "\x1b" not in pipe.getvalue()
    assert "1 wrong: 1 conversations, 2 requests, 2 steps checked in 0.5 s" in pipe.getvalue()


def test_what_the_service_says_is_text_and_no_markup() -> None:
    shown = io.StringIO()
    account_on(shown).tell_line("Sarah", "[bold]Hello[/bold] :smile: [/]", "magenta")
    assert "[bold]Hello[/bold] :smile: [/]" in shown.getvalue()


def test_without_a_service_it_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main({"DATA_DIR": str(tmp_path)}) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"No local service is running on {tmp_path}: start it with `make run` in another terminal, "
        "or set URL and DEMO_SECRET for one that runs elsewhere.\n"
    )


def test_without_a_secret_it_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main({"DATA_DIR": str(tmp_path), "URL": "http://127.0.0.1:9"}) == 1
    assert capsys.readouterr().err == (
        f"The secret of the demo apps is not in {tmp_path}/demo-secret: set DEMO_SECRET to the one that the "
        "service was started with.\n"
    )


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "ftp://x", "http://[", "localhost:9"])
def test_an_address_where_nothing_answers_is_one_sentence(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main({"URL": url, "DEMO_SECRET": "s"}) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"There is no service to play with. {url}/api/health: {url} does not answer: ")
    assert said.count("\n") == 1
