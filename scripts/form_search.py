"""Print how forms of a detector with peers compare: `python -m scripts.form_search DATA`.

DATA is a folder of recordings; the daily indices come from the package `arch`. Second halves are never looked at: each
form is fitted on the first 50, 60 and 70 % of a first half, and judged on the rest of it. All series have one form;
coefficients and levels are those of each.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from oracle.core.errors import OracleError
from oracle.detectors.trainers.peers_fit import tail, variance_weights
from scripts.feature_data import Array, Derived, clipped, load, past, running

SPLITS = (0.5, 0.6, 0.7)
BUDGETS = (5e-4, 20e-4)
FIT_CLIP = 10.0
LIE = 3
FLOOR = 4.0
"""The floor on the own move's square, in parts of its limit, in forms that have one."""


@dataclass(frozen=True)
class PeerForm:
    """The quantity that a detector limits.

    Attributes:
        peer: What is measured beside a peer: "signed" (x² − slope_factor · b · x · y − square · y²), "residual",
            "residual and floor", or nothing.
        slope_factor: See `peer`.
        square: See `peer`.
        limit: Whose limit that has: the own output's ("shared"), or one that is fitted to the residual ("residual").
        near: Moves of the near past; 0 without it.
        far: True with the running variance.
        apart: True if near and far past are limits of their own, of which the smaller counts.
        both: How two peers are used: each as an output ("each"), or all in one ("one"), or the first alone ("first").
        share: The own output's share of the budget.
    """

    peer: str = "signed"
    slope_factor: float = 1.5
    square: float = 1.0
    limit: str = "shared"
    near: int = 3
    far: bool = True
    apart: bool = False
    both: str = "first"
    share: float = 0.1


class FittedForm:
    """A form on one series."""

    def __init__(self, data: Derived, form: PeerForm, split: float) -> None:
        count = len(data.own)
        self.data, self.form = data, form
        self.fit = (np.arange(count) >= 16) & (np.arange(count) < int(count * split))
        self.judged = np.arange(count) >= int(count * split)
        own, peers = np.clip(data.own, -FIT_CLIP, FIT_CLIP), np.clip(data.peers, -FIT_CLIP, FIT_CLIP)
        past_terms = [past(data.own, 0, form.near)] if form.near else []
        past_terms += [running(data.own**2, data.gap, 6)] if form.far else []
        groups = [[each] for each in past_terms] if form.apart else [past_terms]
        terms = [data.gap[:, None] * np.stack([np.ones(count), *group], axis=1) for group in groups]
        self.limits = [each @ self._weights(own**2, each) for each in terms]
        fit = self.fit
        self.slope = np.array([own[fit] @ peer[fit] / (peer[fit] @ peer[fit]) for peer in peers.T])
        self.beside = self.limits
        if form.limit == "residual" and len(self.slope):
            left = (own - self.slope[0] * peers[:, 0]) ** 2
            self.beside = [each @ self._weights(left, each) for each in terms]
        ratios = self._ratios(data.own, data.peers)
        shares = [form.share, *[(1 - form.share) / max(1, len(ratios) - 1)] * (len(ratios) - 1)]
        shares[0] = shares[0] if len(ratios) > 1 else 1.0
        pairs = zip(ratios, shares, strict=True)
        self.levels = [tail(ratio[fit], BUDGETS[0] * share) for ratio, share in pairs]

    def _weights(self, square: Array, terms: Array) -> Array:
        found = np.array(variance_weights(square[self.fit], terms[self.fit]))
        mean = float((square / terms[:, 0])[self.fit].mean())
        found[0] = max(found[0], 0.2 * mean)
        return found

    def _ratios(self, own: Array, peers: Array) -> list[Array]:
        form = self.form
        alone = np.max([own**2 / limit for limit in self.limits], axis=0)
        found = [alone]
        used = peers if form.both != "first" else peers[:, :1]
        if form.both == "one" and peers.shape[1] > 1:
            slope = np.linalg.lstsq(self.data.peers[self.fit], self.data.own[self.fit], rcond=None)[0]
            measured = own * (own - form.slope_factor * peers @ slope) - form.square * (peers**2).mean(axis=1)
            return [*found, np.maximum(measured, 0) / self.beside[0]]
        for slope, peer in zip(self.slope, used.T, strict=False):
            if form.peer == "signed":
                measured = np.maximum(own * (own - form.slope_factor * slope * peer) - form.square * peer**2, 0)
            elif form.peer:
                measured = (own - slope * peer) ** 2
            else:
                continue
            ratio = np.max([measured / limit for limit in self.beside], axis=0)
            found.append(np.where(alone > FLOOR, ratio, 0) if form.peer.endswith("floor") else ratio)
        return found

    def severity(self, own: Array, peers: Array) -> Array:
        """Return how far over its limits each round is."""
        pairs = zip(self._ratios(own, peers), self.levels, strict=True)
        return np.asarray(np.max([ratio / level for ratio, level in pairs], axis=0))


