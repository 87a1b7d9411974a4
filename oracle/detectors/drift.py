"""Drift: whether a model still fits its feed, and a retrained model as a proposal.

Recent reports are compared with what the model's card says. There are two questions, each with its statistic:

- *Do the scores look as they did?* Kolmogorov and Smirnov's two-sample test answers, on the windows' pressure: how near
  each is to its limit. Pressure does not depend on the market's volatility, as far as the model does not. Windows
  overlap, so only every thirteenth counts; these share no move.
- *Does it hold too much?* The rate of false holds answers, with the interval that the card has too. It is too much if
  the interval's lower end is above the budget. A hold counts as false if its level was accepted next.

Nothing here activates a model. A retrained model is a file, and a proposal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from oracle.config import JournalConfig, TrainingConfig, TrainingDataConfig
from oracle.core.encoding import Feature
from oracle.core.errors import DataError, ToolMissing
from oracle.detectors.interface import Detector
from oracle.detectors.trainers.windows import cut
from oracle.detectors.training.data import TrainingData, moment
from oracle.detectors.training.model_card import CARD_SCHEMA, THINNED, rate
from oracle.detectors.training.replay import pressures
from oracle.detectors.training.reports import Terms, features_of, windows
from oracle.detectors.training.run import Progress, Trained, train

SIGNIFICANCE = 0.001
"""The first test calls a fit model unfit as often as this."""

LEAST_THINNED = 30
"""Windows that a comparison needs, after thinning."""


@dataclass(frozen=True)
class DriftReport:
    """The comparison of recent reports with a model's card; also as JSON.

    Attributes:
        model: The model's name.
        reports: How many reports were looked at.
        first: Time of the first, for people.
        last: Time of the last.
        windows: How many windows were compared with the card's.
        statistic: Statistic of the two-sample test: the largest distance between the two distributions.
        p_value: The probability of a distance at least as large, if nothing changed.
        holds: The rate of false holds, with its interval.
        budget_per_10k: What the card allows.
        dropped: Held reports whose level was never accepted: apparently, faults that were caught.
        reasons: Why to retrain; empty if there is no reason.
    """

    model: str
    reports: int
    first: str
    last: str
    windows: int
    statistic: float
    p_value: float
    holds: Mapping[str, Any]
    budget_per_10k: float
    dropped: int
    reasons: tuple[str, ...]

    @property
    def retrain(self) -> bool:
        return bool(self.reasons)


def load_card(path: Path) -> dict[str, Any]:
    """Read a model card.

    Raises:
        DataError: It can't be read, or is not a card of this release.
    """
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"model card {path} can't be read: {error}") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    needed = {"schema", "name", "model", "data", "detector", "split", "budget", "seed", "pressures"}
    if not isinstance(card, dict) or card.get("schema") != CARD_SCHEMA or not needed <= set(card):
        raise DataError(f"{path} is not a model card of this release; `oracle detector train` writes NAME.card.json")
    return card


def check_model(card: Mapping[str, Any], path: Path) -> None:
    """Raise an error if a model file is not the card's.

    Raises:
        DataError: It is another one, or can't be read.
    """
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"model file {path} can't be read: {error}") from error
    if found != card["model"]["sha256"]:
        raise DataError(f"{path} is not the model of this card: its SHA-256 is {found[:16]}…; name it with --model")


def data_of(
    card: Mapping[str, Any], file: Path | None, journal: JournalConfig | None, feed: str | None
) -> TrainingDataConfig:
    """Return the place of recent reports with the card's terms: a feed's sigma and heartbeat are fixed on-chain.

    Args:
        card: The model card.
        file: A recording with the card's columns; None: a journal has the reports.
        journal: The journal.
        feed: The feed's name in the journal.
    """
    data = card["data"]
    return TrainingDataConfig(
        file=file,
        journal=journal,
        feed=feed,
        time_column=data["time_column"],
        value_columns=tuple(data["value_columns"]),
        kind=data["kind"],
        decimals=data["decimals"],
        sigma=data["sigma"],
        heartbeat=data["heartbeat"],
        repeated_times=data["repeated_times"],
        max_gap=data["max_gap"],
    )


def recent(data: TrainingData, last: int) -> TrainingData:
    """Return at most `last` of the latest reports."""
    reports = data.reports
    start = max(0, len(reports) - last)
    shorter = replace(
        reports,
        times=reports.times[start:],
        answers=reports.answers[start:],
        lowest=reports.lowest[start:],
        highest=reports.highest[start:],
    )
    return replace(data, reports=shorter, held=tuple(index - start for index in data.held if index >= start))


def monitor(card: Mapping[str, Any], detector: Detector, data: TrainingData) -> DriftReport:
    """Compare recent reports with the card.

    Args:
        card: The model card.
        detector: The card's model.
        data: The recent reports.

    Raises:
        DataError: There are too few.
        ToolMissing: The `train` extra is not installed.
    """
    try:
        from scipy.stats import ks_2samp  # an extra
    except ImportError as error:
        raise ToolMissing("monitoring needs scipy: pip install 'verifiable-oracle[train]'") from error
    reports, terms = data.reports, Terms(card["data"]["sigma"], card["data"]["heartbeat"])
    if Feature.SPREAD not in detector.features:
        reports = replace(reports, lowest=(), highest=())
    elif not reports.spread:
        raise DataError(f"the model {card['name']} looks at the spread of sources: give their values with --data")
    thinned = cut(windows(reports, terms), features_of(reports), detector.features)[::THINNED]
    if len(thinned) < LEAST_THINNED:
        raise DataError(
            f"{data.source}: too few reports: {len(reports)}, and at least {LEAST_THINNED * THINNED + THINNED} are "
            "needed to compare them with the card"
        )
    found = ks_2samp(pressures(detector, thinned), card["pressures"]["quantiles"], method="asymp")
    statistic, p_value = float(found.statistic), float(found.pvalue)
    holds = rate(data.held, len(reports), float(card["budget"]["confidence"]))
    budget = float(card["budget"]["false_holds_per_10k"])
    reasons = []
    if p_value < SIGNIFICANCE:
        reasons.append(
            f"the scores are distributed otherwise than the card's: Kolmogorov-Smirnov distance {statistic:.2f} over "
            f"{len(thinned)} windows, p = {p_value:.1e}"
        )
    if holds["interval_per_10k"][0] > budget:
        low, high = holds["interval_per_10k"]
        reasons.append(
            f"false holds are {holds['per_10k']:.3g} per 10,000 reports ({low:.3g} to {high:.3g}), and the budget is "
            f"{budget:g}"
        )
    return DriftReport(
        model=card["name"],
        reports=len(reports),
        first=moment(reports.times[0]),
        last=moment(reports.times[-1]),
        windows=len(thinned),
        statistic=round(statistic, 4),
        p_value=p_value,
        holds=holds,
        budget_per_10k=budget,
        dropped=data.dropped,
        reasons=tuple(reasons),
    )


def retrain(
    card: Mapping[str, Any],
    data: TrainingData,
    where: TrainingDataConfig,
    progress: Progress = lambda step: None,
) -> Trained:
    """Train the card's type of detector on recent reports, as a proposal under another name.

    Args:
        card: The model card.
        data: The recent reports.
        where: Their origin; see `data_of`.
        progress: Called with each step before it begins.

    Raises:
        DataError: The reports can't carry it, or the card has not what it takes.
    """
    return train(_configuration(card, where), data, progress)


def proposed_name(name: str) -> str:
    """Return the name of a model's successor: mine → mine-2 → mine-3."""
    stem, _, number = name.rpartition("-")
    if stem and number.isdecimal():
        return f"{stem}-{int(number) + 1}"
    return f"{name}-2"


