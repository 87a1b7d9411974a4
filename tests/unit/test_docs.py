"""What the documentation says exists: commands, files, make targets, the public API."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import oracle
from oracle.cli import oracle as command_line


def documents(root: Path) -> list[Path]:
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def test_documented_commands_exist(project_root: Path) -> None:
    found = set()
    for document in documents(project_root):
        for words in re.findall(r"(?:`|bin/|^ {4})oracle((?: [a-z]+)+)", document.read_text(), re.MULTILINE):
            command: click.Command = command_line
            for word in words.split():
                if not isinstance(command, click.Group):
                    break
                assert word in command.commands, f"{document.name}: oracle{words}"
                command = command.commands[word]
                found.add(word)
    assert {"deploy", "run", "audit", "doctor", "status"} <= found


def test_documented_make_targets_exist(project_root: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (project_root / "Makefile").read_text(), re.MULTILINE))
    for document in documents(project_root):
        for target in re.findall(r"(?:^ {4}|`)make ([a-z-]+)", document.read_text(), re.MULTILINE):
            assert target in targets, f"{document.name}: make {target}"


def test_linked_files_exist(project_root: Path) -> None:
    for document in documents(project_root):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
        for path in re.findall(r"`((?:oracle|contracts|tests|scripts|docs)/[\w./-]+)`", document.read_text()):
            assert (project_root / path).exists(), f"{document.name}: {path}"


def test_every_command_is_explained() -> None:
    def walk(command: click.Command) -> None:
        assert command.help, command.name
        if isinstance(command, click.Group):
            for inner in command.commands.values():
                walk(inner)

    walk(command_line)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from oracle.cli import oracle; "
        "oracle.main(['--help'], standalone_mode=False); "
        "print([name for name in ('web3', 'ezkl', 'onnx', 'numpy', 'rich', 'sqlalchemy', 'pydantic') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_public_api_is_pinned() -> None:
    assert sorted(oracle.__all__) == oracle.__all__ == ["__version__"]


@pytest.mark.parametrize("forbidden", ["http" + "s://registry.", "pypi" + ".org", "/" + "root/"])
def test_no_registry_and_no_path_of_a_machine_is_written_down(project_root: Path, forbidden: str) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=project_root, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        path = project_root / name
        if path.is_file() and path.suffix not in (".png", ".onnx"):
            assert forbidden not in path.read_text(errors="replace"), name
