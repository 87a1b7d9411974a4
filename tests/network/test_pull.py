"""A pulled feed in a network of four: each holder keeps its turn's report, and somebody front-runs with an old one.

Real processes, real HTTP between them, real proofs, a real chain.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from oracle.app.local_network import FeedLayout, Layout, LocalNetwork
from oracle.app.local_network.judging import evidence_of, signed_answers
from oracle.chain.hub import RoundAccepted, RoundEvent
from oracle.core.types import Outcome
from oracle.network.evidence import FaultKind
from tests import circuits
from tests.transactions import mined

pytestmark = [pytest.mark.slow, pytest.mark.attack]

TURN_S = 2
FEED = FeedLayout("one", changes={"mode": "pull", "pull_interval": 1, "heartbeat": 3_600, "confirm_delay": 60})


@dataclass(frozen=True)
class Played:
    """The course of it, from the chain and the members' journals.

    Attributes:
        waiting: The rounds on the chain when several members had a report for the second one.
        oldest, newest: What two of them served then.
        next: What was served after that.
        events: All rounds in the end.
        honest: What the members signed in each turn of a round.
        kept: For each member the times of the reports that it kept.
        holders: The number of the member whose turn each of these times is in.
        accused: What any member holds against another.
    """

    waiting: int
    oldest: Mapping[str, Any]
    newest: Mapping[str, Any]
    next: Mapping[str, Any]
    events: Sequence[RoundEvent]
    honest: Mapping[int, Sequence[int]]
    kept: Mapping[int, Sequence[int]]
    holders: Mapping[int, int]
    accused: Sequence[str]


def price(feed: str, now: float) -> float:
    return 100.0 + 0.2 * math.sin(now / 3.0)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return asyncio.run(play(tmp_path_factory.mktemp("pull")))


async def play(folder: Path) -> Played:
    layout = Layout(turn_s=TURN_S, feeds=(FEED,), more='[updates]\nlisten = "127.0.0.1:0"\n')
    async with (
        LocalNetwork(layout, folder, circuits.artifacts(), prices=price, seed=39) as network,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
    ):
        await network.start_all()
        await network.until_rounds(1)

        async def served(round_id: int) -> dict[int, Mapping[str, Any]]:
            """Return the members' updates for a round, by their times."""
            found = [await update(network, session, index) for index in range(layout.members)]
            return {each["observedAt"]: each for each in found if each is not None and each["roundId"] == round_id}

        async def several() -> dict[int, Mapping[str, Any]] | None:
            found = await served(2)
            return found if len(found) >= 3 else None

        found = await network.eventually(several, "three members have a report for the second round")
        waiting = len(await network.rounds())
        oldest, newest = found[min(found)], found[max(found)]
        await bring(network, oldest)
        await bring(network, newest)

        async def later() -> Mapping[str, Any] | None:
            ready = await served(3)
            return ready[max(ready)] if ready else None

        following = await network.eventually(later, "a report for the third round")
        await bring(network, following)
        await network.until_turn(network.turn() + 4)
        events = await network.rounds()
        await network.stop_all()
        kept = {member.place.index: offered(network, member.place.index) for member in network.members}
        return Played(
            waiting,
            oldest,
            newest,
            following,
            events,
            {event.observed_at: honest(network, event) for event in events},
            kept,
            {at: network.holder(at // TURN_S) for times in kept.values() for at in times},
            [
                f"{member.name}: {case.kind}, {case.summary}"
                for member in network.members
                for case in evidence_of(member)
                if case.kind is not FaultKind.SILENCE  # they are stopped one after the other
            ],
        )


async def update(network: LocalNetwork, session: aiohttp.ClientSession, index: int) -> Mapping[str, Any] | None:
    """Return what a member serves; None if it has nothing."""
    [*_, serving] = network.members[index].events("serving updates")
    async with session.get(f"http://127.0.0.1:{serving['updates_port']}/v1/update/one") as answer:
        assert answer.status in (200, 204, 503), await answer.text()
        found: Mapping[str, Any] | None = await answer.json() if answer.status == 200 else None
        return found


async def bring(network: LocalNetwork, served: Mapping[str, Any]) -> None:
    """Bring an update with nobody's account. Its transaction succeeds, whether it writes something or not."""
    call = {"from": network.chain.accounts[-1].address, "to": served["hub"], "data": served["calldata"]}
    receipt = await asyncio.to_thread(mined, network.chain.rpc, {**call, "gas": hex(3_000_000)})
    assert receipt["status"] == "0x1"


def offered(network: LocalNetwork, index: int) -> Sequence[int]:
    with network.members[index].journal() as journal:
        return [entry.observed_at for entry in journal.rows() if entry.outcome is Outcome.OFFERED]


def honest(network: LocalNetwork, event: RoundEvent) -> Sequence[int]:
    turn = event.observed_at // TURN_S
    return signed_answers(network, network.members, [turn]).get((event.feed_id, turn), [])


def test_reports_are_kept_by_the_holders_and_not_sent(played: Played) -> None:
    assert played.waiting == 1, "only the first round is sent"
    assert sum(map(len, played.kept.values())) >= 3
    for index, times in played.kept.items():
        assert all(played.holders[at] == index for at in times)


def test_a_network_keeps_one_report_of_a_feed_in_a_turn(played: Played) -> None:
    turns = [at // TURN_S for times in played.kept.values() for at in times]
    assert len(set(turns)) == len(turns)


def test_front_running_with_an_old_report_makes_it_the_round_with_its_true_time(played: Played) -> None:
    first, second, third = played.events
    assert played.oldest["observedAt"] < played.newest["observedAt"]
    assert (second.round_id, second.observed_at) == (2, played.oldest["observedAt"])
    assert (third.round_id, third.observed_at) == (3, played.next["observedAt"])
    assert third.observed_at > played.newest["observedAt"], "the younger one of the second round is void"
    assert all(isinstance(event, RoundAccepted) for event in (first, second, third))


def test_each_answer_lies_between_answers_of_its_own_time(played: Played) -> None:
    for event in played.events:
        said = played.honest[event.observed_at]
        assert len(said) >= 3
        assert min(said) <= event.answer <= max(said)


def test_nobody_is_accused_because_nothing_was_sent(played: Played) -> None:
    assert played.accused == []
