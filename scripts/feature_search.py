"""Print what each feature that a hub could derive adds to a detector: `python -m scripts.feature_search DATA`.

DATA is a folder of recordings; the daily indices come from the package `arch`. Second halves are never looked at: a
model is fitted on the first 60 % of a first half, and judged on the rest of it. A recall is the mean over a series'
sizes of single-round steps, and then over the series.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from scripts.feature_data import CLIP, Array, Derived, Mask, Series, clipped, load, past, running, spread

BUDGETS = (5e-4, 20e-4)
CHOSEN = "own | (residual & floor)"
MEMORIES = ("the peer", "own - peer", "residual")
VERDICTS = ("residual & floor", "square", "own | square", "any of three", "two of three", "own & residual")


@dataclass(frozen=True)
class Form:
    """Features that a model uses, and how its outputs become one verdict."""

    past: int = 12
    variance: int | None = None
    peers: int = 0
    verdict: str = CHOSEN
    extra: str = ""


@dataclass(frozen=True)
class Score:
    """Shares of altered rounds held, at 5 and at 20 false holds of 10,000, and how well the own limit fits.

    The deviance is the mean of log(limit) + move² / limit: less is better, and all rounds count, not the largest alone.
    """

    recall: Array
    joint_recall: Array
    peer_lie_holds_own: Array
    deviance: float

    def row(self) -> Array:
        """Return all figures in one row."""
        return np.concatenate([self.recall, self.joint_recall, self.peer_lie_holds_own, [self.deviance]])


def terms(data: Derived, form: Form) -> Array:
    """Return the terms of a limit on the own move's square, without the peers."""
    own, gap = data.own, data.gap
    found = [gap, gap * past(own, 0, 2), gap * past(own, 2, form.past)]
    if form.variance is not None:
        found.append(gap * running(own**2, gap, form.variance))
    if form.extra == "silence":
        found += [data.silence, data.silence * past(own, 0, form.past)]
    if form.extra == "terms without the gap":
        found += [term / gap for term in found]
    if form.extra == "spread in the limit" and data.series.venues is not None:
        found.append(gap * data.spread**2)
    for peer in data.peers.T[: form.peers]:
        residual = own - float(own[data.fit] @ peer[data.fit] / (peer[data.fit] @ peer[data.fit])) * peer
        if form.extra == "ring of residuals":
            found += [gap * past(residual, 0, 2), gap * past(residual, 2, form.past)]
        memory = {"variance of the peer": peer, "variance of own - peer": own - peer, "variance of residual": residual}
        if form.extra in memory:
            found.append(gap * running(memory[form.extra] ** 2, gap, form.variance or 6))
    return np.stack(found, axis=1)


def weights(found: Array, square: Array) -> Array:
    """Return a limit's weights: least squares without negative ones, each round by its own scale."""
    scale = 1 / (found.sum(axis=1) + 0.1)
    solved = np.asarray(nnls(found * scale[:, None], square * scale)[0], dtype=np.float64)
    solved[0] = max(solved[0], 0.1)
    return solved


class Detector:
    """Limits on the own move, on the residual against the peers, and on the own move with the peers' squares."""

    def __init__(self, data: Derived, form: Form) -> None:
        fit, own, peers = data.fit, data.own, data.peers[:, : form.peers]
        self.form, self.terms = form, terms(data, form)
        self.beta = np.linalg.lstsq(peers[fit], own[fit], rcond=None)[0]
        every = np.hstack([self.terms, peers**2])
        self.own = weights(self.terms[fit], own[fit] ** 2)
        self.residual = weights(every[fit], (own - peers @ self.beta)[fit] ** 2)
        self.square = weights(every[fit], own[fit] ** 2)
        # Outputs share the budget evenly: each has the limit that 20 of 10,000 rounds of the fit are over.
        self.level = np.ones((3, 1))
        self.level = np.quantile(self._outputs(own, peers, None)[:, fit], 1 - 20e-4, axis=1)[:, None]

    def _outputs(self, own: Array, peers: Array, seen: Mask | None) -> Array:
        every = np.hstack([self.terms, peers**2])
        alone = own**2 / (self.terms @ self.own)
        residual = (own - peers @ self.beta) ** 2 / (every @ self.residual)
        held = (np.abs(peers) < CLIP).all(axis=1) if seen is None else seen
        if self.form.extra != "no floor":
            held = held & (alone > 4)
        return np.stack([alone, np.where(held, residual, 0), own**2 / (every @ self.square)]) / self.level

    def severity(self, own: Array, peers: Array, seen: Mask | None = None) -> Array:
        """Return how far over its limits each round is; `seen` replaces what the hub says of the peers."""
        outputs = self._outputs(own, peers[:, : self.form.peers], seen)
        alone, residual, square = outputs
        verdicts: dict[str, Array] = {
            "residual & floor": residual,
            "square": square,
            CHOSEN: np.maximum(alone, residual),
            "own | square": np.maximum(alone, square),
            "any of three": outputs.max(axis=0),
            "two of three": np.sort(outputs, axis=0)[1],
            "own & residual": np.minimum(alone, residual),
        }
        return verdicts[self.form.verdict] if self.form.peers else alone


