"""Measure what a hidden model hides from somebody who has the code, public data, and all that a hub publishes.

    .venv/bin/python -m docs.experiments.secrecy            # a minute
    .venv/bin/python -m docs.experiments.secrecy --thorough # the figures of docs/privacy.md

The model is one of the type `peers`: the S&P 500 beside the NASDAQ, as the package `arch` carries them, trained on the
first half. A *room* is the largest rise that passes in a window, other things as they were. A liar wants to stay just
inside it, and he does not know it. He trains a model of his own, with the same code and his own choices, and walks at a
share of its room.

Two questions are asked:

- *Training again*: how far is the true room from the one that he computes, and how often is he held, if the operator
  hides nothing, or `vary`, the budget, the split, the data, or all of them?
- *Watching*: of the models that he could train, which agree with all verdicts that he has seen? How far are their
  rooms from the true one? He sees the model's probe, its shadow period, honest rounds, their holds alone, a card, or
  what becomes of lies that he tries himself.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from oracle.core.encoding import CLIP, Feature, calm_window
from oracle.detectors.interface import Disclosure, Lesson, LessonSeries
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.trainers.peers import Peers
from oracle.detectors.trainers.windows import cut
from oracle.detectors.training.default_model import HEARTBEAT, recorded
from oracle.detectors.training.reports import FEATURES, ReportedPeer, Reports, Terms, sigma_of, windows
from oracle.sources.packaged.series import load_series

Floats = NDArray[np.float64]
Windows = NDArray[np.int64]

WALKS = (0.7, 0.8, 0.9, 0.95)
"""Shares of the room that the liar believes in, at which he walks."""

SPIKE = 0.03
"""The rise, relative, whose recall says what hiding costs."""

LIES = (5, 10, 20)
"""How many lies a liar tries."""

BUDGETS = (8, 32)
"""The least and the largest budget, per 10,000, that an operator may have chosen."""

SPLITS = (0.5, 0.9)
"""The same of the share of the history that coefficients are fitted to."""

DEFAULT_BUDGET, DEFAULT_SPLIT = 16.0, 0.75


@dataclass(frozen=True)
class Choices:
    """What an operator decides before training.

    Attributes:
        vary: See `Peers`.
        salt: The salt, from which `vary` draws.
        budget: False holds of 10,000.
        split: Share of the history that coefficients are fitted to.
        history: First and last place of the history, as shares of the training half.
    """

    vary: float = 0.0
    salt: bytes = bytes(16)
    budget: float = DEFAULT_BUDGET
    split: float = DEFAULT_SPLIT
    history: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Market:
    """The windows of a feed with one peer.

    Attributes:
        learnt: Those of the training half.
        judged: Those of the other half.
        sigma: The feed's, in ppm.
    """

    learnt: list[tuple[int, ...]]
    judged: list[tuple[int, ...]]
    sigma: int


def market() -> Market:
    """Return the S&P 500 beside the NASDAQ."""
    own, peer = (
        recorded((reading.value, reading.observed_at) for reading in load_series(name)) for name in ("sp500", "nasdaq")
    )
    known = dict(zip(peer.times, peer.answers, strict=True))
    kept = [at for at, time in enumerate(own.times) if time in known]
    times = tuple(own.times[at] for at in kept)
    aligned = Reports(own.kind, own.decimals, times, tuple(own.answers[at] for at in kept))
    half = len(aligned) // 2
    sigma, peer_sigma = sigma_of(aligned, half, HEARTBEAT), sigma_of(peer, half, HEARTBEAT)
    beside = ReportedPeer(
        "nasdaq", peer.kind, peer.decimals, peer_sigma, tuple(known[time] for time in times), HEARTBEAT
    )
    found = windows(replace(aligned, peers=(beside,)), Terms(sigma, HEARTBEAT))
    return Market(found[: half - 12], found[half - 12 :], sigma)


def train(of: Market, choices: Choices) -> PolynomialModel:
    """Train as an operator does who made these choices."""
    first, last = (int(share * len(of.learnt)) for share in choices.history)
    calibrate = of.learnt[first:last]
    fit = calibrate[: int(choices.split * len(calibrate))]
    kind = LessonSeries(
        "sp500", recorded(()).kind, of.sigma, HEARTBEAT, 1, 1, slice(0, len(fit)), slice(0, len(calibrate))
    )
    budget = Fraction(choices.budget).limit_denominator(1_000) / 10_000
    lesson = Lesson(fit, calibrate, FEATURES, budget, 1, (kind,), choices.salt)
    model = Peers(vary=choices.vary).fit("secret", lesson)
    assert isinstance(model, PolynomialModel)
    return model


def at_move(table: Windows, features: Sequence[Feature], move: int | Floats) -> Windows:
    """Return windows with another move now."""
    changed = table.copy()
    changed[:, list(features).index(Feature.MOVE)] = np.clip(np.rint(move), -CLIP, CLIP)
    return changed


def scores(model: PolynomialModel, table: Windows) -> Floats:
    """Return the exact scores of windows, which only the model's owner has."""
    return np.asarray(model.publishing(Disclosure.SCORE).score_many(table), dtype=np.float64)


