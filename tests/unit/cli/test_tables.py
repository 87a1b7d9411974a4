"""Tests that a table breaks no hash, address, number or time, in narrow terminals and in pipes."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.text import Text

from oracle import cli
from oracle.app.models import ModelOptions, inspect_model
from oracle.cli.render.deployment import print_deployment
from oracle.cli.render.model import print_graph
from oracle.cli.render.tables import new_console, new_table
from oracle.core.errors import ConfigError
from tests.models import model, node, weights

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
TX = f"0x{18:064x}"
ANSWER = "-170141183460469231731687303715884105.728"
AT = "2026-11-30T07:41:00Z"
WORDS = "words that may well fold where the terminal ends, as nobody copies them"


def printed(width: int | None, *cells: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines of a table with one row, on a terminal of this width; None: in a pipe."""
    monkeypatch.delenv("COLUMNS", raising=False)
    console = new_console()
    console.file = file = io.StringIO()
    if width is not None:
        console.width = width
    table = new_table(*(f"column {at}" for at in range(len(cells))))
    table.add_row(*cells)
    console.print(table)
    console.print(f"hub {TX}{ADDRESS[2:]} at {AT}: {WORDS}")
    console.print(f"{WORDS} and {WORDS}")
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [20, 40, 80])
def test_what_somebody_copies_is_never_broken(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(width, ADDRESS, WORDS, TX, f"[red]{ANSWER}[/]", AT, monkeypatch=monkeypatch)
    for whole in (ADDRESS, TX, ANSWER, AT, f"{TX}{ADDRESS[2:]}"):
        assert any(whole in line for line in lines), whole
    assert f"{WORDS} and {WORDS}" not in lines  # words fold


def test_a_row_is_one_line_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    header, row, line, _ = printed(None, ADDRESS, WORDS, TX, ANSWER, AT, monkeypatch=monkeypatch)
    assert header.split() == ["column", "0", "column", "1", "column", "2", "column", "3", "column", "4"]
    assert row.split() == [ADDRESS, *WORDS.split(), TX, ANSWER, AT]
    assert line.endswith(WORDS) and row == row.rstrip()


def test_a_pipe_that_says_how_wide_it_is_gets_folded_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert new_console().width == 60


@pytest.mark.parametrize(("variables", "coloured"), [({}, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False)])
def test_a_pipe_has_no_colours(
    variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    new_console().print("[red]HELD[/]")
    assert ("\x1b[31m" in capsys.readouterr().out) is coloured


def test_a_plain_console_would_break_them() -> None:
    """The rule is needed: a table of the library breaks an address in 20 columns."""
    file = io.StringIO()
    table = new_table("a")
    table.add_row(ADDRESS)
    Console(file=file, width=20).print(table)
    assert ADDRESS not in file.getvalue()


def test_every_command_prints_through_this_console(project_root: Path) -> None:
    """Pictures that move are for terminals alone."""
    moving = {"oracle/cli/demo.py", "oracle/cli/render/progress.py"}
    own = {
        str(path.relative_to(project_root))
        for path in (project_root / "oracle" / "cli").rglob("*.py")
        if re.search(r"(?<!\w)Console\(", path.read_text(encoding="utf-8"))
    }
    assert own == moving


@pytest.mark.attack
def test_what_others_have_written_does_nothing_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "a\x1b[2J\x1b]0;title\x07\x9b31m\u202eb"
    console = new_console()
    console.file = file = io.StringIO()
    table = new_table("x")
    table.add_row(evil)
    for each in (evil, Text(evil), table):
        console.print(each)
    console.print("[bold]two\nlines[/]", evil, markup=False)
    assert [character for character in file.getvalue() if not character.isprintable() and character != "\n"] == []
    assert "a[2J]0;title31mb" in file.getvalue() and "two\nlines" in file.getvalue()


@pytest.mark.attack
def test_an_error_does_nothing_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ConfigError("a\x1b[2J\nb")

    monkeypatch.setattr(cli.oracle, "main", fails)
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err == "error: a[2J\nb\n"


def test_a_description_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    feed = SimpleNamespace(description="ETH [spot] [/]", aggregator=ADDRESS, adapters=())
    deployment = SimpleNamespace(chain_id=1, hub=ADDRESS, models={}, feeds={"eth": feed}, registry=None)
    print_deployment(deployment)  # type: ignore[arg-type]
    assert "ETH [spot] [/]" in capsys.readouterr().out


def test_a_model_without_weights_has_no_private_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of it could be hidden, so it is always built public."""
    for name, ends in (("Relu", ["x"]), ("MatMul", ["x", "w"])):
        path = tmp_path / f"{name}.onnx"
        constants = [weights("w", [[1.5], [2.25]])] if "w" in ends else []
        path.write_bytes(model([node(name, ends)], [1, 2], constants))
        print_graph(inspect_model(ModelOptions(path)), as_json=False)
        kinds = [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]]
        assert kinds == ["weights", "public"] + ["private"] * bool(constants)
