"""The model card: what a detector was trained on, and what it does on each split, as JSON.

Training writes it, and nothing in it is proven; `oracle.detectors.cards` has proven cards.
"""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from oracle.config import TrainingConfig
from oracle.core import encoding, gate
from oracle.core.encoding import Feature
from oracle.core.statistics import clopper_pearson
from oracle.core.types import Outcome
from oracle.detectors.interface import Detector
from oracle.detectors.kinds.words import word_of
from oracle.detectors.trainers.windows import cut
from oracle.detectors.training.beside_cap import cap_recall
from oracle.detectors.training.cautions import far_over
from oracle.detectors.training.data import moment
from oracle.detectors.training.lies import lies
from oracle.detectors.training.repeats import usual_repeats
from oracle.detectors.training.replay import judge_all, pressures
from oracle.detectors.training.reports import FIRST_WINDOW, Terms, features_of
from oracle.detectors.training.series import LearntSeries
from oracle.detectors.training.split_cautions import warnings_of

CARD_SCHEMA = 3

JUDGED = ("anomalous", "clipped")
"""Reasons of holds that the budget is for: a source that repeats itself or says nothing positive is no false hold."""

EPISODE = encoding.RING_SIZE
"""Reports: two objections within this many are one event, for they share a window."""

THINNED = encoding.RING_SIZE + 1
"""Every window with a number that this divides is compared with others: they share no move."""

REFERENCE = 200
"""Pressures that a card keeps, as quantiles."""


def policy(terms: Terms, max_repeats: int) -> gate.HoldPolicy:
    """Return the hold policy of a card's replays: the defaults of a feed, and a repeat rule."""
    return gate.HoldPolicy(3, terms.heartbeat, 3_000, max_repeats)


def rate(at: Sequence[int], total: int, confidence: float) -> dict[str, Any]:
    """Return how often something happened per 10,000 reports, with an interval.

    Objections come in clusters: a volatile hour gives several. Counted as independent events they would make the
    interval too narrow. So episodes are counted instead, and the number of reports is divided by the mean size of an
    episode (Kish's effective sample size). A block bootstrap would say 0 to 0 where nothing was seen.

    Args:
        at: Indices of the reports to which it happened, rising.
        total: Number of all reports.
        confidence: The interval's confidence.
    """
    episodes = sum(1 for index, each in enumerate(at) if index == 0 or each - at[index - 1] > EPISODE)
    size = len(at) / episodes if episodes else 1.0
    low, high = clopper_pearson(episodes, max(1.0, total / size), confidence)
    return {
        "reports": total,
        "count": len(at),
        "episodes": episodes,
        "per_10k": round(len(at) / total * 10_000, 3) if total else 0.0,
        "interval_per_10k": [round(low * 10_000, 3), round(high * 10_000, 3)],
    }


def make(config: TrainingConfig, series: Sequence[LearntSeries], detector: Detector) -> dict[str, Any]:
    """Return the card of a detector that was just trained: JSON.

    Args:
        config: The configuration of the training.
        series: The series that it was trained on.
        detector: The detector.
    """
    confidence, budget = float(config.budget.confidence), float(config.budget.false_holds_per_10k)
    sections = [_section(config, each, detector) for each in series]
    calibrated, total = list[int](), 0
    for each, section in zip(series, sections, strict=True):
        # Rows of another series are no neighbours.
        calibrated += [total + at for at in section.calibrated]
        total += each.ends[1] + EPISODE
    counted = sum(len(each.places(FIRST_WINDOW, each.ends[1])) for each in series)
    graph = detector.to_onnx(1)
    text = detector.to_json()
    return {
        "schema": CARD_SCHEMA,
        "name": detector.name,
        "detector": {"type": config.detector.type, **_plain(config.detector.options())},
        "seed": config.seed,
        "model": {
            "format": detector.format,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "onnx_sha256": hashlib.sha256(graph).hexdigest(),
            "features": list(encoding.feature_names(detector.features)),
            "outputs": [each.output for each in detector.explain(encoding.calm_window(detector.features))],
            "param_scale": detector.param_scale,
            "score_unit": str(detector.score_unit),
        },
        "features": [word_of(feature) for feature in detector.features],
        "split": {"train": str(config.split.train), "validation": str(config.split.validation)},
        "budget": {
            "false_holds_per_10k": str(config.budget.false_holds_per_10k),
            "confidence": str(config.budget.confidence),
            "method": "Clopper-Pearson on episodes of objections, with an effective number of reports",
            "calibration": rate(calibrated, counted, confidence),
        },
        "series": [section.told for section in sections],
        "warnings": [f"{each.told['name']}: {warning}" for each in sections for warning in each.told["warnings"]],
        "usable": not any(
            far_over(split["judged_holds"]["per_10k"], split["judged_holds"]["interval_per_10k"][0], budget)
            for each in sections
            for split in each.told["splits"].values()
        ),
        "versions": _versions(),
    }


@dataclass(frozen=True)
class _Section:
    """A series' part of a card, and the reports of its calibration to which the detector objects."""

    told: dict[str, Any]
    calibrated: list[int]


