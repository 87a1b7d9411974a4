"""Tests of the network that other tests are made of: members that end, come back, misbehave, and have other clocks."""

from __future__ import annotations

import time
from functools import partial

import pytest

from oracle.app.local_network import LocalNetwork
from oracle.app.local_network.judging import evidence_of, harmed_turns, signed_answers
from oracle.app.local_network.ways import Way
from oracle.chain.hub import hub_interface
from oracle.network.evidence import FaultKind
from tests.transactions import mined

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


async def test_each_turn_s_holder_brings_a_round_that_all_have_signed(network: LocalNetwork) -> None:
    rounds = await network.until_rounds(3)
    for event in rounds:
        holder = network.members[network.holder(event.observed_at // network.layout.turn_s)]
        assert event.submitter == holder.place.address
    turns = [event.observed_at // network.layout.turn_s for event in rounds]
    honest = signed_answers(network, network.members, turns)
    feeds = [network.deployment.feeds["one"].feed_id]
    assert harmed_turns(rounds, honest, feeds, turns, network.layout.turn_s) == {}
    assert all(len(answers) >= network.layout.quorum for answers in honest.values())


async def test_a_member_that_is_killed_comes_back_at_its_place(network: LocalNetwork) -> None:
    member, before = network.members[0], network.members[0].pid
    await network.kill(0)
    assert not member.runs and await network.shows(0) is None
    later = network.turn() + 1  # what it sent before may be mined after its end
    rounds = [event for event in await network.until_rounds(3) if network.turn(event.observed_at) >= later]
    assert rounds and member.place.address not in [event.submitter for event in rounds]
    await network.start(0)
    shown = await network.eventually(partial(network.shows, 0), "alpha answers")
    assert shown["reporter"] == member.place.address
    assert member.pid != before
    await network.until_rounds(1)  # it has begun, so it ends as it is asked to
    assert await network.stop(0) == 0


async def test_a_clock_that_is_off_shows(network: LocalNetwork) -> None:
    await network.stop(3)
    await network.start(3, clock_offset=-30.0)
    before = time.time()
    shown = await network.eventually(partial(network.shows, 3), "delta answers")
    assert before - 31.0 <= shown["time"] <= time.time() - 29.0
    await network.stop(3)


async def test_while_the_feed_is_paused_nobody_collects_or_proves_and_afterwards_all_go_on(
    network: LocalNetwork,
) -> None:
    feed_id, admin = network.deployment.feeds["one"].feed_id, network.chain.accounts[-1].address

    def administer(action: str) -> None:
        data = "0x" + hub_interface().encode_call(action, feed_id).hex()
        sent = {"from": admin, "to": network.deployment.hub, "data": data}
        assert mined(network.chain.rpc, sent)["status"] == "0x1", action

    administer("pause")

    async def told() -> bool:
        lines = [line for member in network.members for line in member.events("obstacle")]
        return [line["obstacle"] for line in lines].count("paused") == len(network.members)

    async def idle() -> bool:
        for member in network.members:
            with member.journal() as journal:
                if journal.counts()["open"]:
                    return False
        return True

    await network.eventually(told, "all members say that the feed is paused")
    await network.eventually(idle, "what was under way has ended")
    turn, before = network.turn(), proven(network)
    await network.until_turn(turn + 2)
    assert proven(network) == before, "a turn has passed, and nothing was collected or proven in it"
    administer("proposeUnpause")
    administer("unpause")
    await network.until_rounds(1)


def proven(network: LocalNetwork) -> int:
    """Return how many reports the members have collected or proven."""
    return sum(len(member.events(event)) for member in network.members for event in ("collected", "proven"))


async def test_a_member_misbehaves_as_long_as_it_is_told_to(network: LocalNetwork) -> None:
    network.misbehave(3, {}, Way.GARBAGE)
    others = [network.members[index] for index in range(3)]

    async def noted() -> bool:
        cases = [case for member in others for case in evidence_of(member)]
        accused = {case.member for case in cases if case.kind is FaultKind.SILENCE}
        return network.members[3].place.address in accused

    await network.eventually(noted, "evidence of the garbage")
    network.misbehave(3, {})
    rounds = await network.until_rounds(2)
    honest_since = rounds[-1].observed_at // network.layout.turn_s

    async def signs() -> bool:
        turns = range(honest_since, network.turn() + 1)
        return bool(signed_answers(network, [network.members[3]], turns))

    await network.eventually(signs, "it signs again")
