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
  rooms from the true one? He sees the verdicts of honest rounds, of a shadow model beside them, of a card, or of lies
  that he tries himself.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from oracle.core.encoding import CLIP, Feature
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
    """How much is left of the models that a liar could train, once he has seen verdicts.

    Attributes:
        seen: What he saw.
        verdicts: The number of verdicts.
        holds: How many of them were holds.
        left: Share of the models that agree with all of them.
        deviation: Standard deviation of the logarithm of the room, over these models and all windows.
        safe: The share of the middle room at which at most one of a hundred rounds is held.
    """

    seen: str
    verdicts: int
    holds: int
    left: float
    deviation: float
    safe: float


def watching(of: Market, models: int, seed: int = 2) -> list[Watched]:
    """Return what verdicts tell of a model of which everything is hidden that can be."""
    draw = random.Random(seed)
    truth, *others = (train(of, hidden_choices("all", draw)) for _ in range(models + 1))
    table = np.array(cut(of.judged, FEATURES, truth.features))
    true_rooms = rooms(truth, table)
    known = np.array([rooms(model, table) for model in others])

    def told(seen: str, verdicts: int, holds: int, agree: NDArray[np.bool_]) -> Watched:
        # Nobody agrees with everything where the candidates are few; then the nearest stand for them.
        left = known[agree] if agree.any() else known[[int(np.abs(np.log(known / true_rooms)).mean(axis=1).argmin())]]
        ratios = true_rooms / np.exp(np.log(left).mean(axis=0))
        spread = np.log(left / true_rooms)
        return Watched(
            seen,
            verdicts,
            holds,
            float(agree.mean()),
            float(np.sqrt((spread**2).mean())),
            float(np.quantile(ratios, 0.01)),
        )

    found = [told("nothing", 0, 0, np.ones(len(others), dtype=bool))]
    honest = [(name, table[:count]) for name, count in (("honest rounds", 250), ("honest rounds", len(table)))]
    # A card of random moves, and one that somebody chose around the room that he expects.
    chance = np.random.default_rng(seed)
    flat = at_move(table, truth.features, chance.normal(0, 3_000, len(table)))
    middle = np.exp(np.log(known).mean(axis=0))
    chosen = at_move(table, truth.features, middle * np.exp(chance.uniform(-0.5, 0.5, len(table))))
    cases: Iterable[tuple[str, Windows]] = [
        *honest,
        ("a card of moves at random, 3 σ", flat),
        ("a card of chosen moves", chosen[:100]),
        ("a card of chosen moves", chosen),
    ]
    for name, shown in cases:
        true = held(truth, shown)
        agree = np.array([bool((held(model, shown) == true).all()) for model in others])
        found.append(told(name, len(shown), int(true.sum()), agree))
    for lies in (5, 10, 20):
        agree, holds = _bisected(table, true_rooms, known, lies, held_by=lambda at, lie: bool(lie > true_rooms[at]))
        found.append(told("own lies, halving what is left", lies, holds, agree))
    return found


def _bisected(
    table: Windows, true_rooms: Floats, known: Floats, lies: int, held_by: Callable[[int, float], bool]
) -> tuple[NDArray[np.bool_], int]:
    """Return which models agree with lies that halve them one after the other, and how many lies were held.

    A liar who can have any move judged tries, in each round, the median room of the models that are left.
    """
    agree = np.ones(len(known), dtype=bool)
    holds = 0
    for at in range(lies):
        left = known[agree, at]
        lie = float(np.median(left))
        is_held = held_by(at, lie)
        holds += is_held
        kept = agree & ((known[:, at] < lie) == is_held)
        if not kept.any():
            break
        agree = kept
    return agree, holds


def report(retrained: Sequence[Retrained], watched: Sequence[Watched]) -> str:
    """Return both tables, as Markdown."""
    walks = " | ".join(f"{walk:.0%}" for walk in WALKS)
    lines = [
        f"| hidden | deviation of the room | within 6 % | held at {walks} of the computed room | safe "
        f"| recall, {SPIKE:.0%} | false holds |",
        "|---|--:|--:|" + "--:|" * len(WALKS) + "--:|--:|--:|",
        *(
            f"| {each.hidden} | {each.deviation:.1%} | {each.within:.0%} | "
            + " | ".join(f"{share:.1%}" for share in each.caught)
            + f" | {each.safe:.0%} | {each.recall:.0%} | {each.false_holds:.1f} |"
            for each in retrained
        ),
        "",
        "| seen | verdicts | holds | models left | deviation of the room | safe |",
        "|---|--:|--:|--:|--:|--:|",
        *(
            f"| {each.seen} | {each.verdicts:,} | {each.holds} | {each.left:.1%} | {each.deviation:.1%} "
            f"| {each.safe:.0%} |"
            for each in watched
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thorough", action="store_true", help="ten times as many models")
    models = 400 if parser.parse_args().thorough else 40
    of = market()
    print(report(training_again(of, models // 4), watching(of, models)))


if __name__ == "__main__":
    main()
