"""The chain is reorganised under a network: after a round, and while signatures for the next one are out.

Real processes, real HTTP between them, real proofs, a real chain. A round that is taken back is made again, by the same
transaction or by the next holder. Nothing is written twice, and nobody is held to have lied who signed for both chains.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from oracle.app.local_network import FeedLayout, Layout, LocalNetwork
from oracle.app.local_network.judging import evidence_of, signed_answers
from oracle.chain.hub import RoundAccepted, RoundEvent
from oracle.core.types import Outcome
from oracle.feeds.journal import Entry
from tests import circuits
from tests.network.looking_back import PROVABLE
from tests.network.prices import price

pytestmark = [pytest.mark.slow, pytest.mark.attack]

TURN_S = 3
FAR = 1


@dataclass(frozen=True)
class Reorganised:
    """The course of it, from the chain and the members' journals.

    Attributes:
        kept: The round that was taken back while the nodes kept its transaction, and what has its place.
        forgotten: The same where all nodes forgot it.
        signed_for: The round for which signatures were out, and the one that the chain expected afterwards.
        report: How the report ended for which they were out, by its holder's journal.
        events: All rounds in the end.
        honest: The answers that members signed, by the turn of each round.
        accused: The lies of which any member accuses another.
    """

    kept: tuple[RoundEvent, RoundEvent]
    forgotten: tuple[RoundEvent, RoundEvent]
    signed_for: tuple[int, int]
    report: Entry
    events: Sequence[RoundEvent]
    honest: dict[int, list[int]]
    accused: Sequence[str]


@pytest.fixture(scope="module")
def reorganised(tmp_path_factory: pytest.TempPathFactory) -> Reorganised:
    return asyncio.run(play(tmp_path_factory.mktemp("reorg")))


async def play(folder: Path) -> Reorganised:
    layout = Layout(turn_s=TURN_S, request_timeout_s=2.0, feeds=(FeedLayout("one"),))
    async with LocalNetwork(layout, folder, circuits.artifacts(), prices=price, seed=41) as network:
        await network.start_all()
        await network.until_rounds(2)

        def forget() -> None:
            network.chain.rpc("anvil_dropAllTransactions")

        kept = await taken_back(network, lambda: None)
        forgotten = await taken_back(network, forget)

        # A holder has asked the others, who are far away; then the chain takes the round before back.
        for index in range(layout.members):
            if index != FAR:
                network.links[FAR, index].delay_s = 0.6
        last = await far_member_asks(network)
        before = (await network.hub.feed_state(network.deployment.feeds["one"].feed_id)).round_id
        await reorganise(network, last, forget)
        after = (await network.hub.feed_state(network.deployment.feeds["one"].feed_id)).round_id
        for link in network.links.values():
            link.delay_s = 0.0
        await network.until_rounds(4)

        events = await network.rounds()
        await network.stop_all()
        with network.members[FAR].journal() as journal:
            report = min(
                (each for each in journal.rows("one") if each.observed_at > last.observed_at),
                key=lambda each: each.observed_at,
            )
        turns = [event.observed_at // TURN_S for event in events]
        said = signed_answers(network, network.members, turns)
        return Reorganised(
            kept,
            forgotten,
            (before + 1, after + 1),
            report,
            events,
            {turn: sorted(answers) for (_, turn), answers in said.items()},
            [
                f"{each.name}: {case.kind}, {case.summary}"
                for each in network.members
                for case in evidence_of(each)
                if case.kind in PROVABLE
            ],
        )


async def far_member_asks(network: LocalNetwork) -> RoundEvent:
    """Wait until the far member waits for signatures, and return the round before."""
    while True:
        begun = len(network.members[FAR].events("due"))

        async def asks() -> bool:
            return len(network.members[FAR].events("due")) > begun  # noqa: B023

        await network.eventually(asks, "the far member collects")
        [*_, last] = await network.rounds()
        if network.turn(last.observed_at) < network.turn():  # else a busy machine was too late for it
            return last


async def reorganise(network: LocalNetwork, lost: RoundEvent, then: Callable[[], object]) -> None:
    """Take a round's block back, with all after it, and put empty ones in their place."""

    def blocks() -> None:
        latest = int(network.chain.rpc("eth_blockNumber"), 16)
        network.chain.rpc("anvil_reorg", latest - lost.block_number + 1, [])
        then()
        # Anvil sets its clock back with the blocks. A chain's other miners do not.
        network.chain.rpc("evm_setNextBlockTimestamp", int(time.time()))
        network.chain.rpc("evm_mine")

    await asyncio.to_thread(blocks)


async def taken_back(network: LocalNetwork, then: Callable[[], object]) -> tuple[RoundEvent, RoundEvent]:
    """Take back a round that was just made. Return it, and the round that has its place in the end."""
    [*_, lost] = await network.until_rounds(1)
    await reorganise(network, lost, then)

    async def there() -> RoundEvent | None:
        found = [each for each in await network.rounds() if each.round_id == lost.round_id]
        return found[0] if found else None

    made: RoundEvent = await network.eventually(there, f"round {lost.round_id} again")
    await network.until_rounds(1)
    return lost, made


def test_a_round_that_is_taken_back_is_made_again(reorganised: Reorganised) -> None:
    for lost, made in (reorganised.kept, reorganised.forgotten):
        assert made.round_id == lost.round_id
        assert made.observed_at >= lost.observed_at


def test_signatures_for_a_round_that_can_not_come_are_not_used(reorganised: Reorganised) -> None:
    signed, expected = reorganised.signed_for
    assert expected == signed - 1, "the reorganisation took the round before away"
    report = reorganised.report
    if report.outcome is Outcome.ACCEPTED:  # signed again in its turn, as of the same time
        assert (report.round_id, report.attempts) == (expected, 2)
    else:
        assert report.outcome is Outcome.SUPERSEDED, report


def test_every_round_is_written_once_and_in_order(reorganised: Reorganised) -> None:
    events = reorganised.events
    assert all(isinstance(event, RoundAccepted) for event in events)
    assert [event.round_id for event in events] == list(range(1, len(events) + 1))
    times = [event.observed_at for event in events]
    assert times == sorted(set(times))
    turns = [at // TURN_S for at in times]
    assert len(set(turns)) == len(turns)


def test_each_answer_lies_between_signed_ones(reorganised: Reorganised) -> None:
    for event in reorganised.events:
        said = reorganised.honest[event.observed_at // TURN_S]
        assert min(said) <= event.answer <= max(said)


def test_nobody_is_held_to_have_lied(reorganised: Reorganised) -> None:
    assert reorganised.accused == []
