"""Tests that a hold, a pause and a stale round stand out in `oracle feed show`, and that names are no markup."""

from __future__ import annotations

import pytest

from oracle.cli.render.feed import _print

TOLD = {"feed": "[red]eth", "paused": "yes", "latest round": "7: 2000; stale", "held": "2910, repeated"}


def test_a_terminal_has_colours(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    _print(TOLD)
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "feed          [red]eth",
        "paused        \x1b[1;31myes\x1b[0m",
        "latest round  \x1b[1;33m7: 2000; stale\x1b[0m",
        "held          \x1b[1;33m2910, repeated\x1b[0m",
    ]


@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}])
def test_a_pipe_and_who_wants_none_get_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    _print(TOLD | {"paused": "no"})
    said = capsys.readouterr().out
    assert "\x1b[1;3" not in said and "\x1b[3" not in said
    assert "paused        no" in said


def test_a_long_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    _print({"feed": "word " * 100})
    assert len(capsys.readouterr().out.splitlines()) == 1
