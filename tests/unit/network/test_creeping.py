"""A member that lies in one direction for ever, just inside the spread: how far it moves the answers that are brought.

The real collecting plays turn after turn. The liar knows all honest answers before it gives its own, and gives the
furthest that is not left out.
"""

from __future__ import annotations

import random
from statistics import mean

import pytest

from tests.unit.network.node import FIRST_TURN
from tests.unit.network.signed import FEEDS, MEMBERS, TURNS, report
from tests.unit.network.test_collecting import ME, OTHERS, Collecting, Own, says, signers

ROUNDS = 100
LIAR = OTHERS[2]
START, STEP, NOISE = 10**8, 200_000, 50_000
SPREAD = 0.1
"""The spread of the feed, as a share of the lowest answer: see `Terms`."""


def furthest(honest: list[int], direction: int) -> int:
    """Return the answer that is as far from the honest ones as the spread lets it be, in one direction."""
    return int(min(honest) * (1 + SPREAD * 0.99)) if direction > 0 else int(max(honest) / (1 + SPREAD * 0.99))


async def play(direction: int) -> list[tuple[list[int], int, bool]]:
    """Play turns of the first member, and return of each the honest answers, the median, and whether the lie is in."""
    chance, price = random.Random(16), START
    found: list[tuple[list[int], int, bool]] = []
    holder = Collecting()
    for number in range(ROUNDS):
        # Each member's answer is from its own sources: what was reported before is in none of them.
        price += chance.randint(-STEP, STEP)
        honest = [price + chance.randint(-NOISE, NOISE) for _ in range(3)]
        lie = furthest(honest, direction)
        now = TURNS.begin(FIRST_TURN + number * len(MEMBERS)) + 10
        holder.clock.now = now
        holder.signers._own = Own(says(ME, honest[0]))
        for member, given in zip(OTHERS, (*honest[1:], lie), strict=True):
            holder.let(member, given)
        signed = await holder.collected(report(now, FEEDS[:1], (number + 1,)))
        found.append((sorted(honest), signed.median(0), LIAR in signers(signed)))
    assert holder.evidence.faults == [], "nobody could prove anything: it is inside the spread"
    return found


@pytest.mark.attack
@pytest.mark.parametrize("direction", [1, -1], ids=["up", "down"])
async def test_a_lie_inside_the_spread_moves_the_answer_to_another_honest_one_and_no_further(direction: int) -> None:
    played = await play(direction)
    assert all(lie_is_in for *_, lie_is_in in played), "it is never left out, so its lie counts each time"
    for honest, median, _ in played:
        # One rank at most. Of four answers the upper of the middle two counts, so a lie below moves nothing.
        assert median == (honest[2] if direction > 0 else honest[1])
    moves = [median - honest[1] for honest, median, _ in played]
    tenth = ROUNDS // 10
    assert max(map(abs, moves)) <= 2 * NOISE
    assert abs(mean(moves[-tenth:]) - mean(moves[:tenth])) < NOISE, "it does not add up"
