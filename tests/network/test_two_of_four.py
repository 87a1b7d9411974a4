"""Two of four members fail at once, which is one more than a quorum of three bears: silent, and lying.

Real processes, real HTTP between them, real proofs, a real chain. Silent ones stop the feed until one of them returns.
Liars set the answer, as far as the spread and the gate let them. A single liar that transmits picks the highest honest
answer, and no other.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from oracle.app.local_network import FeedLayout, Layout, LocalNetwork, SourceTrouble
from oracle.app.local_network.judging import evidence_of, signed_answers
from oracle.app.local_network.ways import Way
from oracle.chain.hub import RoundAccepted, RoundEvent, RoundHeld
from oracle.network.evidence import FaultKind
from tests import circuits
from tests.network.looking_back import outcomes_of, signers, transmitter
from tests.network.prices import price

pytestmark = [pytest.mark.slow, pytest.mark.attack]

TURN_S = 2
HONEST, LIARS = (0, 1), (2, 3)
SPREAD = 0.01
LIE = 1.008
"""A lie of one member that the spread lets pass, with the noise of honest sources."""


@dataclass(frozen=True)
class Answered:
    """A round of one feed.

    Attributes:
        round: Its event.
        turn: The turn that it was observed in.
        by: The number of the member that brought it.
        signed: The numbers of those whose answers are in it.
        honest: The honest members' answers of that turn, ascending.
    """

    round: RoundEvent
    turn: int
    by: int
    signed: set[int]
    honest: Sequence[int]


@dataclass(frozen=True)
class Phases:
    """The rounds of each phase: of the feed `one`, whose spread is bounded, and of `wide`, whose is not.

    Attributes:
        silent: While two were silent; `known` says whom the others noted as silent then.
        returned: After one of them had returned.
        chosen: While one lied and transmitted the worst set.
        inside: While two lied by less than the spread.
        beyond: While two said ten times the value.
    """

    silent: Sequence[RoundEvent]
    known: set[str]
    silent_ones: set[str]
    returned: Sequence[RoundEvent]
    chosen: Sequence[Answered]
    inside: Sequence[Answered]
    beyond: Mapping[str, Sequence[Answered]]


@pytest.fixture(scope="module")
def phases(tmp_path_factory: pytest.TempPathFactory) -> Phases:
    return asyncio.run(play(tmp_path_factory.mktemp("two")))


async def play(folder: Path) -> Phases:
    feeds = (FeedLayout("one", max_spread=1_000), FeedLayout("wide", max_spread=0))
    layout = Layout(turn_s=TURN_S, feeds=feeds)
    async with LocalNetwork(layout, folder, circuits.artifacts(), prices=price, seed=22) as network:
        await network.start_all(faulty=LIARS)
        await network.until_rounds(2)

        # One is killed, and one hangs: its machine still takes connections.
        await network.kill(2)
        network.members[3].send_signal(signal.SIGSTOP)
        since = network.turn() + 1  # a report may be under way
        await network.until_turn(since + 3)
        silent = [each for each in await network.rounds() if each.observed_at // TURN_S >= since]
        network.members[3].send_signal(signal.SIGCONT)
        returned = await network.until_rounds(1, feed="one")
        await network.start(2, faulty=True)

        lie = SourceTrouble(factor=LIE)
        network.misbehave(3, {}, Way.WORSE_SET)
        network.prices.lies[network.members[3].name] = lambda feed, now: lie
        chosen = await until_brought_by(network, 3)

        for index in LIARS:
            network.misbehave(index, {}, Way.INSIDE_SPREAD)
        inside = await until_both_lie(network, "one", 3)

        for index in LIARS:
            network.misbehave(index, {}, Way.TIMES_TEN)
        beyond = await until_lie_accepted(network, "wide")
        await network.stop_all()
        return Phases(
            silent,
            {case.member for index in HONEST for case in evidence_of(network.members[index]) if case.turn >= since
             and case.kind is FaultKind.SILENCE and case.turn < since + 3},
            {network.members[index].place.address for index in LIARS},
            returned,
            await answered(network, "one", chosen, (0, 1, 2)),
            await answered(network, "one", inside, HONEST),
            {feed.name: await answered(network, feed.name, beyond, HONEST) for feed in feeds},
        )  # fmt: skip


async def until_both_lie(network: LocalNetwork, feed: str, rounds: int) -> Sequence[int]:
    """Let turns pass until so many rounds have both liars' answers, one of them brought by an honest member.

    What sources said before is not signed in these turns any more. On a busy machine, a liar may be too late.
    """
    first = network.turn() + 2

    async def there() -> Sequence[int] | None:
        found = [each for each in await network.rounds(feed) if each.observed_at // TURN_S >= first]
        both = [each for each in found if await signers(network, each) >= set(LIARS)]
        is_enough = len(both) >= rounds and any(transmitter(network, each) in HONEST for each in both)
        return [each.observed_at // TURN_S for each in both] if is_enough else None

    return await network.eventually(there, f"{rounds} rounds of {feed} with two lies")


async def until_lie_accepted(network: LocalNetwork, feed: str) -> Sequence[int]:
    """Let turns pass until a feed has an accepted round of many times the value, and return them."""
    first = network.turn() + 2
    [*_, before] = await network.rounds(feed)

    async def there() -> Sequence[int] | None:
        found = [each for each in await network.rounds(feed) if each.observed_at // TURN_S >= first]
        accepted = any(isinstance(each, RoundAccepted) and each.answer > 5 * before.answer for each in found)
        return range(first, network.turn() + 1) if accepted else None

    return await network.eventually(there, f"an accepted lie of {feed}")


async def until_brought_by(network: LocalNetwork, index: int) -> Sequence[int]:
    """Let turns pass until a member has brought a round in two of its own, with all answers to choose from."""
    first = network.turn() + 2
    others = [each for each in network.members if each.place.index != index]

    def all_answered(turn: int) -> bool:
        return all(outcomes_of(network.members[index], each, [turn])["answered"] for each in others)

    async def there() -> Sequence[int] | None:
        found = [each for each in await network.rounds("one") if each.observed_at // TURN_S >= first]
        mine = {each.observed_at // TURN_S for each in found if transmitter(network, each) == index}
        chosen = set(filter(all_answered, mine))
        others_turns = {each.observed_at // TURN_S for each in found} - mine
        return sorted(chosen | others_turns) if len(chosen) >= 2 else None

    return await network.eventually(there, "two rounds of the liar's turns")


async def answered(network: LocalNetwork, feed: str, turns: Sequence[int], honest: Sequence[int]) -> Sequence[Answered]:
    """Return the rounds of a feed that were observed in some turns."""
    said = signed_answers(network, [network.members[index] for index in honest], turns)
    feed_id = network.deployment.feeds[feed].feed_id
    return [
        Answered(
            event,
            event.observed_at // TURN_S,
            transmitter(network, event),
            await signers(network, event),
            sorted(said.get((feed_id, event.observed_at // TURN_S), [])),
        )
        for event in await network.rounds(feed)
        if event.observed_at // TURN_S in turns
    ]


# --- silent ----------------------------------------------------------------------------------------------------------


def test_without_a_quorum_nothing_is_written_and_it_is_known_who_is_silent(phases: Phases) -> None:
    assert phases.silent == []
    assert phases.known >= phases.silent_ones, "an honest one may be too late for a busy machine"


def test_when_one_of_them_returns_the_feed_goes_on(phases: Phases) -> None:
    assert phases.returned
    assert all(isinstance(event, RoundAccepted) for event in phases.returned)


# --- one liar, which is as many as the quorum bears -------------------------------------------------------------------


def test_a_liar_that_transmits_picks_the_highest_honest_answer_and_no_other(phases: Phases) -> None:
    """The bound of `docs/network.md`: f liars choose among the honest answers."""
    mine = [each for each in phases.chosen if each.by == 3]
    assert len(mine) >= 2
    for each in mine:
        assert len(each.signed) == 3 and 3 in each.signed, "the worst set is a quorum with its own lie"
        assert each.round.answer == max(each.honest)
    for each in phases.chosen:
        assert min(each.honest) <= each.round.answer <= max(each.honest)


# --- two liars, which are one more ------------------------------------------------------------------------------------


def test_the_answer_is_theirs_within_the_spread(phases: Phases) -> None:
    assert len(phases.inside) >= 3, "an honest transmitter can't help bringing it"
    assert {each.by for each in phases.inside} & set(HONEST)
    for each in phases.inside:
        assert isinstance(each.round, RoundAccepted)
        assert each.round.answer > max(each.honest)
        assert each.round.answer <= min(each.honest) * (1 + SPREAD)


def test_beyond_the_spread_there_is_no_round(phases: Phases) -> None:
    assert phases.beyond["one"] == []


def test_without_a_bound_on_the_spread_the_gate_holds_their_answer_until_time_confirms_it(phases: Phases) -> None:
    """A lie of a majority that lasts for `confirm_delay` is what a change of the whole market looks like."""
    first, *later = [each for each in phases.beyond["wide"] if each.round.answer > 5 * max(each.honest)]
    assert isinstance(first.round, RoundHeld)
    accepted = [each.round for each in later if isinstance(each.round, RoundAccepted)]
    assert accepted and accepted[0].observed_at - first.round.observed_at >= TURN_S
    assert accepted[0].confirmed, "the round says that the model called it anomalous"
