"""The benchmark runs and reports what it promises. How fast anything is, is no test's business."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oracle import bench
from oracle.errors import ArtifactError
from oracle.proving.child import EngineProcess

NUMBERS = ("prove_s", "witness_s", "verify_s", "total_s", "setup_s", "gas", "verify_gas", "rss_mb", "proof_bytes", "k")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.mark.slow
async def test_report(tmp_path: Path, said: list[str]) -> None:
    """Two of our circuits, with real proofs, a real chain and a real daemon."""
    out = tmp_path / "new" / "bench.json"
    cases = ("quadratic-private-b1", "quadratic-public-b1")
    report = await bench.run(repeat=1, cold_setup=False, out=out, echo=said.append, cases=cases, observations=5)
    assert json.loads(out.read_text()) == report

    for case in cases:
        assert all(report[case][name] > 0 for name in NUMBERS), report[case]
        assert report[case]["total_s"] >= report[case]["prove_s"]
        # A report pays for its proof, and for signatures, features, storage and events on top of it.
        assert 150_000 < report[case]["verify_gas"] < report[case]["gas"] < 1_000_000
    private, public = (report[case] for case in cases)
    # The hash of the weights costs commitments and an instance.
    assert private["proof_bytes"] > public["proof_bytes"]
    assert private["instances"] == public["instances"] + 1
    assert private["verify_gas"] > public["verify_gas"]

    for name in ("end_to_end", "end_to_end_one_worker"):
        assert report[name]["observations"] == 5
        assert 0 < report[name]["p50_s"] <= report[name]["p95_s"]
        assert report[name]["case"] == "quadratic-private-b1"
    assert report["end_to_end_one_worker"]["workers"] == 1
    assert report["daemon_rss_mb"] > report["daemon_parent_rss_mb"] > 10
    assert report["cli_help_s"] > 0
    assert report["machine"]["cores"] >= 1 and report["versions"]["ezkl"] == "23.0.5"
    assert not {"cold_setup_s", bench.DEFAULT, "quadratic-verdict-b1"} & report.keys()

    printed = "\n".join(said)
    for case in cases:
        assert f"{report[case]['gas']:,}" in printed
    assert str(out) in said


@pytest.mark.parametrize(
    "wrong",
    [{"cases": ["quadratic"]}, {"cases": []}, {"repeat": 0}, {"observations": 4}],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_nothing_is_measured_if_it_makes_no_sense(tmp_path: Path, said: list[str], wrong: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"repeat": 1, "cold_setup": False, "out": tmp_path / "bench.json", "echo": said.append}
    with pytest.raises(ValueError, match="must be of"):
        await bench.run(**(asked | wrong))
    assert not asked["out"].exists() and not said


def test_ezkls_defaults_refuse_the_graph_and_say_why(tmp_path: Path) -> None:
    """The one argument that the comparison changes has to be changed, and more limbs are what was missing."""
    model, settings = str(tmp_path / "model.onnx"), str(tmp_path / "settings.json")
    Path(model).write_bytes(bench._model("score").to_onnx(1))
    windows = bench._windows(5, bench._CALIBRATION_START)
    with EngineProcess(threads=1) as engine:

        def calibrate(**run_args: int) -> dict[str, Any]:
            engine.call("gen_settings", model=model, settings=settings, run_args=run_args)
            found: dict[str, Any] = engine.call(
                "calibrate_settings", model=model, settings=settings, windows=windows, target="resources"
            )
            return found

        with pytest.raises(ArtifactError, match="too large to be represented by base 16384 and n 2"):
            calibrate()
        assert calibrate(decomp_legs=4)["run_args"]["decomp_base"] == 16_384


def test_windows_are_the_hubs_features() -> None:
    windows = bench._windows(3, bench._CALIBRATION_START)
    assert [len(window) for window in windows] == [16, 16, 16]
    # Each day's move is the next day's newest accepted one.
    assert [window[1:3] for window in windows[1:]] == [window[:2] for window in windows[:2]]
    # 2008-07-23 was a Wednesday; one day after another.
    assert windows[0][-1] == 1_000
