"""Tests of the reports that gas is measured with."""

from __future__ import annotations

from oracle.bench import submissions
from oracle.bench.cases import SIGNATURES, SUBMISSION_TARGETS, SUBMISSIONS
from oracle.bench.models import default_model
from tests.benchmark_report import example_report


def test_calm_stretches_are_never_held() -> None:
    """They are reported day after day to an empty feed, and each stretch differs from the others."""
    model = default_model("score")
    found = submissions.calm_stretches(model, 3, 20)
    assert [len(answers) for answers in found] == [20, 20, 20]
    assert len(set(found)) == 3
    assert not any(submissions._is_held(model, model.training.series["sp500"], found[0][:end]) for end in range(1, 21))


def test_the_reporters_answers_differ_and_the_recorded_one_is_their_median() -> None:
    for signatures in SIGNATURES:
        offsets = [submissions._offset(row, signatures) for row in range(signatures)]
        assert len(set(offsets)) == signatures
        assert sorted(offsets)[signatures // 2] == 0


def test_rows_say_what_is_missed_and_by_how_much() -> None:
    """A feed may cost 91,000 and 96,000 gas here."""
    report = example_report()
    single, several, public = submissions.rows(report)
    assert single[:3] == ("submit-private-b16-q1", "1,440,000", "90,000") and single[-1] == "91,000: met"
    assert single[-2] == "50,000"
    assert several[-1] == "96,000: missed by 1,500" and several[-2] == ""
    assert public[0] == "submit-public-b16-q1" and public[-1] == ""
    assert set(SUBMISSION_TARGETS) < set(SUBMISSIONS) and len(SUBMISSIONS) == 24
