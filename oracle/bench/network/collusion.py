"""The distance by which liars who work together move a network's answer, computed and played through.

The liars know all honest answers before they give theirs, and give values at the end of what the feed's spread allows.
In a turn of theirs they also choose whose answers they bring. Honest answers are the price and noise of their own; all
distances are in standard deviations of that noise, so the figures hold for any feed.

What is expected follows from order statistics. What is observed is a seeded simulation that tries, in each round, every
set that a transmitter may bring: as many answers as it likes from the quorum on, with as many lies as it likes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from oracle.bench.network.sizes import SIZES, NetworkSize

__all__ = ["SPREAD", "Shift", "collusion", "expected_rank", "played"]

Answers = npt.NDArray[np.float64]

ROUNDS = 20_000
"""Rounds of a game: each member transmits hundreds of them."""

SPREAD = 8.0
"""The feed's largest spread between answers, in standard deviations of the honest ones."""

PRICE_STEP = 3.0
"""Standard deviation of the price's move from a round to the next."""


@dataclass(frozen=True, slots=True)
class Shift:
    """The move of a network's answer by liars, in standard deviations of the honest answers.

    Attributes:
        liars_transmit: Mean in the liars' turns.
        all_answer: Mean in honest turns in which all members answer in time.
        quorum_answers: Mean in honest turns in which the liars and the fewest honest members answer in time.
        all_turns: Mean over all turns, those of the liars included, in which all members answer.
        worst: The largest in any round.
    """

    liars_transmit: float
    all_answer: float
    quorum_answers: float
    all_turns: float
    worst: float = math.nan


