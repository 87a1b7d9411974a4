"""Tests of the names of cases, and of which cases are compared."""

from __future__ import annotations

import pytest

from oracle.bench import cases, zoo
from oracle.bench.detectors import DETECTORS
from oracle.core.errors import ConfigError


def test_cases_are_named_or_matched() -> None:
    assert cases.matching(["tuned-mlp"]) == ["tuned-mlp"]
    assert cases.matching(["throughput-*, tuned-mlp*"]) == ["tuned-mlp", *cases.THROUGHPUT]
    assert cases.matching(["*"]) == list(cases.CASES)
    with pytest.raises(ConfigError, match=r"--cases tuned-x matches none of: default-private-b1, "):
        cases.matching(["tuned-mlp,tuned-x"])


def test_each_of_ours_is_beside_one_of_ezkls() -> None:
    ours = {case for case in cases.CIRCUITS if case.startswith("default-") and not case.endswith("-b4")}
    assert set(cases.BESIDE) == {*ours, *cases.TUNED}
    assert set(cases.BESIDE.values()) == set(cases.DEFAULTS)
    assert all(cases.GROUPS[ours] == cases.GROUPS[theirs] for ours, theirs in cases.BESIDE.items())
    assert list(cases.MODELS) == list(zoo.BENCHED)


def test_each_case_names_a_model_that_there_is() -> None:
    judges = [*cases.CIRCUITS.values(), *cases.THROUGHPUT.values()]
    judges += [cases.JUDGES[of.judge] for of in cases.SUBMISSIONS.values()]
    judges += [cases.JUDGES[of.judge] for of in cases.AUDITS.values()]
    judges += [cases.JUDGES[judge] for judge, _ in cases.FLEET.values()]
    assert {judge.detector for judge in judges} | set(cases.BASELINES.values()) <= set(DETECTORS)
    # What nobody asked for is not measured if it takes minutes; everything else is.
    assert set(cases.CASES) - set(cases.USUAL) == set(cases.WORTH) | set(cases.LARGE)
    assert set(cases.WORTH) < set(cases.SUBMISSIONS)
    assert set(cases.SUBMISSION_TARGETS) < set(cases.USUAL) and set(cases.REPORTED) < set(cases.CIRCUITS)
    assert len(set(cases.CASES)) == len(cases.CASES)
