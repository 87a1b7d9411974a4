"""The training commands, in this process and an empty folder, for the tests of training and of drift."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from oracle.cli import oracle

Run = Callable[..., tuple[int, str, str]]
"""A function that runs a command and returns its exit code, output and errors."""

SALT = "00112233445566778899aabbccddeeff"

CARD = "build/models/mine.card.json"


def configure(kind: str = "arch+window", data: str = 'file = "prices.csv"', more: str = "", budget: str = "20") -> None:
    sections = {
        "data": data,
        "detector": f'type = "{kind}"\nname = "mine"\n{more}',
        "budget": f"false_holds_per_10k = {budget}",
    }
    tables = "\n".join(f"[{name}]\n{body}\n" for name, body in sections.items())
    Path("train.toml").write_text(f'salt = "{SALT}"\n{tables}')


def trained_in(folder: Path, prepare: Callable[[], None]) -> Path:
    """Train a model once for several tests, which copy the folder.

    Args:
        folder: An empty folder.
        prepare: Writes the series and the configuration into the current folder.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare()
        done = CliRunner().invoke(oracle, ["detector", "train", "train.toml"])
        assert done.exit_code == 0, done.output + repr(done.exception)
    return folder


def files(folder: str = "build/models") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def refused(done: tuple[int, str, str], says: str) -> None:
    code, _, errors = done
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert code == 2 and len(lines) == 1 and "Traceback" not in errors, errors
    assert re.search(says, lines[0]), lines[0]