def judge(series: Series, form: Form) -> Score:
    """Return what one form sees of a series' altered rounds."""
    data = Derived(series)
    detector, on, own = Detector(data, form), data.judged, data.own
    limits = np.quantile(detector.severity(own, data.peers)[on], [1 - budget for budget in BUDGETS])

    def held(at_own: bool, at_peers: Sequence[int]) -> Array:
        shares = []
        for step in (sign * size for size in series.sizes for sign in (1, -1)):
            altered = data.peers.copy()
            for at in at_peers:
                altered[:, at] = clipped(altered[:, at] + np.log1p(step) / data.peer_sigma[at])
            severity = detector.severity(clipped(own + at_own * np.log1p(step) / data.sigma), altered)[on]
            shares.append([float((severity > limit).mean()) for limit in limits])
        return np.asarray(np.mean(shares, axis=0))

    used = range(min(form.peers, len(series.peers)))
    lies = np.max([np.zeros(len(BUDGETS)), *(held(False, [at]) for at in used)], axis=0)
    limit = detector.terms @ detector.own
    limit *= (own[data.fit] ** 2 / limit[data.fit]).mean()
    return Score(held(True, []), held(True, used), lies, float((np.log(limit) + own**2 / limit)[on].mean()))


def held_unseen(series: Series) -> Array:
    """Return shares of honest rounds held, each with PEER_SEEN and without it.

    The peers can't be measured; the same where the own move is over two sigmas; one peer's lie is as large as the clip.
    """
    data = Derived(series)
    detector, on = Detector(data, Form(variance=6, peers=2)), data.judged
    limit = np.quantile(detector.severity(data.own, data.peers)[on], 1 - 20e-4)
    none, lie = np.zeros_like(data.peers), data.peers.copy()
    lie[:, 0] = CLIP
    all_seen = np.ones(len(on), dtype=bool)
    found = []
    for peers, where in ((none, on), (none, on & (np.abs(data.own) > 2)), (lie, on)):
        for seen in (~all_seen, all_seen):
            found.append(float((detector.severity(data.own, peers, seen)[where] > limit).mean()))
    return np.array(found)


def wrong_venues(series: Series, use: str, wrong: int) -> list[float]:
    """Return the shares seen, by size, if some of the venues are wrong at once, at 20 false holds of 10,000."""
    data = Derived(series)
    assert series.venues is not None
    on, fit, form = (
        data.judged,
        data.fit,
        Form(variance=6, extra="spread in the limit" if use == "in the limit" else ""),
    )

    def alone(answers: Array) -> Array:
        return clipped((answers[1:] - series.answers[:-1]) / data.sigma) ** 2 / (terms(data, form) @ solved)

    def severity(venues: Array, answers: Array) -> Array:
        data.spread = spread(venues) / data.sigma
        return np.maximum(alone(answers) / level, data.spread**2 / cap if use == "an output" else 0)

    solved = weights(terms(data, form)[fit], data.own[fit] ** 2)
    level, cap = (float(np.quantile(of[fit], 1 - 20e-4)) for of in (alone(series.answers), data.spread**2))
    held = np.quantile(severity(series.venues, series.answers)[on], 1 - 20e-4)
    found = []
    for size in (0.01, 0.02, 0.03, 0.05):
        shares = []
        for sign in (1, -1):
            venues = series.venues.copy()
            venues[:, :wrong] += np.log1p(sign * size)
            shares.append(float((severity(venues, np.nanmedian(venues, axis=1))[on] > held).mean()))
        found.append(float(np.mean(shares)))
    return found