def rooms(model: PolynomialModel, table: Windows) -> Floats:
    """Return the largest rise that passes in each window, in thousandths of sigma.

    Each score is a quadratic in the move, so three moves tell it.
    """
    step = 1_000
    low, mid, high = (scores(model, at_move(table, model.features, move)) for move in (-step, 0, step))
    square, slope = (high + low - 2 * mid) / (2 * step * step), (high - low) / (2 * step)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = (-slope + np.sqrt(slope * slope - 4 * square * mid)) / (2 * square)
    root = np.where(square > 0, root, CLIP)
    found: Floats = np.minimum(root.min(axis=1), CLIP)
    return found


def held(model: PolynomialModel, table: Windows) -> NDArray[np.bool_]:
    """Return the verdicts of windows."""
    found: NDArray[np.bool_] = np.any(scores(model, table) > 0, axis=1)
    return found


# --- training again ---------------------------------------------------------------------------------------------------


def hidden_choices(what: str, draw: random.Random) -> Choices:
    """Return choices that an operator could have made, who hides something.

    Args:
        what: "nothing", "vary", "budget", "split", "data" or "all".
        draw: Where chance comes from.
    """
    salt = draw.randbytes(16)
    low, high = (math.log(each) for each in BUDGETS)
    chosen = Choices(salt=salt)
    if what in ("vary", "all"):
        chosen = replace(chosen, vary=1.0)
    if what in ("budget", "all"):
        chosen = replace(chosen, budget=math.exp(draw.uniform(low, high)))
    if what in ("split", "all"):
        chosen = replace(chosen, split=draw.uniform(*SPLITS))
    if what in ("data", "all"):
        # A history of one's own: here, a half of what the liar has all of.
        begin = draw.uniform(0, 0.5)
        chosen = replace(chosen, history=(begin, begin + 0.5))
    return chosen


HIDDEN = ("nothing", "vary", "split", "budget", "data", "all")


@dataclass(frozen=True)
class Retrained:
    """How well training again tells the room.

    Attributes:
        hidden: What the operator hides.
        deviation: Standard deviation of the logarithm of true over computed room: 0.1 is some 10 %.
        within: The share of all that is computed within 6 % of the truth.
        caught: Share of rounds in which a walk at each of `WALKS` is held.
        safe: The largest share of the computed room at which at most one of a hundred rounds is held.
        recall: Share of rises of `SPIKE` that the hidden model holds: what hiding costs.
        false_holds: Honest rounds of 10,000 to which it objects.
    """

    hidden: str
    deviation: float
    within: float
    caught: tuple[float, ...]
    safe: float
    recall: float
    false_holds: float


def training_again(of: Market, count: int, seed: int = 1) -> list[Retrained]:
    """Return what training again tells of a model, by what is hidden."""
    draw = random.Random(seed)
    guess = train(of, Choices())
    table = np.array(cut(of.judged, FEATURES, guess.features))
    computed = rooms(guess, table)
    found = []
    moved = table[:, list(guess.features).index(Feature.MOVE)]
    spiked = at_move(table, guess.features, moved + SPIKE * 10**9 / of.sigma)
    for hidden in HIDDEN:
        models = [train(of, hidden_choices(hidden, draw)) for _ in range(count)]
        ratios = np.concatenate([rooms(model, table) / computed for model in models])
        found.append(
            Retrained(
                hidden,
                float(np.log(ratios).std()),
                float((np.abs(ratios - 1) < 0.06).mean()),
                tuple(float((walk > ratios).mean()) for walk in WALKS),
                float(np.quantile(ratios, 0.01)),
                float(np.mean([held(model, spiked).mean() for model in models])),
                float(np.mean([held(model, table).mean() for model in models])) * 10_000,
            )
        )
    return found


# --- watching ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Watched:
    """How much is left of the models that a liar could train, once he has seen verdicts: means over true models.

    Attributes:
        seen: What he saw.
        verdicts: The number of verdicts.
        holds: How many of them were holds.
        left: Share of the models that agree with all of them.
        deviation: Standard deviation of the logarithm of true over guessed room; the guess is the mean of what is left.
        safe: The largest share of the guessed room at which at most one of a hundred rounds is held.
    """

    seen: str
    verdicts: int
    holds: float
    left: float
    deviation: float
    safe: float


