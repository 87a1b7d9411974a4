"""Tests of the names of cases, and of which cases are compared."""

from __future__ import annotations

import pytest

from oracle.bench import cases, zoo
from oracle.core.errors import ConfigError


def test_cases_are_named_or_matched() -> None:
    assert cases.matching(["tuned-mlp"]) == ["tuned-mlp"]
    assert cases.matching(["throughput-*, tuned-mlp*"]) == ["tuned-mlp", *cases.THROUGHPUT]
    assert cases.matching(["*"]) == list(cases.CASES)
    with pytest.raises(ConfigError, match=r"--cases tuned-x matches none of: quadratic-private-b1, "):
        cases.matching(["tuned-mlp,tuned-x"])


def test_each_of_ours_is_beside_one_of_ezkls() -> None:
    assert set(cases.BESIDE) == {*cases.QUADRATIC, *cases.TUNED} - {"quadratic-private-b4", "quadratic-public-b4"}
    assert set(cases.BESIDE.values()) == set(cases.DEFAULTS)
    assert all(cases.GROUPS[ours] == cases.GROUPS[theirs] for ours, theirs in cases.BESIDE.items())
    assert list(cases.MODELS) == list(zoo.BENCHED)
