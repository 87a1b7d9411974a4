"""Tests of the terms' fingerprint: equal for members who agree, however they write it, and different if they do not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from oracle.config.network import NetworkConfig
from oracle.core.errors import DataError
from oracle.network.terms import fingerprint, fingerprint_of, terms_of, turns_from, turns_of

HUB = "0x" + "ab" * 20
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
REPORTERS = [f"0x{number:040x}" for number in (11, 12, 13, 14)]


def network(**changes: Any) -> NetworkConfig:
    members = tuple(
        {"name": f"m{place}", "reporter": each, "url": f"http://127.0.0.1:{9471 + place}"}
        for place, each in enumerate(REPORTERS)
    )
    return NetworkConfig.model_validate({"listen": "127.0.0.1:9471", "faulty": 1, "members": members} | changes)


def changed(place: int, **changes: Any) -> NetworkConfig:
    members = [each.model_dump() for each in network().members]
    members[place] |= changes
    return network(members=tuple(members))


def test_what_is_each_members_own_is_not_in_it() -> None:
    same = [
        network(grace_ms=900, roles=("reporter",), ignore=(REPORTERS[2],), listen="0.0.0.0:1", request_timeout_s=1),
        network(members=tuple(reversed(network().members))),
        changed(0, name="other", url="https://elsewhere.example"),
        network(clock_bound_s=2),
    ]
    first = fingerprint(1, HUB, 3, network())
    assert {fingerprint(1, HUB.upper().replace("X", "x"), 3, each) for each in same} == {first}
    assert len(first) == 32


@pytest.mark.parametrize(
    "other",
    [
        network(turn_s=61),
        network(clock_bound_s=2.5),
        network(faulty=0),
        changed(1, reporter=f"0x{99:040x}"),
        changed(1, transmits=False),
        changed(1, since=NEW_YEAR),
        changed(1, until=NEW_YEAR),
        network(members=network().members[:3], faulty=0),
    ],
    ids=["turn", "clock bound", "faulty", "reporter", "transmits", "since", "until", "fewer"],
)
def test_what_all_have_to_agree_on_is_in_it(other: NetworkConfig) -> None:
    assert fingerprint(1, HUB, 3, other) != fingerprint(1, HUB, 3, network())


def test_it_is_of_one_committee_of_one_hub_on_one_chain() -> None:
    mine = network()
    found = {fingerprint(*each, mine) for each in [(1, HUB, 3), (2, HUB, 3), (1, "0x" + "cd" * 20, 3), (1, HUB, 4)]}
    assert len(found) == 4


def test_turns_are_those_of_the_members_that_transmit() -> None:
    turns = turns_of(changed(0, transmits=False))
    assert [each.lower() for each in turns.order(0)] == REPORTERS[1:]
    later = turns_of(changed(0, since=NEW_YEAR.replace(tzinfo=timezone(timedelta(hours=1)))))
    begins = later.at(1_798_758_000)
    assert len(later.order(begins - 1)) == 3 and len(later.order(begins)) == 4
    assert (later.seconds, later.clock_bound) == (60, 2.0)


def test_a_stranger_who_has_the_document_alone_has_the_same_turns_and_fingerprint() -> None:
    mine = changed(0, since=NEW_YEAR, until=NEW_YEAR + timedelta(days=9))
    document = json.loads(json.dumps(terms_of(1, HUB, 3, mine)))
    assert fingerprint_of(document) == fingerprint(1, HUB, 3, mine)
    theirs, ours = turns_from(document), turns_of(mine)
    assert (theirs.seconds, theirs.clock_bound) == (ours.seconds, ours.clock_bound)
    for moment in (0, 1_798_761_600, 1_798_761_600 + 9 * 86_400):
        turn = ours.at(moment)
        assert [each.lower() for each in ours.order(turn)] == list(theirs.order(turn))


@pytest.mark.parametrize(
    "wrong",
    [
        {"turn": 0},
        {"turn": "x"},
        {"clockBoundMicroseconds": None},
        {"clockBoundMicroseconds": float("inf")},
        {"members": 3},
        {"members": [3]},
        {"members": [{"reporter": "0x12", "transmits": True, "since": None, "until": None}]},
        {"members": [{"reporter": REPORTERS[0]}]},
    ],
)
def test_other_documents_are_refused_in_one_line(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="not the terms of a network") as refused:
        turns_from(terms_of(1, HUB, 3, network()) | wrong)
    assert "\n" not in str(refused.value)


def test_whoever_has_the_terms_has_the_same_turns() -> None:
    mine = network(members=tuple(changed(2, transmits=False).members))
    terms = json.loads(json.dumps(terms_of(1, HUB, 3, mine)))
    assert fingerprint_of(terms) == fingerprint(1, HUB, 3, mine)
    first, second = turns_of(mine), turns_from(terms)
    assert (first.seconds, first.clock_bound) == (second.seconds, second.clock_bound)
    for turn in range(9):
        assert second.holds(str(first.holder(turn)), turn)


@pytest.mark.parametrize(
    "change",
    [
        {"turn": 0},
        {"turn": None},
        {"clockBoundMicroseconds": "soon"},
        {"members": [{"reporter": "nobody", "transmits": True, "since": None, "until": None}]},
        {"members": [{"reporter": HUB, "transmits": True}]},
        {"members": 7},
    ],
)
def test_terms_that_others_made_up_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="not the terms"):
        turns_from(terms_of(1, HUB, 3, network()) | change)
