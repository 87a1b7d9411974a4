"""Tests of the hub that a history leads to: its committees, its shadow periods, and what its storage fills in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oracle.audit.history import AdminEvent, AuditedFeed, ReportOutcome
from oracle.audit.judge import Judgement, Unknown
from oracle.audit.replayed import ReplayedHub
from oracle.audit.report import ProblemKind
from oracle.audit.withheld import Holes, PinnedHub
from oracle.chain.hub import Committee, RoundAccepted, ShadowScored
from oracle.core.encoding import VARIANCE_START
from oracle.core.gate import HoldPolicy, empty_feed
from oracle.core.types import HeldAnswer, HoldReason, Kind, Outcome, Round, Status

FEED, OTHER, PEER = (1).to_bytes(32), (2).to_bytes(32), (3).to_bytes(32)
ANSWER = 10**10


def audited(feed_id: bytes, *peers: bytes) -> AuditedFeed:
    policy = HoldPolicy(2, 60, 500)
    return AuditedFeed(feed_id, "ETH", Kind.RELATIVE, 8, 10_000, 3_600, 600, 30, 0, policy, 1, peers, 1)


def hub(*feeds: AuditedFeed, **holes: Any) -> ReplayedHub:
    states = {FEED: replace(empty_feed(FEED, Kind.RELATIVE, 10_000, 3_600, 1), answer=77, peer_answers=(5,))}
    made = ReplayedHub(PinnedHub(states=states, committees=COMMITTEES), Holes(**holes))
    for feed in feeds or (audited(FEED),):
        made.add_feed(feed)
    return made


COMMITTEES = {1: Committee(1, ("c", "d"), 1, 3)}


def event(name: str, time: int = 5_000, **values: Any) -> AdminEvent:
    return AdminEvent(name, values, block_number=40, block_time=time)


def report(round_id: int, answer: int = ANSWER) -> RoundAccepted:
    return RoundAccepted(FEED, round_id, answer, 9_000, 1, (-1,), False, "0x", 9, b"\x12", 0)


def stored(round_id: int, answer: int = ANSWER) -> Round:
    return Round(round_id, answer, 1_000 * round_id, 1_000 * round_id + 5, 1, -7, 2, 3)


# --- administration ---


def test_a_feed_begins_with_its_own_terms() -> None:
    config = {
        "description": "BTC", "kind": 1, "decimals": 3, "sigma": 5, "heartbeat": 60, "maxAge": 7, "maxSkew": 8,
        "maxSpread": 9, "confirmations": 4, "confirmDelay": 10, "tolerance": 11, "maxRepeats": 12, "committee": 13,
        "peers": [PEER],
    }  # fmt: skip
    made = hub()
    made.administer(event("FeedAdded", feedId=OTHER, modelNumber=6, config=config))
    policy = HoldPolicy(4, 10, 11, 12)
    assert made.feeds[OTHER] == AuditedFeed(OTHER, "BTC", Kind.ABSOLUTE, 3, 5, 60, 7, 8, 9, policy, 13, (PEER,), 6)
    assert made.states[OTHER] == empty_feed(OTHER, Kind.ABSOLUTE, 5, 60, 6, committee=13, peers=(PEER,))


def test_reporters_have_their_epochs() -> None:
    made = hub()
    made.administer(event("CommitteeAdded", committee=4, reporters=["a", "b"], quorum=1))
    first = made.committee(4, 1)
    assert first is not None and (first.reporters, first.quorum, first.epoch) == (frozenset("ab"), 1, 1)
    made.administer(event("ReportersActivated", committee=4, reporters=["c"], quorum=3, epoch=2))
    second = made.committee(4, 2)
    assert second is not None and (second.reporters, second.quorum, second.epoch) == (frozenset("c"), 3, 2)
    assert made.committee(5, 1) is None


def test_reporters_that_the_logs_lack_are_those_of_the_storage_or_unknown() -> None:
    made = hub(epochs={1: frozenset({2, 3})})
    made.administer(event("CommitteeAdded", committee=1, reporters=["a"], quorum=1))
    first, last = made.committee(1, 1), made.committee(1, 3)
    assert first is not None and first.reporters == frozenset("a")
    assert last is not None and (last.reporters, last.quorum, last.epoch) == (frozenset("cd"), 1, 3)
    with pytest.raises(Unknown, match="the reporters of committee 1 in epoch 2 are not in the logs"):
        made.committee(1, 2)


def test_models_change_and_pauses_come_and_go() -> None:
    made = hub()
    for name, number in (("ModelActivated", 4), ("ModelRolledBack", 1)):
        made.administer(event(name, feedId=FEED, modelNumber=number))
        assert made.states[FEED].model_number == number
        made.administer(event(name, feedId=OTHER, modelNumber=number))
        assert OTHER not in made.states
    seen = []
    for name in ("Paused", "UnpauseProposed", "Paused", "UnpauseProposed", "Unpaused"):
        made.administer(event(name, feedId=FEED))
        seen.append(made.paused.get(FEED))
    assert seen == [False, True, False, True, None]
    assert made.problems == []


# --- shadow periods ---


def proposed(minimum: int = 1, allowed: int = 0) -> AdminEvent:
    return event(
        "ModelProposed", feedId=FEED, modelNumber=2, activeFrom=4_000, minCompared=minimum, maxDisagreements=allowed
    )


def shadow(score: int, at: int = 1_000, feed_id: bytes = FEED) -> ShadowScored:
    return ShadowScored(feed_id, 1, ANSWER, at, 2, (score,), 40, b"\x12", 0)


ACTIVATED = event("ModelActivated", feedId=FEED, modelNumber=2)
AGREE = "the active and the proposed model agree on the last shadow report of ETH"


def with_a_round(*events: AdminEvent | ShadowScored) -> ReplayedHub:
    """Return the hub after its first round and these events."""
    made = hub()
    made.rounds[FEED, 1] = stored(1)
    for each in events:
        if isinstance(each, ShadowScored):
            made.record(each)
        else:
            made.administer(each)
    return made


def compared(agrees: bool) -> AdminEvent:
    return event("ShadowCompared", feedId=FEED, agrees=agrees)


@pytest.mark.parametrize(
    "events",
    [
        (proposed(), shadow(-1), compared(True), ACTIVATED),
        (proposed(1, 1), shadow(1), compared(False), ACTIVATED),
        (proposed(), shadow(-1), compared(True), shadow(-1, at=2_000), shadow(-1, at=3_000)),
        (proposed(0), ACTIVATED),
        (proposed(), event("ModelProposalCancelled", feedId=FEED)),
        (shadow(-1), compared(True), ACTIVATED),
        (proposed(), shadow(-1, feed_id=OTHER)),
    ],
)
def test_shadow_periods_that_follow(events: tuple[AdminEvent | ShadowScored, ...]) -> None:
    assert with_a_round(*events).problems == []


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ((proposed(), shadow(-1), compared(False)), f"by block 40, {AGREE}, but by the hub's events they disagree"),
        (
            (proposed(), shadow(1), compared(True)),
            "disagree on the last shadow report of ETH, but by the hub's events they agree",
        ),
        ((proposed(), shadow(-1, at=2_000), compared(True)), "model can't be compared on the last shadow report"),
        ((proposed(), compared(True)), "model can't be compared on the last shadow report"),
        ((proposed(), shadow(-1), shadow(-1, at=2_000)), f"{AGREE}, but by the hub's events they can't be compared"),
        ((proposed(0), shadow(-1), ACTIVATED), f"{AGREE}, but by the hub's events they can't be compared"),
        (
            (proposed(2), ACTIVATED),
            "model 2 was activated for ETH with 0 compared reports, where its proposal demands 2",
        ),
        (
            (proposed(0), replace(ACTIVATED, block_time=3_999)),
            "model 2 was activated for ETH before 4000, from when on its proposal allows it",
        ),
    ],
)
def test_shadow_periods_that_do_not(events: tuple[AdminEvent | ShadowScored, ...], says: str) -> None:
    (problem,) = with_a_round(*events).problems
    assert says in problem.text


def test_an_activation_ends_the_period() -> None:
    made = with_a_round(proposed(0), ACTIVATED)
    assert made.periods == {} and made.states[FEED].model_number == 2
    assert with_a_round(proposed()).periods[FEED].model_number == 2
    assert with_a_round(proposed(), event("ModelProposalCancelled", feedId=FEED)).periods == {}


# --- the storage fills in ---


def test_missing_rounds_are_those_of_the_storage() -> None:
    rounds = {(FEED, number): stored(number, ANSWER + number) for number in (1, 2)}
    made = ReplayedHub(PinnedHub(rounds=rounds), Holes(rounds={FEED: (1, 2)}))
    made.add_feed(audited(FEED))
    made.bridge(report(3))
    state = made.states[FEED]
    assert (state.round_id, state.answer, state.observed_at, state.last_report_at) == (2, ANSWER + 2, 2_000, 2_000)
    assert (state.status, state.published_at, state.repeats) == (Status.OK, 2_005, 0)
    assert state.variance != VARIANCE_START and state.returns[:3] == (0, 0, 0)
    assert made.peers_unknown == {}
    assert made.expected_rounds() == rounds


def test_rounds_are_taken_from_the_storage_only_where_they_are_missing() -> None:
    rounds = {(FEED, number): stored(number) for number in (1, 2)}
    for missing, kept, reached in (((1,), rounds, 1), ((), rounds, 0), ((1, 2), {}, 0), ((2,), rounds, 0)):
        made = ReplayedHub(PinnedHub(rounds=kept), Holes(rounds={FEED: missing}))
        made.add_feed(audited(FEED))
        made.bridge(report(3))
        assert made.states[FEED].round_id == reached
        made.bridge(report(1))
        assert made.states[FEED].round_id == reached, "nothing is before it"
        made.bridge(replace(report(3), feed_id=OTHER))
        assert OTHER not in made.states


def test_peers_in_a_missing_round_are_not_known() -> None:
    made = ReplayedHub(PinnedHub(rounds={(FEED, 1): stored(1)}), Holes(rounds={FEED: (1,)}))
    made.add_feed(audited(FEED, PEER))
    made.bridge(report(2))
    assert made.peers_unknown == {FEED: "round 1 of the feed is not in the logs"}


@pytest.mark.parametrize("hole", ["rounds", "holds", "activations"])
def test_a_feed_with_a_hole_is_expected_as_it_is_stored(hole: str) -> None:
    holes: dict[str, Any] = {
        "rounds": {FEED: (1,)}, "holds": {FEED: 1}, "activations": frozenset({FEED})
    }  # fmt: skip
    made = ReplayedHub(hub().pinned, Holes(**{hole: holes[hole]}))
    made.add_feed(audited(FEED))
    made.add_feed(audited(OTHER))
    assert made.unsure == {FEED}
    assert made.expected_states() == {FEED: made.pinned.states[FEED], OTHER: made.states[OTHER]}


def test_of_a_feed_without_a_hole_only_unknown_peers_are_taken_from_the_storage() -> None:
    made = hub(audited(FEED), audited(OTHER))
    assert made.expected_states() == made.states and made.unsure == frozenset()
    made.peers_unknown = {FEED: "why", OTHER: "why"}
    assert made.expected_states() == {FEED: replace(made.states[FEED], peer_answers=(5,)), OTHER: made.states[OTHER]}
    written = made.written(["a"])
    assert (written.states, written.rounds, written.unsure) == (made.expected_states(), {}, frozenset())


def test_a_missing_round_that_no_hub_has_ends_the_bridge() -> None:
    """Moves can't be measured against a sigma of zero. What comes before it is taken over."""
    rounds = {(FEED, number): stored(number) for number in (1, 2, 3)}
    made = ReplayedHub(PinnedHub(rounds=rounds), Holes(rounds={FEED: (1, 2, 3)}))
    made.add_feed(replace(audited(FEED), sigma=0))
    made.bridge(report(4))
    assert made.states[FEED].round_id == 1 and list(made.rounds) == [(FEED, 1)]


