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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from oracle.config import JournalConfig, TrainingConfig, TrainingDataConfig
from oracle.core.documents import NotJson, parse_json
from oracle.core.encoding import Feature
from oracle.core.errors import DataError, ToolMissing
from oracle.detectors.interface import Detector
from oracle.detectors.trainers.windows import cut
from oracle.detectors.training.data import TrainingData, beside, moment
from oracle.detectors.training.model_card import CARD_SCHEMA, THINNED, rate
from oracle.detectors.training.replay import pressures
from oracle.detectors.training.reports import FIRST_WINDOW, Reports, Terms, counted, features_of, windows
from oracle.detectors.training.run import Progress, Trained, train

SIGNIFICANCE = 0.001
"""The first test calls a fit model unfit as often as this."""

LEAST_THINNED = 30
"""Windows that a comparison needs, after thinning."""


@dataclass(frozen=True)
class DriftReport:
    """The comparison of a series' recent reports with a model's card; also as JSON.

    Attributes:
        model: The model's name.
        series: The series' name in the card.
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
    series: str
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
        card = parse_json(path.read_bytes())
    except (OSError, NotJson) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"model card {path} can't be read: {reason}") from error
    needed = {"schema", "name", "model", "series", "detector", "split", "budget", "seed"}
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
    card: Mapping[str, Any], given: Mapping[str, Path | str], journal: JournalConfig | None = None
) -> tuple[TrainingDataConfig, ...]:
    """Return the places of recent reports with the card's terms: a feed's sigma and heartbeat are fixed on-chain.

    Args:
        card: The model card.
        given: By the names of the card's series and of their peers: a recording with the card's columns, or a feed. The
            name may be empty if the card has one series.
        journal: The journal, or any other place, of the feeds.

    Raises:
        DataError: A name is not the card's, or a peer is missing.
    """
    sections = {section["name"]: section["data"] for section in card["series"]}
    peers = {peer["name"]: peer for data in sections.values() for peer in data["peers"] if peer["column"] is None}
    named = dict(given)
    if "" in named:
        if len(sections) > 1:
            raise DataError(f"the model has several series, so say which: NAME=…, of {', '.join(sections)}")
        named = {next(iter(sections)): named.pop(""), **named}
    known = [*sections, *(name for name in peers if name not in sections)]
    if strange := [name for name in named if name not in known]:
        raise DataError(f"the card of {card['name']} has no series or peer {strange[0]!r}; it has {', '.join(known)}")
    found = []
    for name, where in named.items():
        place: dict[str, Any] = {"name": name}
        place |= {"file": where} if isinstance(where, Path) else {"journal": journal, "feed": where}
        if name not in sections:
            peer = peers[name]
            terms = {key: peer[key] for key in ("kind", "decimals", "sigma")}
            found.append(TrainingDataConfig(**place, **terms, reference=True))
            continue
        data = sections[name]
        others = [peer for peer in data["peers"] if peer["column"] is None]
        if missing := [peer["name"] for peer in others if peer["name"] not in named]:
            raise DataError(f"series {name} has the peer {missing[0]}: give its reports too, as {missing[0]}=…")
        found.append(
            TrainingDataConfig(
                **place,
                time_column=data["time_column"] or None,
                value_columns=tuple(data["value_columns"]),
                peers=tuple(peer["name"] for peer in others),
                peer_columns={peer["name"]: peer["column"] for peer in data["peers"] if peer["column"] is not None},
                peer_max_age=max((peer["max_age"] for peer in data["peers"]), default=None),
                **{key: data[key] for key in ("kind", "decimals", "sigma", "heartbeat", "repeated_times", "max_gap")},
            )
        )
    if not any(not each.reference for each in found):
        raise DataError(f"only peers are given: name a series of the card, of {', '.join(sections)}")
    return tuple(found)


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
        counts=reports.counts[start:],
    )
    return replace(data, reports=shorter, held=tuple(index - start for index in data.held if index >= start))


def monitor(card: Mapping[str, Any], detector: Detector, data: Sequence[TrainingData]) -> list[DriftReport]:
    """Compare recent reports with the card, series by series.

    Args:
        card: The model card.
        detector: The card's model.
        data: The recent reports of series of the card, and of their peers; see `data_of`.

    Raises:
        DataError: There are too few.
        ToolMissing: The `train` extra is not installed.
    """
    sections = {section["name"]: section for section in card["series"]}
    return [
        _compare(card, sections[each.name], detector, each, _beside(sections[each.name], each, data))
        for each in data
        if not each.config.reference
    ]


def _beside(section: Mapping[str, Any], data: TrainingData, others: Sequence[TrainingData]) -> Reports:
    """Return a series' reports with its peers, in the card's terms."""
    found = {each.name: each for each in (*others, *data.columns)}
    reports = data.reports
    for peer in section["data"]["peers"]:
        (one,) = beside(data.reports, [(found[peer["name"]], Terms(peer["sigma"], 1))], peer["max_age"]).peers
        reports = replace(reports, peers=(*reports.peers, one))
    return reports


def _compare(
    card: Mapping[str, Any], section: Mapping[str, Any], detector: Detector, data: TrainingData, reports: Reports
) -> DriftReport:
    """Compare a series' recent reports with the card."""
    try:
        from scipy.stats import ks_2samp  # an extra
    except ImportError as error:
        raise ToolMissing("monitoring needs scipy: pip install 'verifiable-oracle[train]'") from error
    terms = Terms(section["data"]["sigma"], section["data"]["heartbeat"])
    if Feature.SPREAD in detector.features and not reports.spread:
        raise DataError(f"the model {card['name']} looks at the spread of sources: give their values with --data")
    seen = windows(reports, terms)
    kept = [seen[at - FIRST_WINDOW] for at, counts in enumerate(counted(reports)) if counts]
    thinned = cut(kept, features_of(reports), detector.features)[::THINNED]
    if len(thinned) < LEAST_THINNED:
        raise DataError(
            f"{data.source}: too few reports: {len(reports)}, and at least {LEAST_THINNED * THINNED + THINNED} are "
            "needed to compare them with the card"
        )
    found = ks_2samp(pressures(detector, thinned), section["pressures"]["quantiles"], method="asymp")
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
        series=section["name"],
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