def _configuration(card: Mapping[str, Any], data: TrainingDataConfig) -> TrainingConfig:
    chosen = dict(card["detector"])
    if chosen["type"] == "imported":
        raise DataError(
            "your own network is not trained here: train it where it came from, and set its limits with "
            "`oracle detector train`"
        )
    if "guard" in chosen:
        chosen["guard"] = Decimal(str(chosen["guard"]))
    return TrainingConfig.model_validate(
        {
            "data": data,
            "detector": {**chosen, "name": proposed_name(card["name"])},
            "split": {key: Decimal(value) for key, value in card["split"].items()},
            "budget": {key: Decimal(card["budget"][key]) for key in ("false_holds_per_10k", "confidence")},
            "seed": card["seed"],
        }
    )


def lines(report: DriftReport) -> Sequence[str]:
    """Return the report in sentences."""
    low, high = report.holds["interval_per_10k"]
    verdict = "retrain it" if report.retrain else "nothing says that it should be retrained"
    return (
        f"model {report.model}: {report.reports} reports, {report.first} to {report.last} (UTC): {verdict}",
        f"scores: Kolmogorov-Smirnov distance {report.statistic:.3f} over {report.windows} windows, p = "
        f"{report.p_value:.2g} (below {SIGNIFICANCE:g} counts)",
        f"false holds: {report.holds['per_10k']:.3g} per 10,000 ({low:.3g} to {high:.3g}), budget "
        f"{report.budget_per_10k:g}; {report.dropped} further holds look like faults that were caught",
        *(f"- {reason}" for reason in report.reasons),
    )
