"""A network of four is cut apart, 3|1 and 2|2, and grows together again: real processes behind links that lose all.

The chain is reached by everybody. So the side that has a quorum goes on, and no side without one writes anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
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
ALONE = 3
MANY = (0, 1, 2)


@dataclass(frozen=True)
class Phase:
    """The whole turns of a phase, and its rounds with their numbers of transmitter and signers."""

    turns: range
    rounds: Sequence[tuple[int, set[int]]]


@dataclass(frozen=True)
class Parted:
    """Everything that came of it.

    Attributes:
        accused: Of each member, whom it accuses of what: the kinds of evidence that prove themselves.
        silent: How often one of the many noted that the one who was cut off was silent, while it was.
        silent_many: The reverse.
    """

    one_alone: Phase
    healed: Phase
    in_halves: Phase
    healed_again: Phase
    accused: Sequence[tuple[int, str, FaultKind]]
    silent: int
    silent_many: int


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Parted:
    return asyncio.run(play(tmp_path_factory.mktemp("partitions")))


async def play(folder: Path) -> Parted:
    layout = Layout(turn_s=TURN_S, feeds=(FeedLayout("one"),))
    async with LocalNetwork(layout, folder, circuits.artifacts(), prices=price, seed=31) as network:
        await network.start_all()
        await network.until_rounds(1)
        network.split(MANY, [ALONE])
        one_alone = await phase(network, 4, silence_is_noted)
        network.heal()
        healed = await until_brought_by(network, ALONE)
        network.split([0, 1], [2, 3])
        in_halves = await phase(network, 2)
        network.heal()
        healed_again = await until_brought_by(network, 0, 3)
        events = await network.rounds()
        await network.stop_all()
        assert_rounds_follow_each_other_once(network, events)
        members = network.members
        many, alone = silences(network, one_alone.turns)
        return Parted(
            one_alone,
            healed,
            in_halves,
            healed_again,
            [
                (member.place.index, case.member, case.kind)
                for member in members
                for case in evidence_of(member)
                if case.kind in PROVABLE
            ],
            many,
            alone,
        )


def silences(network: LocalNetwork, turns: range) -> tuple[int, int]:
    """Return how often one of the many noted that the one who is alone was silent, and the reverse."""
    members = network.members
    return (
        sum(outcomes_of(members[one], members[ALONE], turns)["silent"] for one in MANY),
        sum(outcomes_of(members[ALONE], members[one], turns)["silent"] for one in MANY),
    )


def silence_is_noted(network: LocalNetwork, found: Phase) -> bool:
    """Return whether both sides have noted the other one's silence, and the many have brought rounds."""
    many, alone = silences(network, found.turns)
    return len(found.rounds) >= 2 and many >= 2 and alone >= 1


async def phase(
    network: LocalNetwork, turns: int, holds: Callable[[LocalNetwork, Phase], bool] = lambda network, found: True
) -> Phase:
    """Let so many whole turns pass, on a busy machine more until something holds, and return what came of them."""
    first = network.turn() + 1
    await network.until_turn(first + turns)

    async def there() -> Phase | None:
        found = await seen(network, range(first, network.turn()))
        return found if holds(network, found) else None

    return await network.eventually(there, "the end of a phase")


async def until_brought_by(network: LocalNetwork, *indices: int) -> Phase:
    """Wait until each of these members has brought a round, and return what came since now."""
    first = network.turn() + 1

    async def there() -> Phase | None:
        found = await seen(network, range(first, network.turn() + 1))
        return found if {index for index, _ in found.rounds} >= set(indices) else None

    return await network.eventually(there, f"members {indices} bring rounds")


async def seen(network: LocalNetwork, turns: range) -> Phase:
    return Phase(turns, await brought(network, await rounds_of(network, turns)))


def test_the_side_with_a_quorum_goes_on_without_the_one_who_is_cut_off(parted: Parted) -> None:
    rounds = parted.one_alone.rounds
    assert len(rounds) >= 2, "three of four turns are theirs"
    assert all(who in MANY and signed == set(MANY) for who, signed in rounds)


def test_who_is_cut_off_is_known_as_silent_and_knows_only_silence(parted: Parted) -> None:
    assert parted.silent >= 2
    assert parted.silent_many >= 1


def test_who_was_cut_off_signs_and_brings_again_once_it_is_healed(parted: Parted) -> None:
    assert any(who == ALONE for who, _ in parted.healed.rounds)
    assert any(ALONE in signed and who != ALONE for who, signed in (*parted.healed.rounds, *parted.healed_again.rounds))


def test_of_two_halves_neither_writes_anything(parted: Parted) -> None:
    assert parted.in_halves.rounds == []


def test_halves_go_on_together_once_they_are_healed(parted: Parted) -> None:
    assert {who for who, _ in parted.healed_again.rounds} >= {0, 3}
    assert all(len(signed) >= 3 for _, signed in parted.healed_again.rounds)


def test_a_partition_makes_nobody_a_liar(parted: Parted) -> None:
    """A message that was sent before the cut arrives late, after the healing; that is no fault of its sender."""
    assert parted.accused == []
