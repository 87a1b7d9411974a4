"""Members whose clocks are half a minute off: they take no part, harm nobody, and take part again once they are right.

With one such member of four there are rounds in the turns of the others. With two, one late and one early, there is no
quorum of members who agree on the time, and nothing is written.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from oracle.app.local_network import FeedLayout, Layout, LocalNetwork
from oracle.app.local_network.judging import evidence_of
from oracle.network.evidence import FaultKind
from tests import circuits
from tests.network.looking_back import PROVABLE, assert_rounds_follow_each_other_once, brought, outcomes_of, rounds_of
from tests.network.prices import price

pytestmark = [pytest.mark.slow, pytest.mark.attack]

TURN_S = 2
OFF_S = 30.0
RIGHT = (0, 1)
LATE, EARLY = 3, 2


@dataclass(frozen=True)
class Clocked:
    """The rounds of some turns.

    Attributes:
        rounds: Transmitter and signers of each.
        times: The times that were signed, against those of the blocks.
        asked: How those whose clocks are right noted that the one who is off answered.
    """

    turns: range
    rounds: Sequence[tuple[int, set[int]]]
    times: Sequence[tuple[int, int]]
    asked: Counter[str]


@dataclass(frozen=True)
class Played:
    """Everything that came of it."""

    late: Clocked
    right_again: Clocked
    early: Clocked
    both: Clocked
    after: Clocked
    accused: Mapping[int, Counter[FaultKind]]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return asyncio.run(play(tmp_path_factory.mktemp("clocks")))


async def play(folder: Path) -> Played:
    layout = Layout(turn_s=TURN_S, feeds=(FeedLayout("one"),))
    async with LocalNetwork(layout, folder, circuits.artifacts(), prices=price, seed=30) as network:
        for index in (*RIGHT, EARLY):
            await network.start(index, ready=False)
        await network.start(LATE, clock_offset=-OFF_S)
        await network.until_rounds(1)
        late = await during(network, 4, LATE, rounds=2)
        await restart(network, LATE, 0.0)
        right_again = await until_brought_by(network, LATE)
        await restart(network, EARLY, OFF_S)
        early = await during(network, 4, EARLY, rounds=2)
        await restart(network, LATE, -OFF_S)
        both = await during(network, 2, LATE)
        await restart(network, LATE, 0.0)
        after = await until_brought_by(network, LATE)
        events = await network.rounds()
        await network.stop_all()
        assert_rounds_follow_each_other_once(network, events)
        addresses = {member.place.address: member.place.index for member in network.members}
        accused: dict[int, Counter[FaultKind]] = {index: Counter() for index in addresses.values()}
        for index in RIGHT:
            for case in evidence_of(network.members[index]):
                accused[addresses[case.member]][case.kind] += 1
        return Played(late, right_again, early, both, after, accused)


async def during(network: LocalNetwork, turns: int, off: int, rounds: int = 0) -> Clocked:
    """Let so many whole turns pass, on a busy machine more until so many rounds have come, and return all of it."""
    first = network.turn() + 1
    await network.until_turn(first + turns)

    async def there() -> Clocked | None:
        found = await seen(network, range(first, network.turn()), off)
        is_asked = any(outcome.startswith("refused:") for outcome in found.asked)
        return found if len(found.rounds) >= rounds and (is_asked or not rounds) else None

    return await network.eventually(there, f"{rounds} rounds")


async def restart(network: LocalNetwork, index: int, offset: float) -> None:
    """Restart a member with another clock."""
    await network.stop(index)
    await network.start(index, clock_offset=offset)


async def until_brought_by(network: LocalNetwork, index: int) -> Clocked:
    """Wait until a member has brought a round, and return what came since now."""
    first = network.turn() + 1

    async def there() -> Clocked | None:
        found = await seen(network, range(first, network.turn() + 1), index)
        return found if any(who == index for who, _ in found.rounds) else None

    return await network.eventually(there, f"a round by member {index}")


async def seen(network: LocalNetwork, turns: range, off: int) -> Clocked:
    events = await rounds_of(network, turns)
    blocks = [await network.rpc.block(event.block_number) for event in events]
    asked = [outcomes_of(network.members[index], network.members[off], turns) for index in RIGHT]
    return Clocked(
        turns,
        await brought(network, events),
        [(event.observed_at, block.timestamp) for event, block in zip(events, blocks, strict=True)],
        sum(asked, Counter()),
    )


@pytest.mark.parametrize("which", ["late", "early"])
def test_a_member_whose_clock_is_off_takes_no_part_and_stops_nobody(played: Played, which: str) -> None:
    off, found = (LATE, played.late) if which == "late" else (EARLY, played.early)
    assert len(found.rounds) >= 2, "three of four turns are the others'"
    assert all(who != off and off not in signed for who, signed in found.rounds)
    assert len(found.turns) > len(found.rounds), "its own turn was lost"


@pytest.mark.parametrize("which", ["late", "early"])
def test_the_others_know_that_it_refuses(played: Played, which: str) -> None:
    found = played.late if which == "late" else played.early
    refusals = {outcome for outcome in found.asked if outcome.startswith("refused:")}
    assert refusals and refusals <= {"refused:not_your_turn", "refused:not_now"}, found.asked
    assert not found.asked["answered"] and not found.asked["late"]


def test_once_its_clock_is_right_it_takes_part_again(played: Played) -> None:
    assert any(who == LATE for who, _ in played.right_again.rounds)


def test_with_two_clocks_off_nothing_is_written(played: Played) -> None:
    assert played.both.rounds == []


def test_with_one_of_the_two_right_again_there_are_rounds_again(played: Played) -> None:
    assert all(EARLY not in signed for _, signed in played.after.rounds)
    assert played.after.rounds


def test_no_time_is_signed_that_is_not_the_present(played: Played) -> None:
    times = [each for phase in (played.late, played.right_again, played.early, played.after) for each in phase.times]
    assert times
    assert all(-2 <= block - signed <= 2 * TURN_S for signed, block in times), times


def test_nobody_is_called_a_liar_for_a_clock(played: Played) -> None:
    assert not any(kind in PROVABLE for kinds in played.accused.values() for kind in kinds), played.accused
