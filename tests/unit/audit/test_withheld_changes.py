"""Tests that each change on a hub follows from those before it, by the logs: models, reporters, pauses and roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from oracle.audit.fetch import HubEvent
from oracle.audit.history import AdminEvent
from oracle.audit.withheld import Holes, PinnedHub, begins_with_the_creation, find_holes
from oracle.chain.hub import Committee, HubFeedConfig, RoundAccepted, ShadowScored
from oracle.core.gate import empty_feed
from oracle.core.types import Kind

FEED, OTHER = (1).to_bytes(32), (2).to_bytes(32)
ADMIN, NEXT, GUARDIAN = "0x" + "Ad" * 20, "0x" + "Be" * 20, "0x" + "Ce" * 20
ROLE = b"\7" * 32
BLOCK = 40


def event(name: str, **values: Any) -> AdminEvent:
    return AdminEvent(name, values, block_number=BLOCK)


def of_feed(name: str, feed_id: bytes = FEED, **values: Any) -> AdminEvent:
    return event(name, feedId=feed_id, **values)


CREATION = event("RoleGranted", role=bytes(32), account=ADMIN)
ADDED: tuple[HubEvent, ...] = (
    CREATION,
    event("CommitteeAdded", committee=1),
    event("ArchitectureAdded", architectureId=1),
    *(event("ModelAdded", modelNumber=number) for number in (1, 2, 3)),
    of_feed("FeedAdded", modelNumber=1),
    of_feed("FeedAdded", OTHER, modelNumber=1),
)


def config(name: str) -> HubFeedConfig:
    return HubFeedConfig(name, Kind.RELATIVE, 8, 2, 0, 3_600, 600, 30, 60, 500, 0, 10_000, 1)


def pinned(*, epoch: int = 1, committees: int = 1, models: int = 3, architectures: int = 1, **state: Any) -> PinnedHub:
    configs = {FEED: config("ETH"), OTHER: config("BTC")}
    states = {feed_id: empty_feed(feed_id, Kind.RELATIVE, 10_000, 3_600, 1) for feed_id in configs}
    states[FEED] = replace(states[FEED], **state)
    found = {number: Committee(number, (ADMIN,), 1, epoch) for number in range(1, committees + 1)}
    return PinnedHub(configs, states, found, architectures, models)


def said(holes: Holes) -> list[str]:
    return [problem.text for problem in holes.problems]


def holes(*events: HubEvent, **hub: Any) -> Holes:
    return find_holes([*ADDED, *events], pinned(**hub))


def proposed(number: int, feed_id: bytes = FEED) -> AdminEvent:
    return of_feed("ModelProposed", feed_id, modelNumber=number)


def activated(number: int, previous: int, feed_id: bytes = FEED) -> AdminEvent:
    return of_feed("ModelActivated", feed_id, modelNumber=number, previous=previous)


def rolled_back(number: int, abandoned: int) -> AdminEvent:
    return of_feed("ModelRolledBack", modelNumber=number, abandoned=abandoned)


def cancelled(number: int, feed_id: bytes = FEED) -> AdminEvent:
    return of_feed("ModelProposalCancelled", feed_id, modelNumber=number)


def shadow(number: int, feed_id: bytes = FEED) -> ShadowScored:
    return ShadowScored(feed_id, 1, 5, 1_000, number, (-1,), BLOCK, b"\x12", 0)


# --- models ---


@pytest.mark.parametrize(
    ("events", "active"),
    [
        ((), 1),
        ((proposed(2),), 1),
        ((proposed(2), cancelled(2)), 1),
        ((proposed(2), activated(2, 1)), 2),
        ((proposed(2), activated(2, 1), rolled_back(1, 2)), 1),
        ((proposed(2), proposed(3), activated(3, 1)), 3),
        ((proposed(2), shadow(2), shadow(2), activated(2, 1), proposed(3), cancelled(3)), 2),
        ((proposed(2), proposed(3, OTHER), cancelled(3, OTHER), activated(2, 1)), 2),
    ],
)
def test_changes_of_models_that_follow(events: Sequence[HubEvent], active: int) -> None:
    assert holes(*events, model_number=active) == Holes()


UNPROPOSED = "model 2 of ETH was activated, but that was not proposed in the logs"
UNSEEN = "was replaced in block 40, but the logs do not show that it became active"


@pytest.mark.parametrize(
    ("events", "active", "says"),
    [
        ((activated(2, 1),), 2, [UNPROPOSED]),
        ((proposed(3), activated(2, 1)), 2, [UNPROPOSED]),
        ((proposed(2, OTHER), activated(2, 1)), 2, [UNPROPOSED]),
        ((proposed(2), cancelled(2), activated(2, 1)), 2, [UNPROPOSED]),
        ((proposed(2), activated(2, 1), activated(2, 2)), 2, [UNPROPOSED]),
        ((cancelled(2),), 1, ["the proposal of model 2 for ETH was cancelled, but that was not proposed in the logs"]),
        ((shadow(2),), 1, ["a shadow report of ETH by model 2 was taken, but that was not proposed in the logs"]),
        (
            (proposed(3), shadow(2), shadow(2)),
            1,
            ["a shadow report of ETH by model 2 was taken, but that was not proposed in the logs"],
        ),
    ],
)
def test_a_missing_proposal(events: Sequence[HubEvent], active: int, says: list[str]) -> None:
    found = holes(*events, model_number=active)
    assert (said(found), found.proposals, found.activations) == (says, frozenset({FEED}), frozenset())


@pytest.mark.parametrize(
    ("events", "active", "says"),
    [
        ((proposed(3), activated(3, 2)), 3, [f"model 2 of ETH {UNSEEN}"]),
        ((rolled_back(1, 2),), 1, [f"model 2 of ETH {UNSEEN}"]),
        ((proposed(2), activated(2, 1), rolled_back(1, 3)), 1, [f"model 3 of ETH {UNSEEN}"]),
        ((), 2, ["the active model of ETH is 2 on the hub, but 1 by the logs"]),
        ((proposed(2), activated(2, 1)), 1, ["the active model of ETH is 1 on the hub, but 2 by the logs"]),
    ],
)
def test_a_missing_activation(events: Sequence[HubEvent], active: int, says: list[str]) -> None:
    found = holes(*events, model_number=active)
    assert (said(found), found.activations, found.proposals) == (says, frozenset({FEED}), frozenset())


def test_a_feed_whose_addition_is_missing_has_the_model_that_was_replaced() -> None:
    events = [each for each in ADDED if not (isinstance(each, AdminEvent) and each.values.get("feedId") == FEED)]
    found = find_holes([*events, proposed(3), activated(3, 2)], pinned(model_number=3))
    assert said(found) == [f"the feed ETH (0x{FEED.hex()}) is on the hub, but not added in the logs"]
    assert found.feeds == (FEED,) and found.activations == frozenset()


def test_feeds_that_are_not_on_the_hub_are_told_in_their_order() -> None:
    strangers = [bytes([number]) * 32 for number in range(255, 247, -1)]
    found = holes(*(of_feed("FeedAdded", each, modelNumber=1) for each in strangers))
    assert said(found) == [
        f"the feed 0x{each.hex()} is added in the logs, but not on the hub" for each in sorted(strangers)
    ]
    stranger = strangers[0]
    # A change of a feed without terms is told by its id.
    assert said(holes(cancelled(2, stranger)))[0].startswith(f"the proposal of model 2 for 0x{'ff' * 32} was")


# --- numbers ---


@pytest.mark.parametrize(
    ("left_out", "says", "numbers"),
    [
        ({"ArchitectureAdded"}, "architecture 1 is on the hub, but not added in the logs", ((), (1,), ())),
        ({"ModelAdded"}, "models 1 to 3 are on the hub, but not added in the logs", ((), (), (1, 2, 3))),
    ],
)
def test_missing_additions(left_out: set[str], says: str, numbers: tuple[tuple[int, ...], ...]) -> None:
    events = [each for each in ADDED if not (isinstance(each, AdminEvent) and each.name in left_out)]
    found = find_holes(events, pinned())
    assert said(found) == [says]
    assert (found.committees, found.architectures, found.models) == numbers


def test_missing_committees_and_their_first_reporters() -> None:
    """The epoch with which a committee begins is said with its addition."""
    found = holes(committees=3)
    assert said(found) == ["committees 2 to 3 are on the hub, but not added in the logs"]
    assert found.committees == (2, 3) and found.epochs == {2: {1}, 3: {1}}


# --- reporters ---


def test_changes_of_reporters_that_follow() -> None:
    first = (event("ReportersProposed", committee=1), event("ReportersActivated", committee=1, epoch=2))
    later = (event("ReportersProposed", committee=1), event("ReportersProposalCancelled", committee=1))
    assert holes(*first, *later, epoch=2) == Holes()


@pytest.mark.parametrize(
    ("events", "epoch", "says"),
    [
        (
            (event("ReportersActivated", committee=1, epoch=2),),
            2,
            "reporters of committee 1 were activated, but that was not proposed in the logs",
        ),
        (
            (event("ReportersProposalCancelled", committee=1),),
            1,
            "reporters of committee 1 were cancelled, but that was not proposed in the logs",
        ),
        (
            (),
            2,
            "the reporters of committee 1 in epoch 2 are not in the logs, but the hub has it in epoch 2",
        ),
        (
            (event("ReportersProposed", committee=1), event("ReportersActivated", committee=1, epoch=4)),
            4,
            "the reporters of committee 1 in epochs 2 to 3 are not in the logs, but the hub has it in epoch 4",
        ),
    ],
)
def test_changes_of_reporters_that_do_not(events: Sequence[HubEvent], epoch: int, says: str) -> None:
    found = holes(*events, epoch=epoch)
    assert said(found) == [says]
    assert found.proposals == found.activations == frozenset()


def test_the_epochs_that_are_missing() -> None:
    events = (event("ReportersProposed", committee=1), event("ReportersActivated", committee=1, epoch=4))
    assert holes(*events, epoch=4).epochs == {1: {2, 3}}


# --- pauses ---


def test_pauses_that_follow() -> None:
    paused, proposal, unpaused = (of_feed(name) for name in ("Paused", "UnpauseProposed", "Unpaused"))
    assert holes(paused, paused=True) == Holes()
    assert holes(paused, proposal, paused=True) == Holes()
    assert holes(paused, proposal, unpaused) == Holes()
    assert holes(paused, proposal, unpaused, paused, paused=True) == Holes()
    assert holes(of_feed("Paused", OTHER), of_feed("UnpauseProposed", OTHER), of_feed("Unpaused", OTHER)) == Holes()


def test_pauses_that_do_not() -> None:
    paused, proposal, unpaused = (of_feed(name) for name in ("Paused", "UnpauseProposed", "Unpaused"))
    unproposed = "ETH was unpaused, but that was not proposed in the logs"
    assert said(holes(paused, unpaused)) == [unproposed]
    # A pause cancels the proposal before it.
    assert said(holes(paused, proposal, paused, unpaused)) == [unproposed]
    assert said(holes(paused, proposal, unpaused, unpaused)) == [unproposed]
    assert said(holes(paused, of_feed("UnpauseProposed", OTHER), paused=True)) == [
        "BTC was to be unpaused, but it was not paused in the logs"
    ]


# --- roles ---


def granted(account: str, role: bytes = bytes(32)) -> AdminEvent:
    return event("RoleGranted", role=role, account=account)


def revoked(account: str, role: bytes = bytes(32)) -> AdminEvent:
    return event("RoleRevoked", role=role, account=account)


HANDOVER = (event("DefaultAdminTransferScheduled", newAdmin=NEXT), revoked(ADMIN), granted(NEXT))


@pytest.mark.parametrize(
    "events",
    [
        (granted(GUARDIAN, ROLE), revoked(GUARDIAN, ROLE), granted(GUARDIAN, ROLE)),
        (granted(ADMIN, ROLE), granted(GUARDIAN, ROLE)),
        HANDOVER,
    ],
)
def test_roles_that_follow(events: Sequence[HubEvent]) -> None:
    assert holes(*events) == Holes()


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (
            (granted(GUARDIAN, ROLE), granted(GUARDIAN, ROLE)),
            f"a role was granted to {GUARDIAN} in block 40, who has it",
        ),
        ((revoked(GUARDIAN, ROLE),), f"a role was taken from {GUARDIAN} in block 40, who does not have it"),
        (
            (granted(ADMIN, ROLE), revoked(GUARDIAN, ROLE)),
            f"a role was taken from {GUARDIAN} in block 40, who does not",
        ),
        ((revoked(ADMIN), revoked(ADMIN)), f"a role was taken from {ADMIN} in block 40, who does not have it"),
        ((granted(GUARDIAN),), f"{GUARDIAN} became the admin in block 40, but that was not scheduled in the logs"),
        (
            (HANDOVER[0], event("DefaultAdminTransferCanceled"), *HANDOVER[1:]),
            f"{NEXT} became the admin in block 40, but that was not scheduled in the logs",
        ),
        (
            (event("DefaultAdminTransferScheduled", newAdmin=GUARDIAN), *HANDOVER[1:]),
            f"{NEXT} became the admin in block 40, but that was not scheduled in the logs",
        ),
    ],
)
def test_roles_that_do_not(events: Sequence[HubEvent], says: str) -> None:
    (found,) = said(holes(*events))
    assert found.startswith(says)


# --- the beginning ---


def test_a_history_begins_with_the_first_admin() -> None:
    assert begins_with_the_creation(CREATION)
    report = RoundAccepted(FEED, 1, 5, 1_000, 1, (-1,), False, ADMIN, 9, b"\x12", 0)
    for first in (None, report, granted(ADMIN, ROLE), event("Paused", feedId=FEED, role=bytes(32))):
        assert not begins_with_the_creation(first)
    late = [replace(granted(ADMIN, ROLE), block_number=block) for block in (7, 8)]
    texts = said(find_holes(late, PinnedHub()))
    assert texts[0] == "the hub's creation is not in the logs: the first of them is an event of block 7"
    assert said(find_holes([], PinnedHub())) == ["the hub's creation is not in the logs: the first of them is nothing"]


def test_shadow_reports_are_no_held_ones() -> None:
    assert holes(proposed(2), shadow(2)) == Holes()


def accepted(*rounds: int, feed_id: bytes = FEED) -> list[HubEvent]:
    return [RoundAccepted(feed_id, number, 5, 1_000, 1, (-1,), False, ADMIN, 9, b"\x12", number) for number in rounds]


@pytest.mark.parametrize(
    ("rounds", "stored", "says", "missing"),
    [
        ((1, 2, 3), 3, [], {}),
        ((1, 3), 3, ["round 2 of ETH is on the hub, but not in the logs"], {FEED: (2,)}),
        ((), 2, ["rounds 1 to 2 of ETH are on the hub, but not in the logs"], {FEED: (1, 2)}),
        ((1, 64, 33, 2), 1, ["rounds 2, 33 and 64 of ETH are in the logs, but not on the hub"], {}),
        ((1, 2), 1, ["round 2 of ETH is in the logs, but not on the hub"], {}),
    ],
)
def test_rounds_in_the_logs_and_on_the_hub(
    rounds: Sequence[int], stored: int, says: list[str], missing: dict[bytes, tuple[int, ...]]
) -> None:
    found = holes(*accepted(*rounds), round_id=stored)
    assert (said(found), found.rounds) == (says, missing)


def test_a_state_is_unsure_only_after_what_is_missing() -> None:
    found = Holes(rounds={FEED: (4, 6)}, holds={OTHER: 1})
    assert [found.why_unsure(FEED, number) for number in (4, 5)] == ["", "round 4 of the feed is not in the logs"]
    assert found.why_unsure(OTHER, 1) == "held reports of the feed are not in the logs"
    assert Holes().why_unsure(FEED, 9) == ""
