"""The search for the form of a detector with peers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("scipy")

from scripts.feature_data import Derived
from scripts.form_search import FittedForm, PeerForm, forms, judge
from tests.unit.scripts.test_feature_search import planted

RECALL, JOINT, LIE = 0, 3, 4


def test_the_chosen_form_sees_what_the_own_past_can_not_and_no_liar_decides_alone() -> None:
    data = Derived(planted())
    alone, chosen, residual = (
        judge(FittedForm(data, form, 0.6))
        for form in (PeerForm(peer=""), PeerForm(), PeerForm(peer="residual", limit="residual"))
    )
    assert chosen[RECALL] > alone[RECALL] + 0.2
    assert chosen[JOINT] < chosen[RECALL]
    assert residual[LIE] > 0.9 > 0.3 > chosen[LIE]
    assert alone[LIE] < 0.01


def test_what_is_judged_does_not_fit() -> None:
    series = planted()
    changed = replace(series, answers=np.where(np.arange(3_000) > 1_900, series.answers * 3, series.answers))
    before, after = (FittedForm(Derived(each), PeerForm(), 0.6) for each in (series, changed))
    assert before.levels == after.levels
    assert np.array_equal(before.slope, after.slope)


def test_every_form_is_judged() -> None:
    assert len(set(forms().values())) == len(forms())
    data = Derived(planted(800))
    for form in forms().values():
        found = judge(FittedForm(data, form, 0.6))
        assert ((found >= 0) & (found <= 1)).all()
