"""Tests of holds: no lie is confirmed within a block, by one report, or by waiting until the model allows more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.core.encoding import GAP_ONE
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Status
from tests.attack.calldata import IF_NEWER, Calldata, encode
from tests.attack.node import OUTSIDER
from tests.attack.proofs import MODEL, limit
from tests.attack.rig import (
    ANOMALOUS,
    ANSWER,
    CONFIRM_DELAY,
    HEARTBEAT,
    HOURS,
    NORMAL,
    REPORTER,
    SKEW,
    Rig,
    Sighting,
)

pytestmark = pytest.mark.attack

TRIPLE = 3 * ANSWER
NEEDED = 2
"""The confirmations of the feeds."""
PATIENCE = 4 * (NEEDED + 1)
"""So many anomalous reports of any level end a hold, if enough time has passed."""


def held(rig: Rig, feed: str = "solo") -> HeldAnswer:
    found = rig.state(feed).held
    assert found is not None
    return found


def lie_of(times: float, gap: int = GAP_ONE) -> int:
    """Return the answer that is so many times as far away as the model allows after a calm time."""
    return ANSWER + round(ANSWER * limit(gap) * times) // 100_000


# --- a whole hold in one block ---


def series(rig: Rig, answers: list[int], step: int) -> list[bytes]:
    """Return reports of these answers, `step` seconds apart, each proven on the state that those before it leave."""
    snapshot = rig.chain.snapshot()
    calls = []
    for at, answer in enumerate(answers):
        report = rig.honest("solo", Sighting(answer, 600 + step * at))
        calls.append(encode(report))
        assert rig.send(calls[-1])
    rig.chain.revert(snapshot)
    return calls


@pytest.mark.parametrize(
    "answers",
    [[TRIPLE] * 3, [TRIPLE] * 8, [TRIPLE + at * ANSWER // 10 for at in range(PATIENCE + 2)]],
    ids=["one level", "one level, often", "many levels"],
)
def test_reports_dated_back_confirm_nothing_in_one_block(rig: Rig, answers: list[int]) -> None:
    """The signed times span far more than the delay. A reader between blocks would see neither hold nor warning."""
    calls = series(rig, answers, 1_500)
    receipts = rig.in_one_block(*((OUTSIDER, data) for data in calls))
    assert [receipt["status"] for receipt in receipts] == ["0x1"] * len(calls)
    state = rig.state("solo")
    assert (state.status, state.round_id, state.answer) == (Status.HELD, 1, ANSWER)
    assert held(rig).anomalies == len(answers)
    assert held(rig).observed_at - held(rig).anomalous_since >= 2 * 1_500


def test_then_the_chains_time_confirms_it(rig: Rig) -> None:
    """The honest way: the same reports, with the delay between the blocks that have them."""
    first, second, third = series(rig, [TRIPLE] * 3, CONFIRM_DELAY)
    assert rig.send(first)
    rig.later(CONFIRM_DELAY - 10)
    assert rig.send(second)
    assert rig.state("solo").status is Status.HELD
    rig.later(20)
    assert rig.send(third)
    state = rig.state("solo")
    assert (state.status, state.round_id, state.answer) == (Status.OK, 2, TRIPLE)


@pytest.mark.parametrize(("signed", "waited"), [(59, 120), (120, 30), (20, 20)], ids=str)
def test_both_clocks_have_to_pass(rig: Rig, signed: int, waited: int) -> None:
    """`signed` and `waited` are seconds from the first to the last of three reports, on either clock."""
    assert rig.accepts(rig.honest("solo", Sighting(TRIPLE, 600)))
    seen = held(rig).first_seen_at
    for part in (1, 2):
        rig.wait_until(seen - rig.start + part * waited // 2)
        assert rig.accepts(rig.honest("solo", Sighting(TRIPLE, 600 + part * signed // 2)))
    assert rig.now() - seen < CONFIRM_DELAY or signed < CONFIRM_DELAY
    assert (rig.state("solo").status, held(rig).confirmations) == (Status.HELD, 2)
    # With both, the next report confirms it.
    rig.later(CONFIRM_DELAY)
    assert rig.accepts(rig.honest("solo", Sighting(TRIPLE, 600 + signed + CONFIRM_DELAY)))
    assert rig.state("solo").answer == TRIPLE


def test_patience_takes_the_chains_time_too(rig: Rig) -> None:
    """Levels that never agree end a hold after four times the delay, on the chain as in the reports."""
    after = 600
    for report in range(PATIENCE + 1):
        assert rig.accepts(rig.honest("solo", Sighting(TRIPLE + report * ANSWER // 10, after)))
        after += CONFIRM_DELAY
    assert (rig.state("solo").status, held(rig).anomalies) == (Status.HELD, PATIENCE + 1)
    rig.wait_until(held(rig).anomalous_seen_at - rig.start + 4 * CONFIRM_DELAY - 20)
    assert rig.accepts(rig.honest("solo", Sighting(2 * TRIPLE, after)))
    assert rig.state("solo").status is Status.HELD
    rig.later(30)
    assert rig.accepts(rig.honest("solo", Sighting(3 * TRIPLE, after + 1)))
    assert (rig.state("solo").status, rig.state("solo").answer) == (Status.OK, 3 * TRIPLE)


def test_a_new_level_starts_the_chains_clock_anew(rig: Rig) -> None:
    """Time that passed under one held level does not count for the next one."""
    assert rig.accepts(rig.honest("solo", Sighting(TRIPLE, 600)))
    rig.later(4 * CONFIRM_DELAY)
    calls = [rig.honest("solo", Sighting(2 * TRIPLE, 700 + CONFIRM_DELAY * at)) for at in range(3)]
    for call in calls:
        assert rig.accepts(replace(call, proof=call.proof))
    assert (rig.state("solo").status, held(rig).confirmations) == (Status.HELD, 2)
    assert held(rig).first_answer == 2 * TRIPLE


# --- one report that counts more than once ---


def test_a_report_ahead_of_the_block_confirms_nothing(rig: Rig) -> None:
    """It was signed once, as far ahead as the feed allows, and comes again until its time is reached."""
    ahead = rig.now() - rig.start + SKEW
    report = rig.honest("solo", Sighting(TRIPLE, ahead))
    assert rig.accepts(report)
    for _ in range(5):
        rig.later(SKEW // 4)
        rig.refuses(report, "ObservationNotNewer")
        assert rig.run(rig.rpc.call(rig.hub.address, encode(report, IF_NEWER))) == bytes(32)
    assert (held(rig).confirmations, held(rig).anomalies) == (0, 1)
    assert rig.state("solo").last_report_at == rig.start + ahead


def test_one_report_twice_in_a_block(rig: Rig, anomalous: Calldata) -> None:
    receipts = rig.in_one_block((OUTSIDER, encode(anomalous)), (REPORTER, encode(anomalous)))
    assert [receipt["status"] for receipt in receipts] == ["0x1", "0x0"]
    assert held(rig).anomalies == 1


# --- the gap that stands still ---


@pytest.mark.parametrize("later", [1, 2, 4], ids=lambda count: f"{count} heartbeats")
@pytest.mark.parametrize("times", [1.2, 1.4, 2.0])
def test_a_lie_does_not_become_normal_by_waiting(rig: Rig, times: float, later: int) -> None:
    """The model's allowance grows with the gap. A lie that is held keeps the gap that it was first judged with.

    With the true gap, a lie of up to √2 times the limit was normal one heartbeat later, of √3 times two later, and of
    √5 times four later, although nobody had confirmed it.
    """
    lie = lie_of(times)
    rig.wait_until(HEARTBEAT + HOURS)
    assert rig.accepts(rig.honest("solo", Sighting(lie, HEARTBEAT)))
    assert held(rig).first_gap == GAP_ONE
    after = (1 + later) * HEARTBEAT
    rig.wait_until(after + HOURS)
    again = rig.honest("solo", Sighting(lie, after))
    window = rig.window("solo", lie, after)
    with_true_gap = (*window[:-1], (1 + later) * GAP_ONE)
    assert window[-1] == GAP_ONE
    assert (max(MODEL.score_int(with_true_gap)) <= 0) == (times**2 <= 1 + later)
    # A proof of the true gap is a proof of another statement.
    forged = replace(again, proof=rig.proofs.prove(with_true_gap)).with_scores(*MODEL.score_int(with_true_gap))
    rig.refuses(forged, "ProofRejected")
    rig.refuses(again.with_scores(-1, -1), "ProofRejected")
    assert rig.accepts(again)
    assert (rig.state("solo").status, held(rig).confirmations) == (Status.HELD, 1)


@pytest.mark.parametrize("step", [1, -1], ids=["up", "down"])
def test_a_lie_that_creeps_away_from_the_first_one(rig: Rig, step: int) -> None:
    """Beyond the tolerance it starts a hold of its own, judged by the true gap, as a first report would be.

    That is the same lie as one told after a silence. It takes as much: the tolerance of three sigmas, and the gap.
    """
    first = lie_of(1.4)
    assert rig.accepts(rig.honest("solo", Sighting(first, 600)))
    after = 600 + HEARTBEAT
    rig.wait_until(after + HOURS)
    within = first + step * ANSWER * 25 // 1_000
    assert rig.window("solo", within, after)[-1] == GAP_ONE
    beyond = first + step * ANSWER * 40 // 1_000
    assert rig.window("solo", beyond, after)[-1] == after * 1_000 // HEARTBEAT
    assert rig.accepts(rig.honest("solo", Sighting(beyond, after)))
    state = rig.state("solo")
    if step > 0:
        assert state.status is Status.HELD and held(rig).first_answer == beyond
        assert held(rig).first_gap == after * 1_000 // HEARTBEAT
    else:
        assert (state.status, state.answer) == (Status.OK, beyond)


def test_the_truth_is_accepted_while_a_lie_is_held(rig: Rig) -> None:
    """A normal answer has its true gap, and ends the hold at once."""
    assert rig.accepts(rig.honest("solo", Sighting(lie_of(2), 600)))
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 700)))
    state = rig.state("solo")
    assert (state.status, state.answer, state.held) == (Status.OK, NORMAL, None)


def test_a_confirmed_lie_counts_with_the_frozen_gap(rig: Rig) -> None:
    """The running variance takes the move by the gap that it was judged with, not by the long one of the hold."""
    lie = lie_of(1.4)
    assert rig.accepts(rig.honest("solo", Sighting(lie, 600)))
    rig.wait_until(600 + 2 * HEARTBEAT + HOURS)
    before: FeedState = rig.state("solo")
    for after in (601 + HEARTBEAT, 600 + 2 * HEARTBEAT):
        rig.later(CONFIRM_DELAY)
        late = Sighting(lie, max(after, rig.now() - rig.start - HEARTBEAT + 600))
        assert rig.accepts(rig.honest("solo", late))
    state = rig.state("solo")
    assert (state.status, state.answer) == (Status.OK, lie)
    move = state.returns[0]
    square = min(move * move // GAP_ONE, 32_767)
    assert state.variance == before.variance - (before.variance >> 6) + (square << 11)


def test_another_reason_gives_the_true_gap(rig: Rig) -> None:
    """Only an anomalous hold stops the gap: an answer of zero is never near anything."""
    assert rig.accepts(rig.honest("solo", Sighting(0, 600)))
    assert held(rig).reason is HoldReason.NOT_POSITIVE
    after = 600 + HEARTBEAT
    rig.wait_until(after + HOURS)
    assert rig.window("solo", NORMAL, after)[-1] == after * 1_000 // HEARTBEAT
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, after)))
    assert rig.state("solo").answer == NORMAL


# --- what stays true of holds ---


def test_an_anomaly_between_normal_reports_leaves_nothing(rig: Rig) -> None:
    """A later hold begins with nothing: neither confirmations nor anomalies of an earlier one count."""
    for at in range(3):
        assert rig.accepts(rig.honest("solo", Sighting(ANOMALOUS, 600 + 200 * at)))
        assert (held(rig).confirmations, held(rig).anomalies) == (0, 1)
        rig.later(CONFIRM_DELAY)
        assert rig.accepts(rig.honest("solo", Sighting(NORMAL + at, 700 + 200 * at)))
        assert rig.state("solo").held is None


def test_a_hold_while_the_feed_is_paused_goes_no_further(rig: Rig) -> None:
    assert rig.accepts(rig.honest("solo", Sighting(ANOMALOUS, 600)))
    rig.admin("pause", rig.feed_id("solo"))
    rig.later(CONFIRM_DELAY)
    rig.refuses(rig.honest("solo", Sighting(ANOMALOUS, 700)), "FeedPaused")
    rig.refuses(rig.honest("solo", Sighting(NORMAL, 700)), "FeedPaused")
    assert held(rig).anomalies == 1
