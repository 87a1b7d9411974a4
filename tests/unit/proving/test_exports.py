"""Tests of models as scikit-learn, XGBoost and LightGBM export them: all but a few become circuits that agree.

Each is exported here, lowered, given scales, and its integers are compared with onnxruntime on its own samples. No key
is made: `make bench-models` builds and proves the same models, and PyTorch's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from oracle.bench.suite import trial
from oracle.proving import tuning
from oracle.proving.artifact import Visibility
from oracle.proving.inspect.model import require_provable
from oracle.proving.tuning.float_model import scored_outputs
from oracle.proving.tuning.request import VerdictRule
from tests.exports import estimators
from tests.exports.estimators import Made

if sys.platform == "linux":
    from tests.exports import boosted

    BOOSTED = boosted.MODELS
else:  # xgboost-cpu has no wheels for it
    BOOSTED = {}

MODELS: dict[str, Callable[[], Made]] = estimators.MODELS | BOOSTED

REFUSED = {"local-outlier-factor": "Sqrt"}
"""Models that can't be proven exactly, and the operator that stands in the way."""

LOWERED_ONLY = {
    "extra-trees-regressor",
    "gradient-boosting",
    "isolation-forest",
    "lightgbm-default",
    "one-class-svm-rbf",
    "pca-logistic-regression",
    "random-forest",
    "random-forest-regressor",
    "svc-poly",
    "svc-rbf",
    "svr-rbf",
    "xgboost",
}
"""Models of many trees or support vectors, whose scales take a second to find: `make bench-models` finds them."""

LEAST = 27
ROWS = 60


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_an_export_is_lowered_and_agrees(name: str) -> None:
    data, samples = MODELS[name]()
    rows = samples[:: max(1, len(samples) // ROWS)].astype(float)
    report, output = trial.inspected(data, name, trial.Rules(approximate=False))
    if name in REFUSED:
        assert report.program is None
        assert f"operator {REFUSED[name]} can't be proven exactly" in " ".join(each.what for each in report.problems)
        return
    program = require_provable(report)
    if name in LOWERED_ONLY:
        return
    rule = VerdictRule(tuning.Rule.ARGMAX)
    if not program.order_only:
        expected = scored_outputs(tuning.Request(name, data, rows, output=output), program, rows)
        rule = VerdictRule(tuning.Rule.TOLERANCE, 0.01 * float(np.abs(expected).max()))
    request = tuning.Request(
        name, data, rows, rule, max_flips_per_10k=200, visibility=Visibility.PUBLIC, output=output, whole=False
    )
    _, fidelity, _ = tuning.coarsest(request)
    assert fidelity.samples == len(rows) and fidelity.flips <= len(rows) / 50


def test_most_are_built() -> None:
    assert len(MODELS) - len(REFUSED) >= LEAST
