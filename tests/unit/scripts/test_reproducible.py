"""Tests that what is published does not depend on where, when or by whom it is made."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from scripts import reproducible
from scripts.web import PAGES

STAMP = "1700000000"


def test_the_wheel_is_the_same_bytes_wherever_it_is_made(project_root: Path, tmp_path: Path) -> None:
    """The folders differ in path, modes, times and the order in which files were made; the surroundings in the rest."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "oracle", "packaging", "pyproject.toml", "README.md", "LICENSE", ".gitignore"],
        cwd=project_root,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.split("\0") if name and (project_root / name).is_file()]
    made = []
    for number, each in enumerate(reproducible.strangers(tmp_path)):
        for name in names[:: -1 if number else 1]:
            path = each.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(project_root / name, path)
            path.chmod(0o666 & ~each.umask)
            os.utime(path, (1_600_000_000 + number, 1_600_000_000 + number))
        # As `make explorer` leaves them: Git ignores them, and the wheel has them.
        (each.folder / PAGES).mkdir()
        (each.folder / PAGES / "index.html").write_text("pages")
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"],
            cwd=each.folder,
            env=os.environ | each.environment | {"SOURCE_DATE_EPOCH": STAMP},
            umask=each.umask,
            check=True,
            capture_output=True,
        )
        (wheel,) = (each.folder / "dist").iterdir()
        assert zipfile.ZipFile(wheel).read(f"{PAGES}/index.html") == b"pages"
        made.append((wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest()))
    assert made[0] == made[1]


def test_the_build_back_end_is_the_locked_one(project_root: Path) -> None:
    """Whoever builds a wheel elsewhere gets the same release of it, whose name is in the wheel."""
    requires = tomllib.loads((project_root / "pyproject.toml").read_text())["build-system"]["requires"]
    assert len(requires) == 1 and f"\n{requires[0]} \\\n" in (project_root / "requirements.lock").read_text()


def test_every_difference_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    first = {"a": "1", "b": "2", "c": "3"}
    assert reproducible.differences(first, first) == []
    assert reproducible.differences(first, {"a": "1", "b": "4", "d": "3"}) == ["b", "c", "d"]
    assert reproducible.table(first, {**first, "b": "4"}).count("NOT THE SAME") == 1
    ways = {
        "oracle/chain/abi/A.json": "1",
        "oracle/chain/abi/A.json, compiled": "1",
        "circuit, bytecode of the verifier": "2",
        "circuit, bytecode from key, settings and SRS": "2",
    }
    assert reproducible.problems_within(ways) == []
    for name in ways:
        assert len(reproducible.problems_within({**ways, name: "3"})) == 1
