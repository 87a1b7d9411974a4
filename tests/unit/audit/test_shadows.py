"""Tests of the tallies of shadow periods, which decide whether a proposed model may be activated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.audit.shadows import ShadowPeriod
from oracle.chain.hub import CHANGE_WINDOW, ShadowScored
from oracle.core.gate import empty_feed
from oracle.core.types import HeldAnswer, HoldReason, Kind, Round

FEED = (1).to_bytes(32)
EMPTY = empty_feed(FEED, Kind.RELATIVE, 10_000, 3_600, 1)
ROUND = Round(1, 500, 1_000, 1_001, 1, -7, 0, 1)
HELD = replace(
    EMPTY, held=HeldAnswer(HoldReason.ANOMALOUS, 900, 900, 1_060, 1_061, 1_060, 0, 1, 44, 1, 1_060, 1_061, 1_000)
)


def scored(answer: int = 500, at: int = 1_000, score: int = -3) -> ShadowScored:
    return ShadowScored(FEED, 1, answer, at, 2, (score,), 9, b"\x12", 0)


@pytest.mark.parametrize(
    ("event", "says", "tally"),
    [
        (scored(), True, (1, 0)),
        (scored(score=1), False, (1, 1)),
        (scored(answer=900, at=1_060, score=1), True, (1, 0)),
        (scored(answer=900, at=1_060), False, (1, 1)),
        (scored(answer=501), None, (0, 0)),
        (scored(at=1_030), None, (0, 0)),
    ],
    ids=["a round", "another verdict", "a hold", "another verdict of a hold", "another answer", "another time"],
)
def test_a_report_is_compared_with_what_it_became(
    event: ShadowScored, says: bool | None, tally: tuple[int, int]
) -> None:
    period = ShadowPeriod(2, 0, 0, 0)
    assert period.compare(HELD, {(FEED, 1): ROUND}) is None
    period.record(event)
    assert period.compare(HELD, {(FEED, 1): ROUND}) is says
    assert (period.compared, period.disagreements, period.pending, period.last_at) == (*tally, None, event.observed_at)
    assert period.compare(HELD, {(FEED, 1): ROUND}) is None, "it is compared once"


@pytest.mark.parametrize(
    ("compared", "disagreements", "time", "says"),
    [
        (5, 1, 1_000, ""),
        (5, 1, 0, ""),
        (4, 0, 1_000, "with 4 compared reports, where its proposal demands 5"),
        (9, 2, 1_000, "with 2 disagreements, where its proposal allows 1"),
        (5, 1, 999, "before 1000, from when on its proposal allows it"),
        (5, 1, 1_000 + CHANGE_WINDOW, ""),
        (5, 1, 1_001 + CHANGE_WINDOW, f"after {1_000 + CHANGE_WINDOW}, when its proposal had expired"),
    ],
)
def test_an_activation_needs_what_its_proposal_demands(compared: int, disagreements: int, time: int, says: str) -> None:
    period = ShadowPeriod(2, 1_000, 5, 1, compared=compared, disagreements=disagreements)
    assert period.activation_problem(time) == says


def test_a_proposal_may_demand_nothing() -> None:
    assert ShadowPeriod(2, 1_000, 0, 0, compared=3, disagreements=3).activation_problem(1_000) == ""
