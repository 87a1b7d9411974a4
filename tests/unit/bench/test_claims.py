"""Tests of the models that private claims are measured with."""

from __future__ import annotations

import pytest

from oracle.bench import cases, claims


def test_models_that_claims_are_measured_with() -> None:
    assert list(cases.CLAIMS.values())[:3] == list(cases.PACKAGED_CLAIMS)
    spec = claims.linear(8)
    assert spec == claims.linear(8) and spec.circuit().circuit.weights == 9
    # In the middle of the box, its output is a half.
    middle = spec.encode({f"x_{at}": 0.5 for at in range(8)})
    assert spec.value(spec.circuit().score(middle), spec.circuit().score_unit) == pytest.approx(0.5, abs=0.01)
