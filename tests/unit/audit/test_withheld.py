"""Tests of what a history lacks, by the hub's counts and heads. `tests/attack/test_audits.py` leaves out each event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from oracle.audit.fetch import HubEvent
from oracle.audit.history import AdminEvent
from oracle.audit.withheld import MOST_MISSING, Holes, PinnedHub, find_holes, in_ranges
from oracle.chain.hub import Committee, HubFeedConfig, RoundAccepted, RoundHeld
from oracle.core.gate import empty_feed
from oracle.core.types import HoldReason, Kind

FEED, ADMIN = (1).to_bytes(32), "0x" + "Ad" * 20
CONFIG = HubFeedConfig("ETH / USD", Kind.RELATIVE, 8, 2, 0, 3_600, 600, 30, 60, 500, 0, 10_000, 1)
CREATION = AdminEvent("RoleGranted", {"role": bytes(32), "account": ADMIN})
ADDED: tuple[HubEvent, ...] = (
    CREATION,
    AdminEvent("CommitteeAdded", {"committee": 1}),
    AdminEvent("ArchitectureAdded", {"architectureId": 1}),
    AdminEvent("ModelAdded", {"modelNumber": 1}),
    AdminEvent("FeedAdded", {"feedId": FEED, "modelNumber": 1}),
)


def pinned(**state: Any) -> PinnedHub:
    found = replace(empty_feed(FEED, Kind.RELATIVE, 10_000, 3_600, 1), **state)
    return PinnedHub({FEED: CONFIG}, {FEED: found}, {1: Committee(1, (ADMIN,), 1, 1)}, 1, 1)


def accepted(round_id: int) -> RoundAccepted:
    return RoundAccepted(FEED, round_id, 5, 1_000 + round_id, 1, (-1,), False, ADMIN, 9, b"\x12", 0)


def held(round_id: int) -> RoundHeld:
    return RoundHeld(FEED, round_id, 5, 1_000, 1, (1,), HoldReason.ANOMALOUS, 0, ADMIN, 9, b"\x12", 0)


def said(holes: Holes) -> list[str]:
    return [problem.text for problem in holes.problems]


def test_a_history_that_is_whole() -> None:
    events: list[HubEvent] = [*ADDED, accepted(1), held(2), accepted(2)]
    assert find_holes(events, pinned(round_id=2, held_reports=1)) == Holes()
    assert find_holes(events, pinned(round_id=2, held_reports=257)) == Holes()


def test_rounds_that_are_missing() -> None:
    events: list[HubEvent] = [*ADDED, *(accepted(each) for each in (1, 2, 8))]
    holes = find_holes(events, pinned(round_id=9))
    assert said(holes) == ["rounds 3 to 7 and 9 of ETH / USD are on the hub, but not in the logs"]
    assert holes.rounds == {FEED: (3, 4, 5, 6, 7, 9)}
    assert [bool(holes.why_unsure(FEED, number)) for number in (3, 4, 9)] == [False, True, True]
    more = find_holes([*events, accepted(10)], pinned(round_id=9))
    assert said(more)[1] == "round 10 of ETH / USD is in the logs, but not on the hub"


def test_holds_that_are_missing() -> None:
    holes = find_holes([*ADDED, held(1)], pinned(held_reports=3))
    assert said(holes) == ["the hub has counted 3 held reports of ETH / USD (modulo 256), but there are 1 in the logs"]
    assert holes.holds == {FEED: 2} and holes.why_unsure(FEED, 1)


@pytest.mark.parametrize(
    ("events", "state", "says"),
    [
        (ADDED[1:], {}, "the hub's creation is not in the logs: the first of them is an event of block 0"),
        (
            (*ADDED, AdminEvent("Paused", {"feedId": FEED})),
            {},
            "ETH / USD is not paused on the hub, but the logs say otherwise",
        ),
        (ADDED, {"paused": True}, "ETH / USD is paused on the hub, but the logs say otherwise"),
        (ADDED, {"model_number": 2}, "the active model of ETH / USD is 2 on the hub, but 1 by the logs"),
        (
            (*ADDED, AdminEvent("RoleGranted", {"role": bytes(32), "account": "other"})),
            {},
            "other became the admin in block 0, but that was not scheduled in the logs",
        ),
        (
            (*ADDED, AdminEvent("RoleRevoked", {"role": b"guardian", "account": "other"})),
            {},
            "a role was taken from other in block 0, who does not have it by the logs",
        ),
        ((*ADDED, CREATION), {}, f"a role was granted to {ADMIN} in block 0, who has it by the logs"),
        (
            (*ADDED, AdminEvent("UnpauseProposed", {"feedId": FEED})),
            {},
            "ETH / USD was to be unpaused, but it was not paused in the logs",
        ),
    ],
)  # fmt: skip
def test_changes_that_do_not_follow(events: Sequence[HubEvent], state: dict[str, Any], says: str) -> None:
    assert said(find_holes(events, pinned(**state))) == [says]


@pytest.mark.parametrize(
    ("numbers", "words"),
    [([3], "3"), ([3, 4], "3 to 4"), ([1, 3], "1 and 3"), ([1, 3, 4, 5, 9], "1, 3 to 5 and 9")],
)
def test_numbers_in_words(numbers: list[int], words: str) -> None:
    assert in_ranges(numbers) == words


def test_many_gaps_are_counted() -> None:
    assert in_ranges(range(1, 101, 2)).endswith("23 and 38 more")


def test_a_hub_that_counts_billions() -> None:
    """Other creation code, or a node, may say so. It must cost no memory: 2^32 numbers would take 100 GB."""
    found = pinned(round_id=2**32 - 1)
    holes = find_holes([*ADDED, accepted(2)], replace(found, architectures=2**32 - 1, models=2**16))
    assert len(holes.rounds[FEED]) == len(holes.architectures) == MOST_MISSING
    assert holes.rounds[FEED][:3] == (1, 3, 4)
    assert [text.split(" on the hub")[0] for text in said(holes)] == [
        "architectures 2 to 20001, and perhaps more, are",
        "models 2 to 20001, and perhaps more, are",
        "rounds 1 and 3 to 20001, and perhaps more, of ETH / USD are",
    ]