def _section(config: TrainingConfig, series: LearntSeries, detector: Detector) -> _Section:
    """Return a series' part of the card."""
    confidence, first = float(config.budget.confidence), FIRST_WINDOW
    reports, terms, ends, data = series.reports, series.terms, series.ends, series.data
    own = cut(series.windows, features_of(reports), detector.features)
    objecting = [max(scores) > 0 for scores in detector.score_many(own).tolist()]
    good = reports.good(ends[0])
    max_repeats = usual_repeats([reports.times[at] for at in good], [reports.answers[at] for at in good])
    judged = list(judge_all(reports, terms, detector, policy(terms, max_repeats)))
    bounds = {"train": (first, ends[0]), "validation": ends, "test": (ends[1], len(reports))}
    moved = features_of(reports).index(Feature.MOVE)
    splits: dict[str, dict[str, Any]] = {}
    for name, (begin, end) in bounds.items():
        places = series.places(begin, end)
        held = [judged[at] for at in places if judged[at].outcome is Outcome.HELD]
        splits[name] = {
            "first": moment(reports.times[begin]),
            "last": moment(reports.times[end - 1]),
            "objections": rate([at for at in places if objecting[at - first]], len(places), confidence),
            "holds": rate([each.at for each in held], len(places), confidence),
            "judged_holds": rate([each.at for each in held if each.why in JUDGED], len(places), confidence),
            "reasons": dict(sorted(Counter(each.why for each in held).items())),
            "clipped_moves": sum(abs(series.windows[at - first][moved]) == encoding.CLIP for at in places),
            "error_while_held": {
                "mean": _digits(statistics.fmean([each.error for each in held] or [0.0])),
                "worst": _digits(max((each.error for each in held), default=0.0)),
            },
            "longest_hold": _longest([each.at for each in held]),
        }
    near = {
        name: pressures(detector, [own[at - first] for at in series.places(*bound)][::THINNED])
        for name, bound in bounds.items()
    }
    told = {
        "name": series.name,
        "data": {
            "source": data.source,
            "sha256": data.sha256,
            "rows": len(reports),
            "dropped": data.dropped,
            "first": moment(reports.times[0]),
            "last": moment(reports.times[-1]),
            "kind": data.config.kind,
            "decimals": data.config.decimals,
            "value_columns": list(data.value_columns),
            "time_column": data.time_column,
            "repeated_times": data.config.repeated_times,
            "max_gap": data.config.max_gap,
            "sigma": terms.sigma,
            "heartbeat": terms.heartbeat,
            "max_repeats": max_repeats,
            "peers": [
                {
                    "name": peer.name,
                    "kind": peer.kind.name.lower(),
                    "decimals": peer.decimals,
                    "sigma": peer.sigma,
                    "max_age": peer.max_age,
                    "column": data.config.peer_columns.get(peer.name),
                    "missing": sum(answer is None for answer in peer.answers),
                }
                for peer in reports.peers
            ],
            "bad": [[moment(begin), moment(end)] for begin, end in reports.bad],
            "notes": list(data.notes),
        },
        "splits": splits,
        **lies(series, detector, config.seed),
        "cap_spikes": cap_recall(series, splits["test"]["objections"]["count"]),
        "pressures": _quantiles(near["test"]),
        "limits": _limits(config, splits),
        "warnings": warnings_of(series, splits, bounds, near, float(config.budget.false_holds_per_10k)),
    }
    return _Section(told, [at for at in series.places(first, ends[1]) if objecting[at - first]])


def _limits(config: TrainingConfig, splits: Mapping[str, Any]) -> list[str]:
    """Return what the model can't do, in sentences."""
    told = [
        "It says what is unusual for this feed, not what is wrong: a false value within its usual moves passes.",
        "A value that no longer changes is invisible to it; that takes the feed's max_repeats.",
        "It was measured as if its data had no fault: every hold counts as a false one.",
    ]
    if config.detector.type != "cross-source":
        told.append("It sees one series: sources that agree on a false value are believed.")
    if config.detector.type not in ("arch+window", "cross-source"):
        told.append("Slow drift, of which each step is small, is invisible to it.")
    budget = float(config.budget.false_holds_per_10k)
    test = splits["test"]["objections"]
    if test["interval_per_10k"][0] > budget:
        told.append(f"It exceeds its budget on the test split: {test['per_10k']:g} objections per 10,000.")
    elif test["interval_per_10k"][1] > budget:
        told.append("The test split is too short to show that the budget is kept; see the interval.")
    return told


def _digits(value: float) -> float:
    """Return four digits: more would only differ between machines."""
    return float(f"{value:.4g}")


def _longest(held: Sequence[int]) -> int:
    """Return the most held reports in a row."""
    most = run = 0
    for index, at in enumerate(held):
        run = run + 1 if index and at == held[index - 1] + 1 else 1
        most = max(most, run)
    return most


def _quantiles(values: Sequence[float]) -> dict[str, Any]:
    """Return a sample as quantiles of four digits: enough for a two-sample test, and the same on every machine."""
    ordered = sorted(values)
    count = min(REFERENCE, len(ordered))
    picked = [ordered[int((index + 0.5) * len(ordered) / count)] for index in range(count)]
    return {"count": len(ordered), "quantiles": [_digits(value) for value in picked]}


def _versions() -> dict[str, str]:
    found = {}
    for package in ("arch", "numpy", "onnx", "scikit-learn", "scipy", "verifiable-oracle"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as JSON, files by their names."""
    return {
        key: value.name if isinstance(value, Path) else float(value) if isinstance(value, Decimal) else value
        for key, value in options.items()
    }