def early_flag(series: Series) -> list[float]:
    """Return recall without a flag "early", and with it if a fault keeps the honest time, is early, is late."""
    data = Derived(series)
    on, early = data.judged, (data.silence < 0.98).astype(float)
    base = terms(data, Form(variance=6))
    found = []
    for flag, at_fault in ((0 * early, 0 * early), (early, early), (early, early * 0 + 1), (early, early * 0)):
        solved = weights(np.hstack([base, base * flag[:, None]])[data.fit], data.own[data.fit] ** 2)
        limit = np.hstack([base, base * flag[:, None]]) @ solved
        over = np.quantile((data.own**2 / limit)[on], 1 - BUDGETS[0])
        limit = np.hstack([base, base * at_fault[:, None]]) @ solved
        steps = [np.log1p(sign * size) / data.sigma for size in series.sizes for sign in (1, -1)]
        found.append(float(np.mean([((data.own + step) ** 2 / limit)[on] > over for step in steps])))
    return found


def forms() -> dict[str, Form]:
    """Return the forms that are compared, by name."""
    best = Form(variance=6, peers=2)
    return {
        "12 past": Form(),
        "14 past": Form(past=14),
        **{f"12 past, variance k = {k}": Form(variance=k) for k in (5, 6, 7, 8, 9)},
        "14 past, variance k = 6": Form(past=14, variance=6),
        "12 past, k = 6, silence": Form(variance=6, extra="silence"),
        "12 past, k = 6, spread in the limit": Form(variance=6, extra="spread in the limit"),
        "12 past, k = 6, terms without the gap": Form(variance=6, extra="terms without the gap"),
        "12 past, 1 peer": Form(peers=1),
        "12 past, 2 peers": Form(peers=2),
        "12 past, k = 6, 1 peer": replace(best, peers=1),
        "12 past, k = 6, 2 peers (chosen)": best,
        **{f"chosen, {name}": replace(best, extra=name) for name in ("no floor", "ring of residuals")},
        **{f"chosen, variance of {name}": replace(best, extra=f"variance of {name}") for name in MEMORIES},
        **{f"verdict {name}": replace(best, verdict=name) for name in VERDICTS},
    }


def table(names: Sequence[str], rows: Iterable[tuple[str, Sequence[float]]], scale: float = 100) -> None:
    """Print a table: figures in percent, unless the scale is another."""
    print(f"\n{'':38s}" + "".join(f"{name:>16s}" for name in names))
    for label, figures in rows:
        print(f"{label:38s}" + "".join(f"{figure * scale:16.1f}" for figure in figures))


def main(arguments: list[str]) -> int:
    """Print all tables."""
    (folder,) = arguments
    found = load(Path(folder))
    scores = {name: np.array([judge(series, form).row() for series in found]) for name, form in forms().items()}
    print("Mean over all series, %; the deviance is in hundredths")
    columns = ("recall 5", "20", "joint 5", "20", "peer's lie 5", "20", "deviance")
    table(columns, ((name, list(rows.mean(axis=0))) for name, rows in scores.items()))
    print("\nRecall at 20 false holds of 10,000, by series, %")
    shown = {
        "12 past": "12 past",
        "14 past": "14 past",
        "variance": "12 past, variance k = 6",
        "+ 1 peer": "12 past, k = 6, 1 peer",
        "+ 2 peers": "12 past, k = 6, 2 peers (chosen)",
        "2, no variance": "12 past, 2 peers",
    }
    chosen = scores[shown["+ 2 peers"]]
    by_series = [
        (series.name, [*(scores[name][at, 1] for name in shown.values()), chosen[at, 3], chosen[at, 5]])
        for at, series in enumerate(found)
    ]
    table([*shown, "joint lie", "peer's lie"], by_series)
    print("\nHonest rounds held, %: peers unseen, the same of moves over 2 sigmas, a peer's lie at the clip")
    flagged = ("flag", "no flag") * 3
    table(flagged, ((series.name, list(held_unseen(series))) for series in found if series.peers))
    print("\nVenues wrong by 1, 2, 3, 5 %: seen at 20 false holds of 10,000, %")
    venues = next(series for series in found if series.venues is not None)
    uses = [(use, wrong) for use in ("unused", "in the limit", "an output") for wrong in (1, 2, 3)]
    rows = ((f"spread {use}, {wrong} wrong", wrong_venues(venues, use, wrong)) for use, wrong in uses)
    table(("1 %", "2 %", "3 %", "5 %"), rows)
    print("\nA flag for reports before their heartbeat: recall at 5 false holds of 10,000, %")
    rounds = (series for series in found if series.name.endswith("rounds"))
    table(("no flag", "honest time", "early", "late"), ((series.name, early_flag(series)) for series in rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
