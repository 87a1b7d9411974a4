"""Tests of the script that builds, checks and tests the web projects."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from scripts import web
from scripts.bootstrap import WEB_PROJECTS, Bootstrap, SetupError
from scripts.web import SCENE, SharedScene, run_task, take_pages

PLAYS = (sys.executable, "-c", "import sys; print('{\"hub\": 1}', flush=True); sys.stdin.read()")
"""A scene that is described at once, and lives until its stdin closes."""

BREAKS = (sys.executable, "-c", "raise SystemExit(1)")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a clone whose npm notes what it is asked to run, in `ran`, and fails where a file `fails` says so."""
    for project in WEB_PROJECTS:
        (tmp_path / project).mkdir()
    (tmp_path / "explorer" / "dist").mkdir()
    (tmp_path / "explorer" / "dist" / "index.html").write_text("new")
    (tmp_path / "oracle" / "web").mkdir(parents=True)
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(
        f'#!/bin/sh\necho "$(basename "$PWD") $3 ${{{SCENE}:-}}" >> ../ran\n'
        f'[ "$3" != "test" ] || cp "${SCENE}" ../described\n'
        f'[ ! -e ../fails ] || [ "$(cat ../fails)" != "$(basename "$PWD") $3" ] || exit 3\n'
    )
    npm.chmod(0o755)
    monkeypatch.setattr(Bootstrap, "npm", lambda _: [str(npm)])
    monkeypatch.setattr(web, "SharedScene", lambda root: SharedScene(root, PLAYS))
    return tmp_path


def ran(checkout: Path) -> list[str]:
    """Return the projects and scripts that were run, in order."""
    return [" ".join(line.split()[:2]) for line in (checkout / "ran").read_text().splitlines()]


def test_each_project_is_checked(checkout: Path) -> None:
    assert run_task("check", checkout) == 0
    assert ran(checkout) == ["npm types", "explorer types", "npm lint", "explorer lint"]
    assert not (checkout / "oracle" / "web" / "pages").exists()


def test_a_build_puts_the_pages_into_the_package(checkout: Path) -> None:
    old = checkout / "oracle" / "web" / "pages" / "old.html"
    old.parent.mkdir()
    old.touch()
    assert run_task("build", checkout) == 0
    assert [path.name for path in old.parent.iterdir()] == ["index.html"]
    assert [path.name for path in old.parent.parent.iterdir()] == ["pages"]
    take_pages(checkout)
    assert (old.parent / "index.html").read_text() == "new"


def test_tests_run_on_what_was_built_and_on_one_scene(checkout: Path) -> None:
    assert run_task("test", checkout) == 0
    assert ran(checkout)[:2] == ["npm build", "explorer build"]
    assert sorted(ran(checkout)[2:]) == ["explorer test", "npm test"]
    described = [line.split()[2] for line in (checkout / "ran").read_text().splitlines()[2:]]
    assert len(set(described)) == 1 and not Path(described[0]).exists()
    assert json.loads((checkout / "described").read_text()) == {"hub": 1}


@pytest.mark.parametrize("failing", ["npm build", "explorer build", "npm test", "explorer test"])
def test_what_fails_is_named(checkout: Path, failing: str, capsys: pytest.CaptureFixture[str]) -> None:
    (checkout / "fails").write_text(failing)
    assert run_task("test", checkout) == 3
    project, script = failing.split()
    # Nothing follows a build that fails; tests are run side by side.
    assert failing in (ran(checkout)[-1:] if script == "build" else ran(checkout)[2:])
    assert any(line.endswith("test") for line in ran(checkout)) == (script == "test")
    assert f"{project}: `npm run {script}` failed (exit code 3)" in capsys.readouterr().err


def test_a_scene_that_ends_too_early_is_named(tmp_path: Path) -> None:
    with SharedScene(tmp_path, BREAKS) as scene, pytest.raises(SetupError, match=r"ended too early: .* says why"):
        scene.described()


def test_a_scene_ends_with_its_context(tmp_path: Path) -> None:
    with SharedScene(tmp_path, PLAYS) as scene:
        assert scene.described() == scene.described()
        assert scene.is_playing
    assert not scene.is_playing