def test_of_a_missing_round_nothing_is_known_but_what_is_stored() -> None:
    made = ReplayedHub(PinnedHub(rounds={(FEED, 1): stored(1)}), Holes(rounds={FEED: (1,)}))
    made.add_feed(audited(FEED, PEER))
    made.bridge(report(2))
    state = made.states[FEED]
    assert (state.peer_answers, state.returns[0], state.variance) == ((0,), 0, VARIANCE_START)
    assert made.rounds == {(FEED, 1): stored(1)} and made.holds == {}
    # The next one is none of the bridge's.
    made.bridge(report(2))
    assert made.states[FEED] == state


def test_reporters_that_the_logs_lack_from_the_beginning() -> None:
    made = hub(epochs={1: frozenset({1, 2, 3})})
    last = made.committee(1, 3)
    assert last is not None and (last.reporters, last.quorum, last.epoch) == (frozenset("cd"), 1, 3)
    with pytest.raises(Unknown, match="committee 1 in epoch 1"):
        made.committee(1, 1)
    made.add_committee(1, ["a"], 5, epoch=3)
    known = made.committee(1, 3)
    assert known is not None and known.reporters == frozenset("a")


HELD = HeldAnswer(HoldReason.ANOMALOUS, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)


def test_what_a_report_leaves() -> None:
    made = hub()
    state = replace(made.states[FEED], round_id=1)
    said = ReportOutcome(FEED, 1, Outcome.ACCEPTED, ANSWER, 1_000, False, HoldReason.NONE, 0)
    made.keep(FEED, Judgement(replace(state, held=HELD), said, None))
    assert (made.states[FEED].held, made.holds, made.rounds) == (HELD, {FEED: HELD}, {})
    # The last hold stays when it is over. A round of which not all is known is not compared with the stored one.
    made.keep(FEED, Judgement(state, said, stored(1)), is_stored=False)
    assert (made.states[FEED].held, made.holds, made.rounds) == (None, {FEED: HELD}, {})
    made.keep(FEED, Judgement(state, said, stored(1)))
    assert made.rounds == {(FEED, 1): stored(1)}


