"""Tests of the cost model's errors."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.bench import estimates
from tests.benchmark_report import example_report, measured_case


def test_errors_of_the_estimates() -> None:
    report = example_report()
    estimates.compare(report)
    # One took twice its estimate and the other four times, so the machine's factor is 3.
    assert report["estimator"]["machine_factor"] == 3
    errors = report["tuned-cnn"]["estimate_error"]
    assert errors["settings"] == {
        "k": 0,
        "rows": 0,
        "proof_bytes": 0,
        "gas": -0.5,
        "memory": 0,
        "seconds": pytest.approx(-0.25),
    }
    assert errors["graph"]["rows"] == pytest.approx(0.1)
    assert report["estimator"]["settings"]["gas"] == {"max": 0.5, "median": 0.25, "of": "tuned-cnn"}
    without: dict[str, Any] = {"default-private-b1": measured_case()}
    estimates.compare(without)
    assert "estimator" not in without
