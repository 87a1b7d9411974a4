"""Tests of what is told of a proposal: "now" after a simulated call alone, else what is missing, and when it comes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.chain.activation import Activation, TriedCall, activation
from oracle.chain.hub import CHANGE_WINDOW, ShadowTally

NOW = 1_800_000_000
PASSED = TriedCall(succeeds=True)
SHORT = TriedCall(False, "the proposed model has 5 compared reports, its proposal demands 8", "ShadowTooShort")
FAR = TriedCall(False, "the proposed model disagrees with the active one", "ShadowTooFar")
EARLY = TriedCall(False, "the change takes effect later", "TooEarly")
TALLY = ShadowTally(2, 6, 5, 0, 8, 1)


def test_now_is_said_of_a_call_that_succeeds() -> None:
    assert str(activation(NOW - 1, NOW, PASSED)) == "can be activated now, until 2027-02-14T07:59:59+00:00"
    # The tally lags behind by a report: the activation compares it. The hub's own answer counts.
    assert activation(NOW, NOW, PASSED, TALLY, 60).is_possible


def test_a_refusal_is_never_now_whatever_times_and_tallies_say() -> None:
    done = replace(TALLY, compared=8)
    for tried in (SHORT, FAR, EARLY, TriedCall(False, "the hub has no admin any more, so nobody can activate it")):
        found = activation(NOW - 1, NOW, tried, done, 60)
        assert not found.is_possible and found.expected_at is None
        assert str(found) == f"can't be activated: {tried.refusal}"


@pytest.mark.parametrize(
    ("since", "tally", "pace", "missing", "expected"),
    [
        (NOW + 90, None, None, "its delay ends in 90 s", NOW + 90),
        (NOW - 1, TALLY, 40.0, "3 more of 8 reports have to be compared", NOW + 120),
        (NOW + 90, TALLY, 40.0, "its delay ends in 90 s; 3 more of 8 reports have to be compared", NOW + 120),
        (NOW + 900, TALLY, 40.0, "its delay ends in 900 s; 3 more of 8 reports have to be compared", NOW + 900),
        (NOW - 1, TALLY, None, "3 more of 8 reports have to be compared, and the feed makes no reports now", None),
        (
            NOW - CHANGE_WINDOW + 100,
            TALLY,
            40.0,
            "3 more of 8 reports have to be compared, more than come until it expires at 2027-01-15T08:01:40+00:00: "
            "propose it again with fewer",
            None,
        ),
        (NOW - CHANGE_WINDOW - 1, TALLY, 40.0, "it has expired at 2027-01-15T07:59:59+00:00: propose it again", None),
    ],
)
def test_it_is_told_what_is_missing_and_when_it_comes(
    since: int, tally: ShadowTally | None, pace: float | None, missing: str, expected: int | None
) -> None:
    found = activation(since, NOW, SHORT, tally, pace)
    assert found == Activation(since, since + CHANGE_WINDOW, False, missing, expected)


def test_a_shadow_period_that_can_not_pass_any_more_says_which_terms_would() -> None:
    found = activation(NOW - 1, NOW, FAR, ShadowTally(2, 101, 100, 3, 100, 1), 40)
    assert "3 verdicts differ in 100 compared reports, and 1 may" in found.missing
    assert "propose it again with --min-compared 100 --max-disagreements 11, as measured" in found.missing
    assert found.expected_at is None
    # It is lost even before the last report is compared, or its delay is over.
    assert "1 verdict differs in 5" in activation(NOW + 9, NOW, EARLY, ShadowTally(2, 6, 5, 1, 8, 0), 40).missing


def test_what_is_allowed_counts_only_if_reports_are_demanded() -> None:
    assert activation(NOW - 1, NOW, PASSED, ShadowTally(2, 6, 5, 3, 0, 0)).is_possible
    assert activation(NOW - 1, NOW, EARLY, ShadowTally(2, 6, 5, 3, 0, 0)).missing == EARLY.refusal
