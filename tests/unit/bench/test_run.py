"""Tests of arguments that the benchmark refuses, and of its report for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oracle.bench import estimates, targets
from oracle.bench.report import table
from oracle.bench.run import run
from tests.benchmark_report import example_report


@pytest.mark.parametrize(
    "wrong",
    [{"cases": ["quadratic"]}, {"cases": []}, {"repeat": 0}, {"observations": 4}, {"observations": 61}],
    ids=str,
)
async def test_nothing_is_measured_if_it_makes_no_sense(tmp_path: Path, wrong: dict[str, Any]) -> None:
    said: list[str] = []
    asked: dict[str, Any] = {"repeat": 1, "cold_setup": False, "out": tmp_path / "bench.json", "echo": said.append}
    with pytest.raises(ValueError, match="must be of"):
        await run(**(asked | wrong))
    assert not asked["out"].exists() and not said


def test_the_report_for_people() -> None:
    report = example_report()
    estimates.compare(report)
    printed = table(report)
    assert "4.5× less" in printed and "40.0 windows a second" in printed and "50% (25%)" in printed
    assert "700,000" in printed
    assert "p50 1.25 × the proof's own 0.4 s (default-private-b1, 40 observations)" in printed
    assert "audit-default-public-b1-q1" in printed and "404" in printed
    assert "161 MB; its steps, mean seconds: sign 0.01, prove 0.45, confirm 0.02" in printed


def test_targets_that_were_measured_are_told() -> None:
    report = example_report()
    printed = table(report)
    assert "default-private-b1 proven faster than groth16-peers" in printed and "missed" in printed
    assert len(targets.rows(report)) == len(targets.TARGETS)
    del report["throughput-quadratic-private-b16"], report["baselines"]
    assert len(targets.rows(report)) == len(targets.TARGETS) - 2
    assert not targets.rows({"seconds": 1})