def collusion(seed: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """Return what is expected and observed for all sizes, up and down, and for one liar more than a size bears."""
    found: dict[str, Any] = {
        "seed": seed,
        "rounds": rounds,
        "spread": SPREAD,
        "sizes": [_report(size, size.faulty, rounds, seed) for size in SIZES],
    }
    found["too_many"] = [_report(size, size.faulty + 1, rounds, seed) for size in SIZES]
    return found


def _report(size: NetworkSize, liars: int, rounds: int, seed: int) -> dict[str, Any]:
    up = played(size, liars, rounds, seed)
    down = played(size, liars, rounds, seed, up=False)
    heavy = played(size, liars, rounds, seed, heavy=True)
    return {
        "members": size.members,
        "quorum": size.quorum,
        "faulty": size.faulty,
        "liars": liars,
        "nobody_lies": round(expected_rank(size.members, size.members // 2), 3) + 0.0,
        "expected": None if liars > size.faulty else _rounded(expected(size)),
        "up": _rounded(up.shift),
        "down": _rounded(down.shift),
        "heavy_tails_up": _rounded(heavy.shift),
        "outside": up.outside + down.outside + heavy.outside,
        "games": 3 * 3 * rounds,
        "first_tenth": round(up.first_tenth, 3),
        "last_tenth": round(up.last_tenth, 3),
    }


def expected(size: NetworkSize) -> Shift:
    """Return the move that follows from order statistics, upwards, with normal noise and as many liars as are borne.

    Lies are above everything. Of k answers the hub takes the one with k // 2 below it, so the answer is the honest one
    with (k - 1 - k // 2) - f honest ones above it.
    """
    honest, liars = size.honest, size.faulty

    def above(answers: int) -> int:
        return answers - 1 - answers // 2 - liars

    # In its turn a liar brings the highest answers of the honest: as many as make the highest honest one the median.
    chosen = expected_rank(honest, honest - 1 - min(above(k) for k in range(size.quorum, size.members + 1)))
    everyone = expected_rank(honest, honest - 1 - above(size.members))
    few = size.quorum - liars
    quorum = expected_rank(few, few - 1 - above(size.quorum))
    mean = (liars * chosen + honest * everyone) / size.members
    return Shift(chosen, everyone, quorum, mean)


def expected_rank(count: int, rank: int) -> float:
    """Return the mean of one of some standard normal values.

    Args:
        count: The number of values.
        rank: How many of the others are below it.
    """
    x = np.linspace(-9.0, 9.0, 20_001)
    below = np.array([0.5 * math.erfc(-each / math.sqrt(2)) for each in x])
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    ways = math.comb(count - 1, rank) * count
    weight = ways * below**rank * (1 - below) ** (count - 1 - rank) * density
    return float(np.trapezoid(x * weight, x))


@dataclass(frozen=True, slots=True)
class Game:
    """The outcome of a game.

    Attributes:
        shift: How far the liars moved the answer, in their direction.
        outside: Rounds whose answer was not between two honest answers.
        first_tenth: Mean move in the first tenth of the rounds, over all turns.
        last_tenth: The same in the last tenth: if it is larger, moves add up.
    """

    shift: Shift
    outside: int
    first_tenth: float
    last_tenth: float


def played(size: NetworkSize, liars: int, rounds: int, seed: int, *, up: bool = True, heavy: bool = False) -> Game:
    """Play a game, in which the liars push in one direction in every round.

    Args:
        size: The network.
        liars: Members that lie.
        rounds: How many rounds.
        seed: The seed of price and noise.
        up: True if they push upwards.
        heavy: True for noise with heavy tails: Student's t with 3 degrees of freedom, with the same deviation.
    """
    random = np.random.default_rng([seed, size.members, liars, up, heavy])
    honest = size.members - liars
    price = 1e4 + np.cumsum(random.normal(0.0, PRICE_STEP, rounds))
    noise = random.standard_t(3, (rounds, honest)) / math.sqrt(3) if heavy else random.normal(size=(rounds, honest))
    answers = price[:, None] + noise
    ordered = np.sort(answers, axis=1)
    choices = [
        _brought(_taken(ordered, count - lies, up=up), lies, up=up)
        for count in range(size.quorum, size.members + 1)
        for lies in range(min(liars, count) + 1)
        if 0 < count - lies <= honest
    ]
    sign = 1 if up else -1
    chosen = np.max([sign * each for each in choices], axis=0) * sign
    everyone = _brought(ordered, liars, up=up)
    # The order in which honest members answer has nothing to do with what they answer.
    few = _brought(np.sort(answers[:, : size.quorum - liars], axis=1), liars, up=up)
    turn = np.arange(rounds) % size.members
    written = np.where(turn < liars, chosen, everyone)
    moved = sign * (written - price)
    worst = max(float(np.max(sign * (each - price))) for each in (chosen, everyone, few))
    lowest, highest = ordered[:, 0] - 1e-9, ordered[:, -1] + 1e-9
    outside = sum(int(np.sum((each < lowest) | (each > highest))) for each in (chosen, everyone, few))
    tenth = rounds // 10
    transmit, answer, quorum = (float(np.mean(sign * (each - price))) for each in (chosen, everyone, few))
    shift = Shift(transmit, answer, quorum, float(np.mean(moved)), worst)
    return Game(shift, outside, float(np.mean(moved[:tenth])), float(np.mean(moved[-tenth:])))


def _taken(ordered: Answers, count: int, *, up: bool) -> Answers:
    """Return the answers that a liar brings: of those that are there, the ones in its direction."""
    return ordered[:, -count:] if up else ordered[:, :count]


def _brought(honest: Answers, lies: int, *, up: bool) -> Answers:
    """Return the answer that the hub takes of honest ones, ascending, and of lies as far away as the spread allows."""
    # A lie that makes the spread too wide would be left out, or the whole report refused.
    lie = np.maximum(honest[:, -1], honest[:, 0] + SPREAD) if up else np.minimum(honest[:, 0], honest[:, -1] - SPREAD)
    all_answers = np.sort(np.concatenate([honest, np.repeat(lie[:, None], lies, axis=1)], axis=1), axis=1)
    found: Answers = all_answers[:, all_answers.shape[1] // 2]
    return found


def _rounded(shift: Shift) -> Mapping[str, float]:
    return {name: round(value, 3) for name, value in asdict(shift).items() if not math.isnan(value)}
