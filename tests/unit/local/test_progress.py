"""The progress of long commands is for people who look at a terminal."""

import os
import pty
from contextlib import redirect_stderr, suppress
from io import StringIO

import pytest

from local.cli.progress import describe_stop, show_progress


def test_on_a_terminal_a_bar_shows_how_much_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, redirect_stderr(terminal), show_progress("my-app", 3) as advance:
        advance()
        advance()
    shown = b""
    with suppress(OSError):  # Linux says so when all is read and the other side is closed
        while part := os.read(ours, 100_000):
            shown += part
    os.close(ours)
    assert b"my-app" in shown
    assert b"2/3" in shown


def test_elsewhere_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    written = StringIO()
    with redirect_stderr(written), show_progress("my-app") as advance:
        advance()
    assert written.getvalue() == ""


def test_what_was_cut_off_is_known_and_what_has_ended_is_not() -> None:
    with show_progress("my-app") as advance:
        advance()
    assert describe_stop() is None

    def cut_off() -> None:
        with show_progress("my-app") as advance:
            for _ in range(1_000):
                advance()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    assert describe_stop() == "my-app, 1,000 done"
