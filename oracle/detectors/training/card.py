"""The model card: what a detector was trained on, and what it does on each split, for programs and for people."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.core import encoding, gate
from oracle.core.statistics import clopper_pearson
from oracle.core.types import Kind, Outcome
from oracle.detectors.interface import Detector
from oracle.detectors.training import lessons
from oracle.detectors.training.lessons import Recording, Terms
from oracle.detectors.training.recordings import Learnt, moment

if TYPE_CHECKING:
    from oracle.config import TrainingConfig


CARD_SCHEMA = 1
EPISODE = encoding.RING_SIZE
"""Reports: two objections so near are one event, for they share a window."""

THINNED = encoding.RING_SIZE + 1
"""Every so many-th window is compared with others: they share no move."""

REFERENCE = 200
"""Pressures that a card keeps, as quantiles."""

SPIKES = (1, 2, 3, 5, 10, 20)
"""Per cent (relative feeds), or sigmas (absolute ones), of the spikes that a card is about."""

SPIKED = 500
"""Windows of the test split into which each spike is put."""


def policy(terms: Terms) -> gate.HoldPolicy:
    """The hold policy with which a card's replays are made: the defaults of a feed."""
    return gate.HoldPolicy(confirmations=3, confirm_delay=terms.heartbeat, tolerance=3_000)


def rate(at: Sequence[int], total: int, confidence: float) -> dict[str, Any]:
    """How many of `total` reports, per 10,000, with an interval.

    Objections come in clusters: a volatile hour gives several. As so many independent events they would make the
    interval too narrow. So the events that are counted are episodes, and the number of reports is divided by the mean
    size of an episode (Kish's effective sample size); a block bootstrap would say 0 to 0 where nothing was seen.

    Args:
        at: Indices of the reports that it happened to, rising.
        total: Of all reports.
        confidence: Of the interval.
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


def make(
    config: TrainingConfig,
    learnt: Learnt,
    recording: Recording,
    terms: Terms,
    detector: Detector,
    windows: Sequence[tuple[int, ...]],
    ends: tuple[int, int],
) -> dict[str, Any]:
    """The card of a detector that was just trained: JSON.

    Args:
        config: What was asked for.
        learnt: The data.
        recording: The data as the detector sees them.
        terms: Sigma and heartbeat.
        detector: It.
        windows: Of the whole recording.
        ends: Rows at which the training and the validation split end.
    """
    from oracle.detectors.training.trainers import cut

    confidence, first = float(config.budget.confidence), lessons.first_window(recording)
    own = cut(windows, detector.features, detector.spread)
    objecting = [max(scores) > 0 for scores in detector.score_many(own).tolist()]
    judged = list(lessons.replay(recording, terms, detector, policy(terms)))
    bounds = {"train": (first, ends[0]), "validation": ends, "test": (ends[1], len(recording))}
    splits = {}
    for name, (begin, end) in bounds.items():
        held = [each.at for each in judged[begin:end] if each.outcome is Outcome.HELD]
        splits[name] = {
            "first": moment(recording.times[begin]),
            "last": moment(recording.times[end - 1]),
            "objections": rate([at for at in range(begin, end) if objecting[at - first]], end - begin, confidence),
            "holds": rate(held, end - begin, confidence),
            "longest_hold": _longest(held),
        }
    calibrated = [at for at in range(first, ends[1]) if objecting[at - first]]
    test = own[ends[1] - first :]
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
            "features": detector.features,
            "spread": detector.spread,
            "outputs": [each.output for each in detector.explain((*(0,) * (detector.features - 1), encoding.GAP_ONE))],
            "param_scale": detector.param_scale,
            "score_unit": str(detector.score_unit),
        },
        "data": {
            "source": learnt.source,
            "sha256": learnt.sha256,
            "rows": len(recording),
            "dropped": learnt.dropped,
            "first": moment(recording.times[0]),
            "last": moment(recording.times[-1]),
            "kind": config.data.kind,
            "decimals": config.data.decimals,
            "value_columns": list(config.data.value_columns),
            "time_column": config.data.time_column,
            "repeated_times": config.data.repeated_times,
            "max_gap": config.data.max_gap,
            "sigma": terms.sigma,
            "heartbeat": terms.heartbeat,
        },
        "features": feature_names(detector),
        "split": {"train": str(config.split.train), "validation": str(config.split.validation)},
        "budget": {
            "false_holds_per_10k": str(config.budget.false_holds_per_10k),
            "confidence": str(config.budget.confidence),
            "method": "Clopper-Pearson on episodes of objections, with an effective number of reports",
            "calibration": rate(calibrated, ends[1] - first, confidence),
        },
        "splits": splits,
        "spikes": _spikes(recording, terms, detector, windows, ends[1], config.seed),
        "pressures": _quantiles(lessons.pressures(detector, test[::THINNED])),
        "limits": _limits(config, splits),
        "versions": _versions(),
    }


def feature_names(detector: Detector) -> list[str]:
    """The vector, in words."""
    past = detector.features - (3 if detector.spread else 2)
    spread = ["spread of the sources"] if detector.spread else []
    return ["move now", *(f"move −{age}" for age in range(1, past + 1)), *spread, "gap"]


def _spikes(
    recording: Recording,
    terms: Terms,
    detector: Detector,
    windows: Sequence[tuple[int, ...]],
    begin: int,
    seed: int,
) -> dict[str, float]:
    """Share of single-tick spikes, put into the test split, that the model objects to, by size."""
    from oracle.detectors.training.trainers import cut

    draw, first = random.Random(seed), lessons.first_window(recording)
    found = {}
    relative = recording.kind is Kind.RELATIVE
    for size in SPIKES:
        spiked = []
        for _ in range(SPIKED):
            at, sign = draw.randrange(begin, len(recording)), draw.choice((1, -1))
            answer = recording.answers[at]
            wrong = answer + sign * (answer * size // 100 if relative else terms.sigma * size)
            now = encoding.move(recording.kind, terms.sigma, wrong, recording.answers[at - 1])
            spiked.append((now, *windows[at - first][1:]))
        scores = detector.score_many(cut(spiked, detector.features, detector.spread)).tolist()
        key = f"{size} %" if relative else f"{size} sigmas"
        found[key] = round(sum(max(each) > 0 for each in scores) / SPIKED, 3)
    return found


def _limits(config: TrainingConfig, splits: Mapping[str, Any]) -> list[str]:
    """What the model can't do, in sentences."""
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


