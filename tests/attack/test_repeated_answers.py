"""Tests of a feed that may not stand still: too many repeats are held, and no number of them confirms the answer."""

from __future__ import annotations

import pytest

from oracle.core.types import HoldReason, Status
from tests.attack.rig import ANOMALOUS, ANSWER, HOURS, NORMAL, Rig, Sighting

pytestmark = pytest.mark.attack

MOST = 2
"""The number of repeats that the feed allows."""


@pytest.fixture
def stuck(rig: Rig) -> str:
    """Return a feed that has had its answer as often as it allows."""
    rig.add_feed("stuck", "solo", max_repeats=MOST)
    for report in range(1 + MOST):
        assert rig.accepts(rig.honest("stuck", Sighting(ANSWER, 60 * (report + 1))))
    state = rig.state("stuck")
    assert (state.status, state.round_id, state.repeats) == (Status.OK, 1 + MOST, MOST)
    return "stuck"


def held_for(rig: Rig, reason: HoldReason) -> None:
    state = rig.state("stuck")
    assert (state.status, state.round_id, state.answer) == (Status.HELD, 1 + MOST, ANSWER)
    assert state.held is not None and state.held.reason is reason


def test_insisting_does_not_confirm_it(rig: Rig, stuck: str) -> None:
    """There are twice as many reports as a regime change takes, over hours; the model proves each of them normal."""
    for report in range(6):
        again = rig.honest(stuck, Sighting(ANSWER, 600 + HOURS // 2 * report))
        assert max(again.first_scores) <= 0
        assert rig.accepts(again)
        held_for(rig, HoldReason.REPEATED)
        rig.later(HOURS // 2)


@pytest.mark.parametrize("step", [1, -1])
def test_another_answer_clears_it(rig: Rig, stuck: str, step: int) -> None:
    """One unit of difference is enough: the rule is against a source that is stuck, not against what reporters sign.

    The count begins anew with the answer that differs.
    """
    assert rig.accepts(rig.honest(stuck, Sighting(ANSWER, 600)))
    held_for(rig, HoldReason.REPEATED)
    assert rig.accepts(rig.honest(stuck, Sighting(ANSWER + step, 700)))
    state = rig.state(stuck)
    assert (state.status, state.answer, state.repeats) == (Status.OK, ANSWER + step, 0)
    for repeat in range(MOST):
        assert rig.accepts(rig.honest(stuck, Sighting(ANSWER + step, 800 + 100 * repeat)))
        assert rig.state(stuck).repeats == repeat + 1
    assert rig.accepts(rig.honest(stuck, Sighting(ANSWER + step, 1_200)))
    assert rig.state(stuck).status is Status.HELD


def test_a_repeated_report_again(rig: Rig, stuck: str) -> None:
    """The signatures of a held report can't be used again, as everywhere else."""
    again = rig.honest(stuck, Sighting(ANSWER, 600))
    assert rig.accepts(again)
    rig.refuses(again, "ObservationNotNewer")
    held_for(rig, HoldReason.REPEATED)


def test_one_reason_does_not_confirm_the_other(rig: Rig, stuck: str) -> None:
    """Repeats between anomalous reports start the hold anew: neither kind adds to the other's count."""
    after = 600
    for _ in range(3):
        for answer, reason in ((ANOMALOUS, HoldReason.ANOMALOUS), (ANSWER, HoldReason.REPEATED)):
            assert rig.accepts(rig.honest(stuck, Sighting(answer, after)))
            held_for(rig, reason)
            held = rig.state(stuck).held
            assert held is not None and held.confirmations == 0
            after += 600


def test_a_regime_change_while_it_is_stuck(rig: Rig, stuck: str) -> None:
    """The rule does not keep a new level out."""
    assert rig.accepts(rig.honest(stuck, Sighting(ANSWER, 600)))
    rig.insists(stuck, ANOMALOUS, 700, step=100)
    state = rig.state(stuck)
    assert (state.status, state.answer, state.repeats) == (Status.OK, ANOMALOUS, 0)


def test_without_the_rule_an_answer_may_stay(rig: Rig) -> None:
    for report in range(5):
        assert rig.accepts(rig.honest("solo", Sighting(ANSWER, 600 + 60 * report)))
    state = rig.state("solo")
    assert (state.status, state.round_id, state.repeats) == (Status.OK, 6, 5)
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 1_200)))
    assert rig.state("solo").repeats == 0
