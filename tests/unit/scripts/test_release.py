"""Tests of the release script: it refuses a tag that does not fit, with everything that is wrong at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oracle import __version__
from scripts import release


def test_the_tree_can_be_released_under_its_own_version(project_root: Path) -> None:
    assert release.problems(f"v{__version__}", project_root) == []


def test_another_tag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["check", "v9.9.9"]) == 1
    assert f"tag v{__version__}" in capsys.readouterr().err


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    for name in (*release.NODE_PACKAGES, release.CLIENT_VERSION):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    for name in release.NODE_PACKAGES:
        (tmp_path / name).write_text(json.dumps({"version": __version__}))
    (tmp_path / "package.json").write_text('{"version": "9.9.8"}')
    own = {"@verifiable-oracle/contracts": "9.9.6", "viem": "1.0.0"}
    (tmp_path / "npm/client/package.json").write_text(json.dumps({"version": __version__, "dependencies": own}))
    (tmp_path / release.CLIENT_VERSION).write_text('export const VERSION = "9.9.5";\n')
    (tmp_path / "CITATION.cff").write_text("version: 9.9.7\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n")
    found = release.problems("v9.9.9", tmp_path)
    assert len(found) == 6
    assert "package.json says version 9.9.8" in found[1] and "CITATION.cff says 9.9.7" in found[4]
    assert "npm/client/package.json says @verifiable-oracle/contracts 9.9.6" in found[2]
    assert "npm/client/src/index.ts has another VERSION" in found[3]
    assert "CHANGELOG.md is nothing" in found[5]