def _longest(held: Sequence[int]) -> int:
    """The most reports in a row."""
    most = run = 0
    for index, at in enumerate(held):
        run = run + 1 if index and at == held[index - 1] + 1 else 1
        most = max(most, run)
    return most


def _quantiles(values: Sequence[float]) -> dict[str, Any]:
    """A sample as its quantiles, to four digits: enough for a two-sample test, and the same on every machine."""
    ordered = sorted(values)
    count = min(REFERENCE, len(ordered))
    picked = [ordered[int((index + 0.5) * len(ordered) / count)] for index in range(count)]
    return {"count": len(ordered), "quantiles": [float(f"{value:.4g}") for value in picked]}


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("arch", "numpy", "onnx", "scikit-learn", "scipy", "verifiable-oracle"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON; a file by its name."""
    return {
        key: value.name if isinstance(value, Path) else float(value) if isinstance(value, Decimal) else value
        for key, value in options.items()
    }


def markdown(card: Mapping[str, Any]) -> str:
    """The card for people."""
    data, model, budget = card["data"], card["model"], card["budget"]
    unit = "ppm" if data["kind"] == "relative" else "answer units"
    calibration = budget["calibration"]
    lines = [
        f"# Model card: {card['name']}",
        "",
        f"A detector of type `{card['detector']['type']}`, format `{model['format']}`, with {model['features']} "
        f"features and the outputs {', '.join(model['outputs'])}. A report is held if one of them is above 0.",
        "",
        "| | |",
        "|---|---|",
        f"| data | {data['source']}, {data['rows']} rows, {data['first']} to {data['last']} (UTC) |",
        f"| SHA-256 of the rows | `{data['sha256']}` |",
        f"| kind | {data['kind']}, {data['decimals']} decimals, columns {', '.join(data['value_columns'])} |",
        f"| sigma | {data['sigma']} {unit} over a heartbeat of {data['heartbeat']} s: set these in the feed |",
        f"| features | {', '.join(card['features'])} |",
        f"| seed | {card['seed']} |",
        f"| SHA-256 of the model file | `{model['sha256']}` |",
        "",
        "## Budget",
        "",
        f"{budget['false_holds_per_10k']} false holds per 10,000 reports. On the windows that the thresholds were set "
        f"on the model objects to {calibration['per_10k']:g} per 10,000 ({calibration['count']} of "
        f"{calibration['reports']}, {calibration['episodes']} episodes); {_per_cent(budget['confidence'])} interval "
        f"{_range(calibration)}. {budget['method']}.",
        "",
        "## Results",
        "",
        "Objections are on windows as if all before had been accepted; holds are of the whole gate, with what it "
        "accepted as history.",
        "",
        "| split | from | to | reports | objections per 10,000 | interval | holds per 10,000 | interval | longest |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {name} | {each['first']} | {each['last']} | {each['holds']['reports']} "
            f"| {each['objections']['per_10k']:g} | {_range(each['objections'])} "
            f"| {each['holds']['per_10k']:g} | {_range(each['holds'])} | {each['longest_hold']} |"
            for name, each in card["splits"].items()
        ),
        "",
        f"Of single-tick spikes put into the test split ({SPIKED} of each size, seeded) it objects to:",
        "",
        "| size | share |",
        "|--:|--:|",
        *(f"| {size} | {share:.3f} |" for size, share in card["spikes"].items()),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in card["limits"]),
        "",
        f"Trained with {', '.join(f'{name} {version}' for name, version in card['versions'].items())}.",
        "",
    ]
    return "\n".join(lines)


def _range(found: Mapping[str, Any]) -> str:
    low, high = found["interval_per_10k"]
    return f"{low:.3g} to {high:.3g}"


def _per_cent(share: str) -> str:
    return f"{float(share) * 100:g} %"
