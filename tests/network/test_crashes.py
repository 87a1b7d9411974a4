"""A transmitter dies at each stage of a report, in its turn: nothing is sent twice, and the network goes on.

It stops itself when the stage is in its journal, and is killed there: nothing can be flushed, and nobody is told. It
comes back after others have reported; or within its turn, and goes on with what it had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from oracle.app.local_network import FeedLayout, Layout, LocalNetwork
from oracle.core.types import Outcome
from oracle.feeds.journal import Entry
from tests import circuits
from tests.network.looking_back import assert_rounds_follow_each_other_once
from tests.network.prices import price

TURN_S = 2
LONG_TURN_S = 10
"""Seconds of a turn in which a process dies and comes back."""
STAGES = ("decided", "scored", "proven", "submitted")
DIES = 0


@dataclass(frozen=True)
class Death:
    """One death, and its consequences.

    Attributes:
        stage: The furthest stage that the journal had of the report, when it died.
        sent: How many transactions its account had sent in all, before it died and when its report had ended.
        ended: How its report ended, by the journal that it left.
        rounds: How many rounds others brought before it came back.
    """

    stage: str
    sent: tuple[int, int]
    ended: Entry
    rounds: int


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Death]:
    return asyncio.run(play(tmp_path_factory.mktemp("crashes")))


async def play(folder: Path) -> Mapping[str, Death]:
    layout = Layout(turn_s=TURN_S, transmitters=2, feeds=(FeedLayout("one"),))
    async with LocalNetwork(layout, folder, circuits.artifacts(), prices=price, seed=3) as network:
        await network.start_all(range(1, layout.members))
        found = {stage: await die(network, stage) for stage in STAGES}
        await network.start(DIES)
        since, address = network.turn(), network.members[DIES].place.address

        async def brings() -> bool:
            later = [each for each in await network.rounds() if each.observed_at // TURN_S >= since]
            return any(each.submitter == address for each in later)

        assert await network.eventually(brings, "who died four times brings a round again")
        events = await network.rounds()
        await network.stop_all()
        assert_rounds_follow_each_other_once(network, events)
        return found


async def die(network: LocalNetwork, stage: str) -> Death:
    """Let a transmitter die at a stage, and come back after another one has reported."""
    left, sent = await killed_at(network, stage)
    rounds = await network.until_rounds(1)
    await network.start(DIES)
    entry = await end_of(network, left)
    sent_then = await network.rpc.nonce(network.members[DIES].place.address)
    await network.stop(DIES)
    return Death(left.stage.name.lower(), (sent, sent_then), entry, len(rounds))


async def killed_at(network: LocalNetwork, stage: str) -> tuple[Entry, int]:
    """Start a transmitter, and kill it at a stage. Return what its journal has open, and what it had sent."""
    member = await network.start(DIES, pause_at=stage)
    process = psutil.Process(member.pid)

    async def has_stopped() -> bool:
        return process.status() == psutil.STATUS_STOPPED

    await network.eventually(has_stopped, f"{member.name} stops when its report is {stage}")
    sent = await network.rpc.nonce(member.place.address)
    await network.kill(DIES)
    [left] = open_reports(network)
    return left, sent


async def end_of(network: LocalNetwork, left: Entry) -> Entry:
    """Wait for the end of a report that was left open, and return it."""
    member = network.members[DIES]

    async def ended() -> Entry | None:
        with member.journal() as journal:
            found = [entry for entry in journal.rows() if entry.key == left.key and entry.outcome is not None]
        return found[0] if found else None

    return await network.eventually(ended, f"{left.key}, which was {left.stage.name.lower()}, ends")


def open_reports(network: LocalNetwork) -> Sequence[Entry]:
    with network.members[DIES].journal() as journal:
        return [entry for entry in journal.rows() if entry.outcome is None]


@pytest.mark.parametrize("stage", STAGES)
def test_the_network_goes_on_without_it(deaths: Mapping[str, Death], stage: str) -> None:
    death = deaths[stage]
    assert death.stage == {"decided": "observed"}.get(stage, stage), "it died where it should"
    assert death.rounds >= 1


@pytest.mark.parametrize("stage", ["decided", "scored", "proven"])
def test_what_was_not_signed_as_a_transaction_ends_and_is_never_sent(deaths: Mapping[str, Death], stage: str) -> None:
    death = deaths[stage]
    assert death.ended.outcome is not None and death.ended.outcome.value == "superseded"
    assert "turn" in death.ended.reason or "not before this one" in death.ended.reason
    assert death.sent[0] == death.sent[1], "nothing of an ended turn is sent"


def test_a_transaction_that_was_signed_is_followed_and_no_other_is_sent_for_it(deaths: Mapping[str, Death]) -> None:
    death = deaths["submitted"]
    assert death.sent[1] - death.sent[0] == 1, (
        "the one that was signed: another's report came first, it changes nothing"
    )
    assert death.ended.outcome is not None and death.ended.outcome.value == "superseded"


async def test_who_comes_back_within_its_turn_goes_on_with_what_it_had_and_sends_it_once(tmp_path: Path) -> None:
    layout = Layout(turn_s=LONG_TURN_S, transmitters=1, feeds=(FeedLayout("one"),))
    async with LocalNetwork(layout, tmp_path, circuits.artifacts(), prices=price, seed=4) as network:
        await network.start_all(range(1, layout.members))
        for stage in ("proven", "submitted"):
            for _ in range(4):
                left, sent = await killed_at(network, stage)
                turn = network.turn(left.observed_at)
                await network.start(DIES)
                entry = await end_of(network, left)
                if network.turn(entry.finished_at) == turn:
                    break
                await network.stop(DIES)  # a busy machine was too late, so this has tried something else
            assert network.turn(entry.finished_at) == turn, "it was in time"
            assert entry.outcome is Outcome.ACCEPTED, f"{stage}: {entry.reason}"
            # Its signer is silent for the rest of the turn, so there is nothing else that it could send.
            await network.until_turn(turn + 1)
            await network.stop(DIES)
            found = [each for each in await network.rounds() if network.turn(each.observed_at) >= turn]
            assert [each.observed_at for each in found if network.turn(each.observed_at) == turn] == [left.observed_at]
            assert await network.rpc.nonce(network.members[DIES].place.address) == sent + len(found)
        await network.stop_all()
        assert_rounds_follow_each_other_once(network, await network.rounds())