class Pool:
    """Models of which everything is hidden that can be. Each in turn is the true one, and the others are candidates.

    Args:
        of: The market.
        models: How many models.
        seed: Seed of all that is drawn.
    """

    def __init__(self, of: Market, models: int, seed: int) -> None:
        draw = random.Random(seed)
        self.models = [train(of, hidden_choices("all", draw)) for _ in range(models)]
        self.features = self.models[0].features
        self.table = np.array(cut(of.judged, FEATURES, self.features))
        self.logs = np.log([rooms(model, self.table) for model in self.models])

    def told(self, seen: str, shown: Windows, *, holds_only: bool = False) -> Watched:
        """Return what verdicts of these windows tell, or only those that are holds."""
        verdicts = np.array([held(model, shown) for model in self.models])
        counted = verdicts if holds_only else np.ones_like(verdicts)
        # The nearest stand for all, where none agrees with everything.
        differences = np.array(
            [(verdicts != true)[:, told].sum(axis=1) for true, told in zip(verdicts, counted, strict=True)]
        )
        holds = float(verdicts.sum(axis=1).mean())
        count = round(holds) if holds_only else len(shown)
        return self._watched(seen, count, holds, differences == 0, differences)

    def lied(self, lies: int) -> Watched:
        """Return what lies tell of which each halves the models that are left."""
        agree = np.ones((len(self.models),) * 2, dtype=bool)
        holds = 0
        for true, left in enumerate(agree):
            left[true] = False
            for at in range(lies):
                room = self.logs[:, at]
                lie = float(np.median(room[left]))
                is_held = lie > room[true]
                kept = left & ((room < lie) == is_held)
                holds += is_held
                if not kept.any():
                    break
                left &= kept
        return self._watched("own lies, each halves what is left", lies, holds / len(self.models), agree, ~agree * 1)

    def _watched(
        self, seen: str, verdicts: int, holds: float, agree: NDArray[np.bool_], differences: NDArray[np.int64]
    ) -> Watched:
        count = len(self.models)
        others = ~np.eye(count, dtype=bool)
        errors = []
        for true in range(count):
            nearest = np.where(others[true], differences[true], differences.max() + 1)
            left = nearest == nearest.min()
            errors.append(self.logs[true] - self.logs[left].mean(axis=0))
        ratios = np.array(errors)
        return Watched(
            seen,
            verdicts,
            holds,
            float((agree & others).sum() / others.sum()),
            float(np.sqrt((ratios**2).mean())),
            float(np.exp(np.quantile(ratios, 0.01))),
        )


def watching(of: Market, models: int, seed: int = 2) -> list[Watched]:
    """Return what verdicts tell of a model of which everything is hidden that can be."""
    pool = Pool(of, models, seed)
    table, chance = pool.table, np.random.default_rng(seed)
    # A card of random moves, and one that somebody chose around the room that he expects.
    at_random = at_move(table, pool.features, chance.normal(0, 3_000, len(table)))
    middle = np.exp(pool.logs.mean(axis=0))
    chosen = at_move(table, pool.features, middle * np.exp(chance.uniform(-0.5, 0.5, len(table))))
    return [
        pool.told("nothing", table[:0]),
        # All that the hub sees of a model before it judges: the probe, then shadow reports.
        pool.told("the probe, a calm window", np.array([calm_window(pool.features)])),
        pool.told("a shadow period", table[-250:]),
        pool.told("honest rounds", table[:250]),
        pool.told("honest rounds", table),
        pool.told("only the holds among these", table, holds_only=True),
        pool.told("a card of recorded windows", table[::10]),
        pool.told("a card of moves at random, 3 σ", at_random),
        pool.told("a card of chosen moves", chosen[::25]),
        pool.told("a card of chosen moves", chosen),
        *(pool.lied(lies) for lies in LIES),
    ]


def retrained_table(found: Sequence[Retrained]) -> str:
    """Return what training again tells, as Markdown."""
    walks = " | ".join(f"at {walk:.0%}" for walk in WALKS)
    lines = [
        f"| hidden | deviation | within 6 % | held {walks} | safe | recall, {SPIKE:.0%} | false holds |",
        "|---|--:|--:|" + "--:|" * len(WALKS) + "--:|--:|--:|",
        *(
            f"| {each.hidden} | {each.deviation:.1%} | {each.within:.0%} | "
            + " | ".join(f"{share:.1%}" for share in each.caught)
            + f" | {each.safe:.0%} | {each.recall:.0%} | {each.false_holds:.1f} |"
            for each in found
        ),
    ]
    return "\n".join(lines) + "\n"


def watched_table(found: Sequence[Watched]) -> str:
    """Return what watching tells, as Markdown."""
    lines = [
        "| seen | verdicts | of them holds | models left | deviation | safe |",
        "|---|--:|--:|--:|--:|--:|",
        *(
            f"| {each.seen} | {each.verdicts:,} | {each.holds:,.1f} | {each.left:.1%} | {each.deviation:.1%} "
            f"| {each.safe:.0%} |"
            for each in found
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thorough", action="store_true", help="many more models: some minutes")
    models = 300 if parser.parse_args().thorough else 40
    of = market()
    print(retrained_table(training_again(of, models // 5)))
    print(watched_table(watching(of, models)))


if __name__ == "__main__":
    main()
