"""Tests of external checks of the contracts: coverage against its limits, and slither's settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import bootstrap, coverage, slither
from scripts.bootstrap import Bootstrap, SetupError

SOURCE = """\
contract C {
    function f(uint256 x) external {
        assembly ("memory-safe") {
            if x { mstore(0, x) }
        }
        require(x != 0, "zero");
        if (x > 1) revert();
    }
}
"""


def trace(*entries: str) -> str:
    return "\n".join(("TN:", "SF:C.sol", *entries, "end_of_record", ""))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "C.sol").write_text(SOURCE)
    return tmp_path


def test_assembly_is_every_line_that_its_blocks_touch() -> None:
    assert coverage.assembly_lines(SOURCE) == {3, 4, 5}
    assert coverage.assembly_lines("f();\nassembly { x := 1 }\ng();\n// assemblyman {\n") == {2}


def test_what_leaves_no_trace_is_not_counted(root: Path) -> None:
    entries = ("DA:2,3", "DA:4,0", "DA:6,3", "DA:7,3", "BRDA:4,0,0,-", "BRDA:6,1,0,0", "BRDA:6,1,1,0", "BRDA:7,2,0,3")
    lines, branches = coverage.measure(trace(*entries), root)
    assert (lines.reached, lines.missed, lines.traceless) == (3, [], 1)
    assert (branches.reached, branches.missed, branches.traceless) == (1, [], 3)


def test_a_require_is_counted_where_it_leaves_a_trace_or_did_not_run(root: Path) -> None:
    _, branches = coverage.measure(trace("DA:2,1", "DA:6,1", "BRDA:6,1,0,1", "BRDA:6,1,1,0"), root)
    assert (branches.reached, len(branches.missed), branches.traceless) == (1, 1, 0)
    _, branches = coverage.measure(trace("DA:2,1", "DA:6,0", "BRDA:6,1,0,0", "BRDA:6,1,1,0"), root)
    assert (branches.reached, len(branches.missed), branches.traceless) == (0, 2, 0)


@pytest.mark.parametrize(
    ("lines", "branches", "code"), [("50", "50", 0), ("50.1", "50", 1), ("50", "50.1", 1), ("0", "0", 0)]
)
def test_limits_are_met_or_the_check_fails(
    root: Path, capsys: pytest.CaptureFixture[str], lines: str, branches: str, code: int
) -> None:
    file = root / "lcov.info"
    file.write_text(trace("DA:2,1", "DA:7,0", "BRDA:7,0,0,1", "BRDA:7,0,1,-"))
    assert coverage.main([str(file), "--root", str(root), "--lines", lines, "--branches", branches]) == code
    said = capsys.readouterr().out
    assert "lines: 50.00 % (1 of 2; 0 leave no trace)" in said
    assert "not reached: C.sol:7  if (x > 1) revert();" in said
    assert "not reached: C.sol:7, outcome 1" in said


@pytest.mark.parametrize("text", ["", trace(), trace("DA:2,0"), trace("DA:4,0")])
def test_a_measurement_of_nothing_is_no_success(root: Path, text: str) -> None:
    with pytest.raises(ValueError, match="no line was reached"):
        coverage.measure(text, root)


def test_a_detector_is_left_out_with_a_reason_only(tmp_path: Path) -> None:
    file = tmp_path / "slither.config.json"
    file.write_text(json.dumps({"fail_on": "low", "reasons": {"timestamp": "whole seconds", "assembly": "tested"}}))
    assert slither.settings(tmp_path) == {"fail_on": "low", "detectors_to_exclude": "assembly,timestamp"}
    for wrong in ({"reasons": {"timestamp": " "}}, {"detectors_to_exclude": "timestamp"}):
        file.write_text(json.dumps(wrong))
        with pytest.raises(slither.Unexplained, match="with its reason"):
            slither.settings(tmp_path)


def test_a_finding_is_disabled_by_name_and_with_a_reason_only() -> None:
    slither.check_comments("C.sol", "  // slither-disable-next-line a-b,c -- it is meant\n// slither-disable-end a-b\n")
    for wrong in ("next-line a-b", "start", "next-line", "next-line -- meant", "start a-b --"):
        with pytest.raises(slither.Unexplained, match=r"C\.sol: .* lacks"):
            slither.check_comments("C.sol", f"x;\n    // slither-disable-{wrong}\n")


def test_slither_sees_every_source_and_nothing_is_hidden(project_root: Path) -> None:
    settings = slither.settings(project_root)
    assert settings["filter_paths"] == "node_modules"
    assert settings["fail_on"] == "pedantic"
    assert not [key for key, value in settings.items() if key.startswith("exclude_") and value and "depend" not in key]
    info = slither.build_info(project_root)
    sources = {path.relative_to(project_root).as_posix() for path in (project_root / "contracts/src").rglob("*.sol")}
    assert sources <= info["output"]["sources"].keys()
    assert all(source["ast"] for source in info["output"]["sources"].values())


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with a lock file, where making an environment only makes its folder."""
    (tmp_path / "requirements-slither.lock").write_text("slither 1\n")

    def fake(command: list[str | Path], remedy: str, cwd: Path, **_: object) -> None:
        made.append([str(part) for part in command])
        if made[-1][1:3] == ["-m", "venv"]:
            python = Bootstrap(tmp_path).checker_python("slither")
            python.parent.mkdir(parents=True, exist_ok=True)
            python.touch()
            (tmp_path / ".venv-slither/pyvenv.cfg").write_text("version = 3.11.7\n")

    made: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "run", fake)
    return tmp_path


def test_slither_has_an_environment_of_its_own(checkout: Path) -> None:
    assert not Bootstrap(checkout).checker_is_current("slither")
    assert Bootstrap(checkout).checker("slither")
    assert Bootstrap(checkout).checker_is_current("slither")
    assert not Bootstrap(checkout).checker("slither")
    (checkout / "requirements-slither.lock").write_text("slither 2\n")
    assert not Bootstrap(checkout).checker_is_current("slither")


def test_slither_is_installed_for_its_own_interpreter_with_pip_if_need_be(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Path | None]] = []
    monkeypatch.setattr(Bootstrap, "uv_install", lambda _, mode, lock, python=None: asked.append(("uv", python)))
    monkeypatch.setattr(Bootstrap, "pip_install", lambda _, lock, python=None: asked.append(("pip", python)))
    setup = Bootstrap(checkout)
    assert setup.checker("slither")
    assert asked == [("uv", setup.checker_python("slither")), ("pip", setup.checker_python("slither"))]


def test_a_slither_that_cant_be_installed_is_tried_again(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> bool:
        raise SetupError("no network")

    monkeypatch.setattr(Bootstrap, "uv_install", fail)
    with pytest.raises(SetupError, match="no network"):
        Bootstrap(checkout).checker("slither")
    assert not Bootstrap(checkout).checker_is_current("slither")
