"""Tests of what a shell completes: commands, options, and names of the configuration in the current folder; fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from oracle.cli import oracle as command_line
from oracle.cli.completion import SHELLS

CONFIG = """
[chain]
deployment = "build/d.json"
[[committees]]
name = "main"
[[feeds]]
name = "eth-usd"
[[feeds]]
name = "eur-usd"
"""
DEPLOYMENT = {
    "hub": "0x0",
    "feeds": {"eth-usd": {}, "old-feed": {}},
    "committees": {"main": {}, "other": {}},
    "models": {"1": {}, "12": {}, "3": {}},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "oracle.toml").write_text(CONFIG)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "d.json").write_text(json.dumps(DEPLOYMENT))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORACLE_CONFIG", raising=False)
    return tmp_path


def completed(*words: str) -> list[str]:
    """Return what completes the last word."""
    *before, incomplete = words
    found = ShellComplete(command_line, {}, "oracle", "_ORACLE_COMPLETE").get_completions(list(before), incomplete)
    return [item.value for item in found]


@pytest.mark.usefixtures("folder")
def test_names_of_the_configuration_and_its_deployment_are_completed() -> None:
    assert completed("history", "") == ["eth-usd", "eur-usd", "old-feed"]
    assert completed("history", "eth") == ["eth-usd"]
    assert completed("explain", "o") == ["old-feed"]
    assert completed("feed", "pause", "eth-usd", "e") == ["eth-usd", "eur-usd"]
    assert completed("committee", "show", "--committee", "") == ["main", "other"]
    assert completed("feed", "propose-model", "eth-usd", "1") == ["1", "12"]


def test_commands_and_options_are_completed() -> None:
    assert "history" in completed("hi") and "top" in completed("t")
    assert completed("history", "--li") == ["--limit"]
    assert completed("history", "--kind", "h") == ["hold"]
    assert completed("completion", "") == list(SHELLS)


def test_the_named_configuration_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other.toml").write_text('[[feeds]]\nname = "gold"\n')
    assert completed("explain", "--config", "other.toml", "") == ["gold"]
    monkeypatch.setenv("ORACLE_CONFIG", "other.toml")
    assert completed("history", "") == ["gold"]


@pytest.mark.parametrize(
    ("config", "deployment"),
    [
        (None, None),
        ("this is no TOML", None),
        ("feeds = 3", None),
        ("feeds = [1, {}, {name = 2}]\n[chain]\ndeployment = 7", None),
        ('[chain]\ndeployment = "d.json"', "{"),
        ('[chain]\ndeployment = "d.json"', "[]"),
        ('[chain]\ndeployment = "d.json"', '{"feeds": [1], "committees": null, "models": "x"}'),
        ('[chain]\ndeployment = "d.json"', "[" * 100_000),
        ("feeds = " + "[" * 100_000, None),
        ('[chain]\ndeployment = "/dev/zero"', None),
    ],
)
def test_nobody_is_told_of_a_broken_file_while_typing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str | None, deployment: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORACLE_CONFIG", raising=False)
    for name, text in (("oracle.toml", config), ("d.json", deployment)):
        if text is not None:
            (tmp_path / name).write_text(text)
    assert completed("history", "") == []
    assert completed("committee", "show", "--committee", "") == ["default"]
    assert completed("feed", "propose-model", "eth", "") == []


def test_what_is_no_name_does_not_get_into_a_command_line(folder: Path) -> None:
    """A folder may be somebody else's, and a shell runs what stands in its command line."""
    planted = ["$(touch planted)", "a;touch planted", "`id`", "a b", "a\nplain,b", "--config", "\x1b[2J", "A"]
    (folder / "oracle.toml").write_text("".join(f"[[feeds]]\nname = {json.dumps(each)}\n" for each in planted))
    assert completed("history", "") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_is_printed(shell: str) -> None:
    done = CliRunner().invoke(command_line, ["completion", shell])
    assert done.exit_code == 0 and f"_ORACLE_COMPLETE={shell}_complete" in done.stdout
    found = json.loads(CliRunner().invoke(command_line, ["completion", shell, "--json"]).stdout)
    assert (found["shell"], found["script"] in done.stdout) == (shell, True)
    help_text = CliRunner().invoke(command_line, ["completion", "--help"]).stdout
    assert found["install"] in help_text


@pytest.mark.usefixtures("folder")
def test_a_shell_is_answered_without_anything_heavy() -> None:
    """As bash asks: through the environment, of a new process."""
    code = (
        "import sys; sys.argv = ['oracle']\n"
        "from oracle.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = ('web3', 'ezkl', 'onnx', 'numpy', 'rich', 'sqlalchemy', 'pydantic', 'aiohttp', 'eth_utils')\n"
        "print(code, [name for name in heavy if name in sys.modules])"
    )
    asked = {"_ORACLE_COMPLETE": "bash_complete", "COMP_WORDS": "oracle history e", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["plain,eth-usd", "plain,eur-usd", "0 []"]