def retrain(card: Mapping[str, Any], data: Sequence[TrainingData], progress: Progress = lambda step: None) -> Trained:
    """Train the card's type of detector on recent reports, as a proposal under another name.

    Args:
        card: The model card.
        data: The recent reports, with the configurations that `data_of` returned.
        progress: Called with each step before it begins.

    Raises:
        DataError: The reports can't carry it, or the card has not what it takes.
    """
    return train(_configuration(card, tuple(each.config for each in data)), data, progress)


def proposed_name(name: str) -> str:
    """Return the name of a model's successor: mine → mine-2 → mine-3."""
    stem, _, number = name.rpartition("-")
    if stem and number.isdecimal():
        return f"{stem}-{int(number) + 1}"
    return f"{name}-2"


def _configuration(card: Mapping[str, Any], data: tuple[TrainingDataConfig, ...]) -> TrainingConfig:
    chosen = dict(card["detector"])
    if chosen["type"] == "imported":
        raise DataError(
            "your own network is not trained here: train it where it came from, and set its limits with "
            "`oracle detector train`"
        )
    for key in ("guard", "vary"):
        if key in chosen:
            chosen[key] = Decimal(str(chosen[key]))
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
        f"model {report.model}, series {report.series}: {report.reports} reports, {report.first} to {report.last} "
        f"(UTC): {verdict}",
        f"scores: Kolmogorov-Smirnov distance {report.statistic:.3f} over {report.windows} windows, p = "
        f"{report.p_value:.2g} (below {SIGNIFICANCE:g} counts)",
        f"false holds: {report.holds['per_10k']:.3g} per 10,000 ({low:.3g} to {high:.3g}), budget "
        f"{report.budget_per_10k:g}; {report.dropped} further holds look like faults that were caught",
        *(f"- {reason}" for reason in report.reasons),
    )