def test_a_way_back_to_a_mark() -> None:
    made = with_a_round(proposed(), shadow(-1))
    made.peers_unknown = {OTHER: "why"}
    made.holds = {FEED: HELD}
    before = (dict(made.states), dict(made.rounds), replace(made.periods[FEED]), dict(made.holds))
    mark = made.mark()
    for _ in range(2):
        made.administer(compared(False))
        made.record(shadow(5, at=7_000))
        said = ReportOutcome(FEED, 2, Outcome.ACCEPTED, ANSWER, 2_000, False, HoldReason.NONE, 0)
        changed = replace(made.states[FEED], round_id=2, held=replace(HELD, answer=9))
        made.keep(FEED, Judgement(changed, said, stored(2)))
        made.peers_unknown[FEED] = "because"
        assert len(made.problems) == 1 and made.periods[FEED].compared == 1
        assert list(made.rounds) == [(FEED, 1), (FEED, 2)]
        made.reset(mark)
        assert (made.states, made.rounds, made.periods[FEED], made.holds) == before
        assert (made.peers_unknown, made.problems) == ({OTHER: "why"}, [])


def test_feeds_that_the_history_lacks_are_not_expected() -> None:
    """`withheld` has named them."""
    made = ReplayedHub(hub().pinned, Holes(rounds={FEED: (1,)}, holds={FEED: 1}, activations=frozenset({FEED})))
    assert (made.expected_states(), made.unsure) == ({}, frozenset())
    made.peers_unknown = {FEED: "why"}
    made.record(shadow(-1))
    made.administer(compared(True))
    assert (made.expected_states(), made.problems) == ({}, [])


def test_problems_name_feeds_as_well_as_they_can() -> None:
    made = with_a_round(proposed(), shadow(-1))
    made.feeds.clear()
    made.administer(compared(False))
    (problem,) = made.problems
    assert problem.kind is ProblemKind.HISTORY and f"shadow report of 0x{FEED.hex()}, but" in problem.text


def test_the_round_of_the_event_itself_is_not_taken_from_the_storage() -> None:
    """A node may leave out an event, and give it later."""
    rounds = {(FEED, number): stored(number) for number in (1, 2)}
    made = ReplayedHub(PinnedHub(rounds=rounds), Holes(rounds={FEED: (1, 2)}))
    made.add_feed(audited(FEED))
    made.bridge(report(2))
    assert made.states[FEED].round_id == 1
