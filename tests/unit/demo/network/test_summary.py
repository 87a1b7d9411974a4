"""Tests of a network's summary: who was harmed, and what counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oracle.app.local_network import judging
from oracle.app.local_network.ways import Way
from oracle.chain.hub import RoundAccepted, RoundEvent
from oracle.demo.network.summary import NetworkPlayed, summarise_network

FEED = bytes([7]) * 32
TURN_S = 2


def round_of(turn: int, answer: int = 100, **changes: Any) -> RoundAccepted:
    values: dict[str, Any] = {
        "feed_id": FEED,
        "round_id": turn,
        "answer": answer,
        "observed_at": turn * TURN_S,
        "model_number": 1,
        "scores": (0,),
        "confirmed": False,
        "submitter": "0xA",
        "block_number": turn,
        "tx_hash": bytes([turn]) * 32,
        "log_index": 0,
    }
    return RoundAccepted(**(values | changes))


def played(events: Sequence[RoundEvent], **changes: Any) -> NetworkPlayed:
    turns = range(10, 14)
    values: dict[str, Any] = {
        "turns": turns,
        "turn_s": TURN_S,
        "feeds": [FEED],
        "events": events,
        "honest": {(FEED, turn): (99, 101, 100) for turn in turns},
        "plans": {"beta": {11: Way.SILENT, 12: Way.TIMES_TEN, 13: Way.SILENT}},
        "transmitters": {"0xA": "alpha", "0xB": "beta"},
    }
    return NetworkPlayed(**(values | changes))


def harmed_turns(of: NetworkPlayed) -> Mapping[int, Sequence[str]]:
    return judging.harmed_turns(of.events, of.honest, of.feeds, of.turns, of.turn_s)


def test_a_round_in_each_turn_within_the_honest_answers_harms_nobody() -> None:
    found = played([round_of(turn, answer) for turn, answer in ((10, 99), (11, 101), (12, 100), (13, 100))])
    assert harmed_turns(found) == {}
    network = summarise_network(found, 4, 3)
    assert network["faults"] == {
        "silent": {"injected": 2, "harmed": 0},
        "times_ten": {"injected": 1, "harmed": 0},
    }
    assert (network["reporters"], network["quorum"], network["rounds"], network["late"]) == (4, 3, 4, 0)
    assert network["harm"] == [] and network["by_transmitter"] == {"alpha": 4}


def test_an_answer_outside_of_the_honest_range_is_harm_of_its_turn() -> None:
    found = played([round_of(10), round_of(11), round_of(12, 102), round_of(13)])
    assert list(harmed_turns(found)) == [12]
    assert summarise_network(found, 4, 3)["faults"]["times_ten"] == {"injected": 1, "harmed": 1}
    below = played([round_of(10), round_of(11), round_of(12, 98), round_of(13)])
    assert list(harmed_turns(below)) == [12]


def test_an_answer_in_a_turn_in_which_no_honest_member_signed_is_harm() -> None:
    found = played([round_of(turn) for turn in range(10, 14)], honest={(FEED, turn): (100,) for turn in (10, 11, 12)})
    assert list(harmed_turns(found)) == [13]


def test_one_turn_may_be_lost_two_may_not() -> None:
    one = played([round_of(10), round_of(12), round_of(13)])
    assert harmed_turns(one) == {}
    assert summarise_network(one, 4, 3)["late"] == 1
    two = played([round_of(10), round_of(13)])
    assert list(harmed_turns(two)) == [11]
    with_two_silent = judging.harmed_turns(two.events, two.honest, two.feeds, two.turns, TURN_S, lost=2)
    assert with_two_silent == {}


def test_two_rounds_of_one_turn_are_harm() -> None:
    found = played([*map(round_of, range(10, 14)), round_of(12, round_id=77, tx_hash=bytes(32))])
    assert list(harmed_turns(found)) == [12]


def test_reports_are_counted_by_transaction_and_named_by_who_pays() -> None:
    other = bytes([8]) * 32
    both = [round_of(turn, submitter="0xB") for turn in range(10, 14)]
    both += [round_of(turn, submitter="0xB", feed_id=other) for turn in range(10, 14)]
    honest = {(feed, turn): (100,) for feed in (FEED, other) for turn in range(10, 14)}
    found = played(
        both,
        feeds=[FEED, other],
        honest=honest,
        honest_transmitters=["0xB"],
        messages=96,
        latencies=[1.0, 2.0, 3.0],
    )
    network = summarise_network(found, 4, 3)
    assert network["by_transmitter"] == {"beta": 4}
    assert (network["rounds"], network["messages_per_round"]) == (8, 24.0)
    assert network["due_to_confirmed_s"] == {"p50": 2.0, "p95": 2.9}


def test_without_rounds_there_are_no_times() -> None:
    network = summarise_network(played([]), 4, 3)
    assert network["due_to_confirmed_s"] == {"p50": None, "p95": None}
    assert network["late"] == 4 and network["faults"]["silent"]["harmed"] > 0


def test_evidence_against_honest_members_is_counted_apart() -> None:
    evidence = {"0xB": ["silence", "silence", "flood"], "0xA": ["silence"]}
    network = summarise_network(played([], evidence=evidence, honest_transmitters=["0xA"]), 4, 3)
    assert network["evidence"] == {"flood": 1, "silence": 2}
    assert network["evidence_against_honest"] == {"silence": 1}
