"""The account of a conversation while it is played, printed with colours on a terminal."""

import io
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

_LABEL = 10
_PIPED_WIDTH = 110


class Account:
    """Tells what happens, and counts what was checked and what was wrong."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or _open_console()
        self.checked = 0
        self.wrong = 0

    def begin_scenario(self, name: str, title: str) -> None:
        """Begin the account of an app's conversation."""
        self._console.print()
        self._console.print(Rule(Text.assemble((name, "bold"), f" · {title}"), align="left", style="dim"))

    def leave_gap(self) -> None:
        """Leave a line empty."""
        self._console.print()

    def tell_fact(self, label: str, text: str) -> None:
        """Tell something that holds for the conversation."""
        self._print_row(Text(label, "dim"), Text(text))

    def tell_line(self, name: str, text: str, style: str) -> None:
        """Tell what somebody says."""
        self._print_row(Text(name, f"bold {style}"), Text(text))

    def tell_call(self, tool: str, parameters: Mapping[str, Any], brief: str) -> None:
        """Tell a tool call and what it has answered in brief."""
        given = ", ".join(f"{name}: {json.dumps(value)}" for name, value in parameters.items())
        self._print_row(Text("call", "yellow"), Text.assemble((tool, "yellow"), (f"({given})", "dim")))
        self._print_row(Text("->", "yellow"), Text(brief, "yellow"))

    def tell_change(self, row: str, before: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Tell how a row of the scenario's state has changed."""
        each = ", ".join(
            f"{key} {before[key]} -> {value}" if key in before else f"{key} {value}"
            for key, value in new.items()
        )
        self._print_row(Text("state", "green"), Text.assemble((row, "bold green"), (f": {each}", "green")))

    def tell_violation(self, action: str, rule: str) -> None:
        """Tell what a guardrail has found."""
        style = {"block": "bold red", "warn": "bold yellow"}.get(action, "dim")
        self._print_row(Text("guardrail", style), Text(f"{action}, by a rule of type {rule}", style))

    def tell_saved(self, text: str) -> None:
        """Tell what was saved."""
        self._print_row(Text(""), Text(text, "dim"))

    def tell_success(self, text: str) -> None:
        """Tell what was checked and is right."""
        self._print_row(Text("ok", "green"), Text(text))

    def check(self, what: str, differences: Iterable[str]) -> bool:
        """Count a step, and tell in red what is wrong with it. Returns whether all is right."""
        found = list(differences)
        self.checked += 1
        if found:
            self.tell_failure(what, found)
        return not found

    def tell_failure(self, what: str, reasons: Iterable[str]) -> None:
        """Tell what went wrong."""
        self.wrong += 1
        text = Text.assemble((what, "bold red"), *((f"\n{each}", "red") for each in reasons))
        self._print_row(Text("WRONG", "bold red"), text)

    def end(self, conversations: int, requests: int, seconds: float) -> None:
        """Tell the sums of all conversations."""
        counts = f"{conversations} conversations, {requests} requests, {self.checked} steps checked"
        self._console.print()
        if self.wrong:
            text = f"{self.wrong} wrong: {counts} in {seconds:.1f} s"
            self._console.print(Text(text, "bold red"))
        else:
            self._console.print(Text(f"All as it should be: {counts} in {seconds:.1f} s", "bold green"))

    def _print_row(self, label: Text, text: Text) -> None:
        row = Table.grid(padding=(0, 2))
        row.add_column(width=_LABEL, justify="right")
        row.add_column()
        row.add_row(label, text)
        self._console.print(row)


def _open_console() -> Console:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that is not UTF-8
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPED_WIDTH)