def judge(fitted: FittedForm) -> Array:
    """Return recall at both budgets and at the fit's own limits, the same of joint lies, and of the peer's lie.

    The last two are at 5 of 10,000; the peer's lie is of three of its sigmas, where the honest feed is held.
    """
    data, on = fitted.data, fitted.judged
    plain = fitted.severity(data.own, data.peers)
    own_limit = np.sort(plain[fitted.fit])[::-1][int(BUDGETS[0] * fitted.fit.sum())]
    limits = [*(float(np.quantile(plain[on], 1 - budget)) for budget in BUDGETS), float(own_limit)]

    def held(own: float, peers: Array) -> list[float]:
        severity = fitted.severity(clipped(data.own + own), clipped(data.peers + peers))[on]
        return [float((severity > limit).mean()) for limit in limits]

    steps = [float(np.log1p(sign * size)) for size in data.series.sizes for sign in (1, -1)]
    sigmas = np.array(data.peer_sigma)
    recall = np.mean([held(step / data.sigma, 0 * sigmas) for step in steps], axis=0)
    joint = np.mean([held(step / data.sigma, step / sigmas) for step in steps], axis=0)
    lies = [[0.0] * 3]
    for lie in np.eye(len(sigmas)) * LIE:
        lies.append(list(np.mean([held(0, lie), held(0, -lie)], axis=0)))
    return np.array([*recall, joint[0], np.max([each[0] for each in lies]), np.max([each[2] for each in lies])])


def forms() -> dict[str, PeerForm]:
    """Return the forms that are compared, by name."""
    chosen = PeerForm()
    return {
        "own alone": replace(chosen, peer=""),
        "own, or residual": replace(chosen, peer="residual", limit="residual"),
        "own, or residual and a floor": replace(chosen, peer="residual and floor", limit="residual"),
        "own, or the peer's square in the limit": replace(chosen, slope_factor=0.0),
        "own, or x (x - b y)": replace(chosen, slope_factor=1.0, square=0.0),
        "own, or x (x - 2 b y) - y²": replace(chosen, slope_factor=2.0),
        "own, or x (x - 1.5 b y) - y² (chosen)": chosen,
        **{f"the same, square {square}": replace(chosen, square=square) for square in (0.5, 2.0)},
        **{f"the same, {near} past moves": replace(chosen, near=near) for near in (1, 2, 4, 5)},
        "the same, no past moves": replace(chosen, near=0),
        "the same, no running variance": replace(chosen, far=False, near=12),
        "the same, near and far apart": replace(chosen, apart=True),
        "the same, a limit of the residual": replace(chosen, limit="residual"),
        **{f"the same, own share {share}": replace(chosen, share=share) for share in (0.02, 0.25, 0.5)},
        "the same, two outputs with two peers": replace(chosen, both="each"),
        "the same, one output with two peers": replace(chosen, both="one"),
    }


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    (folder,) = arguments
    try:
        found = [Derived(series) for series in load(Path(folder)) if series.peers]
        print(
            f"Mean over {len(found)} series and {len(SPLITS)} splits, %; of a peer's lies, the worst series and split"
        )
        columns = ("recall 5", "recall 20", "fit's limits", "joint 5", "lie 5", "lie, fit's")
        print(f"\n{'':42s}" + "".join(f"{name:>14s}" for name in columns))
        for name, form in forms().items():
            rows = np.array([judge(FittedForm(data, form, split)) for data in found for split in SPLITS])
            figures = [*rows[:, :4].mean(axis=0), *rows[:, 4:].max(axis=0)]
            print(f"{name:42s}" + "".join(f"{figure * 100:14.1f}" for figure in figures), flush=True)
    except OracleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
