"""Tests of the reports that gas is measured with."""

from __future__ import annotations

from oracle.bench import submissions
from oracle.bench.models import default_model


def test_calm_stretches_are_never_held() -> None:
    """They are reported day after day to an empty feed, and each stretch differs from the others."""
    model = default_model("score")
    found = submissions.calm_stretches(model, 3, 20)
    assert [len(answers) for answers in found] == [20, 20, 20]
    assert len(set(found)) == 3
    assert not any(submissions._is_held(model, model.training.series["sp500"], found[0][:end]) for end in range(1, 21))
