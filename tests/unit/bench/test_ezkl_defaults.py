"""Tests of the errors of ezkl's calibrated circuits, and of the reasons of its refusals."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.bench.circuits import MeasuredCircuit
from oracle.bench.detectors import detector
from oracle.bench.ezkl_defaults import reason_of, score_errors
from oracle.bench.proofs import Proofs
from oracle.bench.windows import recorded_windows


def test_errors_of_scores_are_in_score_units_and_changed_verdicts_are_counted() -> None:
    """The circuit publishes scores at scale 8: exact ones for the first window, and a positive one for the second."""
    model = detector("peers")
    calm, other = recorded_windows(model.features, 2, None)
    one = 1 << model.param_scale
    true = [[score * 2**8 // one for score in model.score_int(window)] for window in (calm, other)]
    assert all(score <= 0 for scores in true for score in scores)
    wrong = [256, *true[1][1:]]
    verifier: Any = None
    circuit = MeasuredCircuit({}, verifier, (), None, 1.0, {"output_scale": 8})
    proofs = Proofs(published=[(tuple(map(float, calm)), true[0]), (tuple(map(float, other)), wrong)])
    found = score_errors("peers", circuit, proofs)
    unit = model.score_unit / one
    assert found["score_error_max"] == pytest.approx((1 - model.score_int(other)[0] / one) / unit, abs=1e-4)
    assert (found["verdicts_changed"], found["windows"]) == (1, 2)


def test_the_last_reason_counts() -> None:
    assert (
        reason_of("calibration failed: reason: too small; reason: too large for base 16384")
        == "too large for base 16384"
    )
