"""One of four members is faulty in each way in turn: real processes, real HTTP, real proofs, a real chain.

After each turn: the feed has exactly one round, its answer lies between answers that honest members signed, and the
honest members know who it was.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from oracle.app.local_network import Layout, LocalNetwork
from oracle.app.local_network.judging import evidence_of, signed_answers
from oracle.app.local_network.ways import WAYS, Way, planned
from oracle.chain.hub import RoundAccepted, RoundEvent
from oracle.network.casebook import Case
from oracle.network.evidence import FaultKind
from tests import circuits
from tests.network.looking_back import outcomes_of
from tests.network.prices import price

FAULTY = 3
TURN_S = 2

EVIDENCE: Mapping[Way, frozenset[FaultKind]] = {
    Way.SILENT: frozenset({FaultKind.SILENCE}),
    Way.GARBAGE: frozenset({FaultKind.SILENCE}),
    Way.HUGE: frozenset({FaultKind.SILENCE}),
    Way.SLOW_LORIS: frozenset({FaultKind.SILENCE}),
    Way.TWO_ANSWERS: frozenset({FaultKind.CONTRADICTION}),
    Way.OTHER_ROUND: frozenset({FaultKind.FOREIGN}),
    Way.OTHER_FEED: frozenset({FaultKind.FOREIGN}),
    Way.OTHER_HUB: frozenset({FaultKind.INVALID_SIGNATURE}),
    Way.OTHER_CHAIN: frozenset({FaultKind.INVALID_SIGNATURE}),
    Way.OLD_TIME: frozenset({FaultKind.FOREIGN}),
    Way.FUTURE_TIME: frozenset({FaultKind.FOREIGN}),
    Way.TIMES_TEN: frozenset({FaultKind.BEYOND_SPREAD}),
    Way.TENTH: frozenset({FaultKind.BEYOND_SPREAD}),
    Way.LIES_TO_ONE: frozenset({FaultKind.CONTRADICTION}),
    Way.FLOODS: frozenset({FaultKind.BAD_REQUEST}),
    Way.CLOCK_OFF: frozenset({FaultKind.REFUSAL}),
    Way.WITHHOLDS: frozenset({FaultKind.WITHHELD}),
    Way.WORSE_SET: frozenset({FaultKind.LEFT_OUT}),
}
"""The evidence that honest members keep of a turn. The other ways break no rule that anybody could prove."""

OUTCOMES: Mapping[Way, frozenset[str]] = {
    Way.SLOW: frozenset({"late", "silent"}),
    Way.SOME_MEMBERS: frozenset({"refused:unavailable"}),
}
"""The note on how a member has answered, where there is no evidence."""


@dataclass(frozen=True)
class Played:
    """The turns that were played, as the chain and the honest members' journals have it."""

    plan: Mapping[int, Way]
    events: Sequence[RoundEvent]
    honest: Mapping[int, Sequence[int]]
    cases: Sequence[Case]
    outcomes: Mapping[int, Collection[str]]
    faulty: str

    def turns(self, way: Way) -> list[int]:
        return [turn for turn, each in self.plan.items() if each is way]

    def of(self, turn: int) -> list[RoundEvent]:
        return [event for event in self.events if event.observed_at // TURN_S == turn]

    def kinds(self, way: Way) -> set[FaultKind]:
        """Return of what the others have evidence that is from turns of a way."""
        turns = self.turns(way)
        return {case.kind for case in self.cases if case.member == self.faulty and case.turn in turns}

    def is_known(self, way: Way) -> bool:
        """Return whether the others know who was faulty in a way."""
        noted = {outcome for turn in self.turns(way) for outcome in self.outcomes[turn]}
        return self.kinds(way) >= EVIDENCE.get(way, frozenset()) and (
            way not in OUTCOMES or bool(noted & OUTCOMES[way])
        )

    def costs_a_turn_at_most(self, way: Way) -> bool:
        """Return whether there was a round in a turn of a way or in the next, each time or, on a busy machine, once."""
        return any(self.of(turn) or self.of(turn + 1) for turn in self.turns(way))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return asyncio.run(play(tmp_path_factory.mktemp("network")))


async def play(folder: Path) -> Played:
    layout = Layout(turn_s=TURN_S)
    async with LocalNetwork(layout, folder, circuits.artifacts(), prices=price, seed=16) as network:
        await network.start_all(faulty=[FAULTY])
        await network.until_rounds(4)
        ways = list(Way)
        # It answers one of the three who can ask: in two turns in a row, one asks whom it does not answer.
        ways.insert(ways.index(Way.SOME_MEMBERS), Way.SOME_MEMBERS)
        plan: dict[int, Way] = {}
        for _ in range(4):
            plan |= await play_ways(network, ways)
            found = read_back(network, plan, await network.rounds())
            # In a turn that a busy machine has missed nobody was asked, so nobody can know anything: again.
            ways = [way for way in Way if not (found.is_known(way) and found.costs_a_turn_at_most(way))]
            if not ways:
                break
        await network.stop_all()
        return found


async def play_ways(network: LocalNetwork, ways: Sequence[Way]) -> Mapping[int, Way]:
    """Let a member be faulty in one way after the other, and return in which turns it was."""
    first = network.turn() + 2
    own = sum(WAYS[way].in_own_turn for way in ways)
    count = max(math.ceil((len(ways) - own) * 4 / 3) + 4, 4 * own)
    turns = range(first, first + count)
    plan = planned(turns, [network.holder(turn) == FAULTY for turn in turns], ways)
    network.misbehave(FAULTY, plan)
    # What was withheld is known when the turn after is over.
    await network.until_turn(turns[-1] + 3)
    return plan


def read_back(network: LocalNetwork, plan: Mapping[int, Way], events: Sequence[RoundEvent]) -> Played:
    feed_id = network.deployment.feeds["one"].feed_id
    faulty = network.members[FAULTY]
    honest = [member for member in network.members if member is not faulty]
    said = signed_answers(network, honest, plan)
    signed = {turn: said.get((feed_id, turn), []) for turn in plan}
    cases = [case for member in honest for case in evidence_of(member)]
    outcomes = {turn: {each for member in honest for each in outcomes_of(member, faulty, [turn])} for turn in plan}
    return Played(plan, events, signed, cases, outcomes, faulty.place.address)


@pytest.mark.slow
@pytest.mark.attack
@pytest.mark.parametrize("way", list(Way))
class TestOneOfFour:
    def test_the_answer_lies_between_honest_ones(self, played: Played, way: Way) -> None:
        assert played.turns(way), "it was not played"
        for turn in played.turns(way):
            for event in played.of(turn):
                assert isinstance(event, RoundAccepted)
                assert min(played.honest[turn]) <= event.answer <= max(played.honest[turn])

    def test_the_feed_goes_on(self, played: Played, way: Way) -> None:
        assert played.costs_a_turn_at_most(way)
        for turn in played.turns(way):
            assert len(played.of(turn)) <= (0 if way is Way.WITHHOLDS else 1)

    def test_the_others_know_who_it_was(self, played: Played, way: Way) -> None:
        assert played.is_known(way), (played.kinds(way), [played.outcomes[turn] for turn in played.turns(way)])


@pytest.mark.slow
@pytest.mark.attack
def test_nobody_else_is_accused(played: Played) -> None:
    # A machine that is too busy to answer or to send in time is silent, or withholds: it is no accusation of a lie.
    others = [
        case
        for case in played.cases
        if case.member != played.faulty
        and case.turn in played.plan
        and case.kind not in (FaultKind.SILENCE, FaultKind.WITHHELD)
    ]
    assert not others, [(case.kind, case.turn, played.plan.get(case.turn), case.summary) for case in others]


@pytest.mark.slow
@pytest.mark.attack
def test_rounds_follow_each_other_once(played: Played) -> None:
    rounds = [event.round_id for event in played.events if isinstance(event, RoundAccepted)]
    assert rounds == list(range(1, len(rounds) + 1))
    per_turn = Counter(event.observed_at // TURN_S for event in played.events)
    assert max(per_turn.values()) == 1
    # Only a turn of its own can a faulty member take from the others. A busy machine may lose some more.
    others = [turn for turn, way in played.plan.items() if not WAYS[way].in_own_turn]
    assert sum(per_turn[turn] for turn in others) >= len(others) * 3 // 4
