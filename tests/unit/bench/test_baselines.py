"""Tests of the baselines' windows, of their tools' installation, and of their rows. Nothing is installed or proven."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from oracle.bench import baselines, groth16, rivals
from oracle.bench.cases import BASELINES, BESIDE_BASELINES, CIRCUITS
from oracle.bench.detectors import detector
from oracle.core.errors import Fatal, ToolMissing
from oracle.detectors.kinds.limits import VERDICT_SCORE_BITS
from oracle.detectors.kinds.quadratic import QuadraticModel
from tests.benchmark_report import example_report


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "groth16"
    monkeypatch.setattr(groth16, "tools_folder", lambda: folder)
    return folder


@pytest.mark.parametrize("name", sorted(rivals.GROTH16))
def test_every_second_window_is_held(name: str) -> None:
    model = detector(name)
    windows = baselines.mixed_windows(model, 9)
    assert [max(model.score_int(window)) > 0 for window in windows] == [False, True] * 4 + [False]
    # A spike is as small as the model still sees it, so the verdict is not a matter of course.
    for window in windows[1::2]:
        assert max(model.score_int([window[0] - baselines.SIGMA, *window[1:]])) <= 0


def test_each_baseline_is_measured_beside_the_same_model() -> None:
    assert {case for case in BASELINES if case.startswith("groth16-")} == {f"groth16-{name}" for name in rivals.GROTH16}
    assert {case for case in BASELINES if case.startswith("onchain-")} == {f"onchain-{name}" for name in rivals.ONCHAIN}
    assert set(BESIDE_BASELINES) == set(rivals.GROTH16)
    for name, beside in BESIDE_BASELINES.items():
        assert {(CIRCUITS[case].detector, CIRCUITS[case].visibility) for case in beside} == {(name, "private")}


def test_tools_are_installed_once_and_again_when_a_pin_changes(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    commands: list[Sequence[str]] = []
    monkeypatch.setattr(groth16, "output_of", lambda command, folder: commands.append(command))
    assert not groth16.is_installed()
    groth16.install(said.append)
    groth16.install(said.append)
    assert groth16.is_installed() and len(said) == len(commands) == 1
    # npm checks each package against its hash, and runs none of their scripts.
    assert {"ci", "--ignore-scripts"} <= set(commands[0])
    assert {path.name for path in tools.glob("package*.json")} == {"package.json", "package-lock.json"}
    (tools / ".stamp").write_text("of other pins")
    assert not groth16.is_installed()


def test_without_npms_registry_the_message_says_what_to_do(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: Sequence[str], folder: Path) -> str:
        raise Fatal("`npm ci …` failed: ENOTFOUND registry.npmjs.org")

    monkeypatch.setattr(groth16, "output_of", fail)
    with pytest.raises(ToolMissing, match=r"ENOTFOUND.*network connection.*leave out the cases groth16-"):
        groth16.install(print)
    assert not groth16.is_installed()


def test_each_tool_is_pinned_exactly_and_each_package_has_its_hash(project_root: Path) -> None:
    folder = project_root / "contracts" / "bench" / "groth16"
    assert set(groth16.tool_versions()) == {"circom2", "circomlib", "snarkjs"}
    assert all(version.replace(".", "").isdigit() for version in groth16.tool_versions().values())
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    root = packages.pop("")
    assert root["devDependencies"] == groth16.tool_versions()
    assert packages and all(each["integrity"].startswith("sha512-") for each in packages.values())
    # The tools' own files are no part of the project.
    assert {path.name for path in folder.iterdir()} == {
        "groth16.mjs", "package-lock.json", "package.json", "peers.circom", "quadratic.circom",
    }  # fmt: skip


def test_a_model_whose_scores_are_too_large_is_refused(tools: Path) -> None:
    wide = dataclasses.replace(QuadraticModel.default(), floor=1 << 60)
    with pytest.raises(Fatal, match=f"need more than {VERDICT_SCORE_BITS} bits"):
        groth16.build(rivals.GROTH16["quadratic"], wide, print)


def test_rows_tell_what_was_not_measured() -> None:
    report = example_report()
    first, second, *beside = baselines.rows(report)
    assert (first[0], second) == ("onchain-quadratic", ("groth16-quadratic", "0.210 s", "300,000", "330,000"))
    assert [row[0] for row in beside[:2]] == list(BESIDE_BASELINES["quadratic"])
    report["baselines"]["groth16-quadratic"] = {"missing": "npm can't install it"}
    assert baselines.rows(report)[1] == ("groth16-quadratic", "not measured", "–", "–")
