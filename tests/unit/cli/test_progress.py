"""Tests of the steps of a long command: a spinner in a terminal, lines with seconds in a pipe."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from oracle.cli.render.progress import step_progress
from oracle.cli.render.tables import new_console


def test_in_a_pipe_each_step_is_a_line_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    long = "proving candidate 1:" + " scales 12/7" * 30
    with step_progress() as progress:
        progress("checking [the] model")
        assert re.fullmatch(r" +0\.\d s  checking \[the\] model\n", capsys.readouterr().err)
        progress(long)
        written = capsys.readouterr()
    assert written.err.count("\n") == 1 and written.err.rstrip("\n").endswith(long) and not written.out
    assert "\x1b" not in written.err


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> tuple[io.StringIO, Console]:
    """Return what a terminal was told, and its console."""
    monkeypatch.setenv("TERM", "xterm-256color")
    console = new_console(stderr=True)
    console.is_interactive = True
    screen = io.StringIO()
    console.file, console._force_terminal = screen, True
    return screen, console


def test_in_a_terminal_the_current_step_has_a_clock_and_those_before_stay(
    terminal: tuple[io.StringIO, Console],
) -> None:
    screen, console = terminal
    with step_progress(console) as progress:
        progress("checking the model")
        progress("scales: input 2^-12")
        shown = screen.getvalue()
        # The first one is done, and stays with its seconds; the second one is running, with a clock.
        assert re.search(r"0\.\d s +checking the model", shown)
        assert not re.search(r"0\.\d s +scales", shown)
    assert "scales: input 2^-12" in screen.getvalue() and "0:00:00" in screen.getvalue()


def test_a_step_cannot_control_the_terminal(terminal: tuple[io.StringIO, Console]) -> None:
    screen, console = terminal
    with step_progress(console) as progress:
        progress("node \x1b]0;owned\x07 [red]x[/]")
        progress("next")
    assert "\x1b]0;" not in screen.getvalue() and "[red]x[/]" in screen.getvalue()


def test_the_last_step_is_told_also_if_it_fails(terminal: tuple[io.StringIO, Console]) -> None:
    screen, console = terminal

    def fail() -> None:
        with step_progress(console) as progress:
            progress("keys")
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fail()
    assert re.search(r"0\.\d s +keys", screen.getvalue())


def test_a_terminal_without_a_cursor_gets_lines(
    terminal: tuple[io.StringIO, Console], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    screen, _ = terminal
    console = new_console(stderr=True)
    console.file, console._force_terminal = screen, True
    with step_progress(console) as progress:
        progress("keys")
        assert re.fullmatch(r" +0\.\d s  keys\n", screen.getvalue())
