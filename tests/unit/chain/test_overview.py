"""Tests of what operators are shown of feeds and committees: holds on two clocks, and how long proposals are open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.chain.activation import TriedCall, activation
from oracle.chain.hub import CHANGE_WINDOW, Committee, Proposals, ShadowTally
from oracle.chain.overview import (
    CommitteeOverview,
    FeedOverview,
    HoldProgress,
    LastRound,
    committee_lines,
    lines,
    proposal_window,
)
from oracle.core import gate
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Kind, Status
from tests.stubs import feed_config

NOW = 1_800_000_000
EARLY = TriedCall(succeeds=False, refusal="the change takes effect later", name="TooEarly")
HELD = HeldAnswer(
    reason=HoldReason.ANOMALOUS,
    answer=2_910 * 10**8,
    first_answer=2_900 * 10**8,
    first_observed_at=NOW - 9_000,
    first_seen_at=NOW - 600,
    observed_at=NOW - 1_000,
    confirmations=1,
    model_number=1,
    score_ratio=1,
    anomalies=2,
    anomalous_since=NOW - 9_000,
    anomalous_seen_at=NOW - 600,
    first_gap=1_000,
)


def state(held: HeldAnswer | None) -> FeedState:
    empty = gate.empty_feed(b"\1" * 32, Kind.RELATIVE, 10_000, 3_600, 1)
    return replace(empty, status=Status.HELD if held else Status.OK, round_id=7, held=held)


def test_a_hold_is_told_on_both_clocks() -> None:
    found = HoldProgress.of(state(HELD), feed_config(), NOW)
    assert found is not None
    assert (found.observed_s, found.seen_s, found.delay_s) == (8_000, 600, 7_200)
    assert (found.confirmations, found.needed, found.reason) == (1, 2, "anomalous")
    assert str(found) == (
        "2910.00000000, confirmed by 1 of 2 reports near 2900.00000000; of 7,200 s, 8,000 s have passed by the "
        "reporters' clock, 600 s by the chain's"
    )
    assert HoldProgress.of(state(None), feed_config(), NOW) is None


def test_an_answer_that_no_report_can_confirm_is_told_to_be_one() -> None:
    found = HoldProgress.of(state(replace(HELD, reason=HoldReason.NOT_POSITIVE)), feed_config(), NOW)
    assert str(found) == "2910.00000000, not positive: it can't be confirmed"


@pytest.mark.parametrize(
    ("since", "told"),
    [
        (NOW + 3_600, "can be activated in 3,600 s, until 2027-02-14T09:00:00Z"),
        (NOW, "has passed its delay, and has to be activated until 2027-02-14T08:00:00Z"),
        (NOW - CHANGE_WINDOW, "has passed its delay, and has to be activated until 2027-01-15T08:00:00Z"),
        (NOW - CHANGE_WINDOW - 1, "has expired at 2027-01-15T07:59:59Z: propose it again"),
    ],
)
def test_a_proposal_is_open_for_thirty_days_and_nothing_is_now_without_a_trial(since: int, told: str) -> None:
    assert proposal_window(since, NOW) == told


def feed(**changes: object) -> FeedOverview:
    found = FeedOverview(
        name="eth-usd",
        feed_id=b"\1" * 32,
        model=2,
        paused=False,
        stale=False,
        committee="default",
        peers=("btc-usd",),
        last=LastRound(7, "2000.00000000", NOW, 3, 450),
        held=None,
        now=NOW,
        hub="0x5FbDB2315678afecb367f032d93F642f64180aa3",
        change_delay=3_600,
        proposals=Proposals(None, None, None, 1, NOW - 1),
        shadow=None,
        model_activation=None,
        unpause_activation=None,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def test_a_feed_is_told_with_its_committee_its_peers_and_its_latest_round() -> None:
    told = lines(feed())
    assert told["committee"] == "default" and told["peers"] == "btc-usd"
    assert told["latest round"] == "7: 2000.00000000, observed at 2027-01-15T08:00:00Z by 3 reporters, 0.45 σ apart"
    assert told["model"] == "2, before it 1; the time for a rollback is over"
    assert "held" not in told and "proposed model" not in told
    assert lines(feed(stale=True))["latest round"].endswith(", 0.45 σ apart; stale")
    told = lines(feed(last=None, peers=(), held=HoldProgress.of(state(HELD), feed_config(), NOW)))
    assert (told["latest round"], told["peers"]) == ("none", "none")
    assert told["held"].startswith("2910.00000000, confirmed by 1 of 2")


def test_what_is_proposed_for_a_feed_is_told_with_its_shadow() -> None:
    tally = ShadowTally(3, 9, 8, 1, 10, 4)
    told = lines(
        feed(
            proposals=Proposals(3, NOW + 10, NOW - 10, 1, NOW + 60),
            shadow=tally,
            model_activation=activation(NOW + 10, NOW, EARLY, tally, 30),
            unpause_activation=activation(NOW - 10, NOW, TriedCall(succeeds=True)),
        )
    )
    assert told["proposed model"] == (
        "3, can't be activated yet: its delay ends in 10 s; 2 more of 10 reports have to be compared; expected at "
        "2027-01-15T08:01:00Z"
    )
    assert told["its shadow"].startswith("8 of 10 reports compared, 1 verdicts differ, 4 may")
    assert told["unpause"].startswith("can be activated now")
    assert told["model"] == "2, before it 1, to which it can be rolled back until 2027-01-15T08:01:00Z"


def test_a_committee_is_told_with_its_epoch_and_what_is_proposed() -> None:
    committee = Committee(1, ("0xA", "0xB"), 1, 4)
    found = CommitteeOverview("default", "0xHub", ("eth-usd",), 3_600, committee, NOW, None)
    told = committee_lines(found)
    assert told["committee"] == "default (number 1, epoch 4) of hub 0xHub"
    assert told["reporters"] == "1 of 2: 0xA, 0xB"
    assert "proposed reporters" not in told
    proposed = replace(committee, proposed=("0xA", "0xB", "0xC"), proposed_quorum=3, active_from=NOW + 60)
    told = committee_lines(replace(found, committee=proposed))
    assert told["proposed reporters"].startswith("3 of 3: 0xA, 0xB, 0xC, can be activated in 60 s")
    told = committee_lines(replace(found, committee=proposed, activation=activation(NOW + 60, NOW, EARLY)))
    assert told["proposed reporters"].startswith(
        "3 of 3: 0xA, 0xB, 0xC, can't be activated yet: its delay ends in 60 s"
    )
