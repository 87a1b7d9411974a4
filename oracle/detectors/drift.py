"""Whether a model still fits its feed: recent reports against what the model's card says, and a retrained proposal.

Two questions, each with its statistic:

- *Do the scores look as they did?* Kolmogorov and Smirnov's two-sample test on the windows' pressure, which is how near
  each is to its limit: it is free of the market's volatility as far as the model is. Windows overlap, so only every
  fifteenth counts; these share no move.
- *Does it hold too much?* The rate of false holds, with the card's kind of interval: too much is what lies above the
  budget even at the interval's lower end. A hold counts as false if its level was accepted next.

Nothing here activates a model. A retrained one is a file, and a proposal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.core.errors import DataError, ToolMissing
from oracle.detectors.interface import Detector
from oracle.detectors.training import Progress, Trained, lessons, train
from oracle.detectors.training.card import CARD_SCHEMA, THINNED, rate
from oracle.detectors.training.lessons import Terms
from oracle.detectors.training.recordings import Learnt, from_reports, moment
from oracle.detectors.training.trainers import cut

if TYPE_CHECKING:
    from oracle.config import Config, JournalConfig, TrainingConfig, TrainingDataConfig

SIGNIFICANCE = 0.001
"""A fit model is called unfit by the first test as often as this."""

LEAST_THINNED = 30


@dataclass(frozen=True)
class Finding:
    """What the recent reports say; also as JSON.

    Attributes:
        model: Its name.
        reports: That were looked at.
        first: Time of the first, for people.
        last: Time of the last.
        windows: That were compared with the card's.
        statistic: Of the two-sample test: the largest distance between the two distributions.
        p_value: How likely one as large is, if nothing changed.
        holds: The rate of false holds, with its interval.
        budget_per_10k: What the card allows.
        dropped: Held reports whose level was never accepted: faults that were caught, as it seems.
        reasons: Why to retrain; empty: there is no reason.
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
    """Reads a model card.

    Raises:
        DataError: It can't be read, or is none of this release.
    """
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"model card {path} can't be read: {error}") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    needed = {"schema", "name", "model", "data", "detector", "split", "budget", "seed", "pressures"}
    if not isinstance(card, dict) or card.get("schema") != CARD_SCHEMA or not needed <= set(card):
        raise DataError(f"{path} is no model card of this release; `oracle detector train` writes NAME.card.json")
    return card


def check_model(card: Mapping[str, Any], path: Path) -> None:
    """Refuses a model file that is another one than the card's.

    Raises:
        DataError: It is, or can't be read.
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
    """Where recent reports are, with the card's terms: a feed's sigma and heartbeat are fixed on-chain."""
    from oracle.config import TrainingDataConfig

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


async def from_chain(config: Config, feed: str, data: TrainingDataConfig, last: int) -> Learnt:
    """A feed's latest rounds, and what was held meanwhile.

    Raises:
        DataError: There is no such feed.
    """
    from oracle.chain.deploy import load_deployment
    from oracle.chain.hub import Hub, RoundHeld
    from oracle.chain.transport.endpoints import connect

    deployment = load_deployment(config.chain.deployment)
    if feed not in deployment.feeds:
        raise DataError(f"there is no feed {feed!r}; deployed are: {', '.join(deployment.feeds)}")
    feed_id = deployment.feeds[feed].feed_id
    async with connect(config.chain) as rpc:
        hub = Hub(rpc, deployment.hub)
        newest = (await hub.feed_state(feed_id)).round_id
        rounds = await hub.rounds(feed_id, max(1, newest - last + 1), newest)
        events = await hub.logs(deployment.block, await rpc.block_number())
    since = rounds[0].observed_at if rounds else 0
    reports = [(each.observed_at, each.answer, False) for each in rounds]
    reports += [
        (event.observed_at, event.answer, True)
        for event in events
        if isinstance(event, RoundHeld) and event.feed_id == feed_id and event.observed_at >= since
    ]
    return from_reports(reports, data, f"feed {feed}")


def recent(learnt: Learnt, last: int) -> Learnt:
    """The last so many reports."""
    start = max(0, len(learnt.recording) - last)
    recording = learnt.recording
    shorter = replace(
        recording,
        times=recording.times[start:],
        answers=recording.answers[start:],
        lowest=recording.lowest[start:],
        highest=recording.highest[start:],
    )
    held = tuple(index - start for index in learnt.held if index >= start)
    return replace(learnt, recording=shorter, held=held)


def monitor(card: Mapping[str, Any], detector: Detector, learnt: Learnt) -> Finding:
    """Compares recent reports with the card.

    Raises:
        DataError: There are too few.
        ToolMissing: The `train` extra is not installed.
    """
    try:
        from scipy.stats import ks_2samp
    except ImportError as error:
        raise ToolMissing("monitoring needs scipy: pip install 'verifiable-oracle[train]'") from error
    recording, terms = learnt.recording, Terms(card["data"]["sigma"], card["data"]["heartbeat"])
    if not detector.spread:
        recording = replace(recording, lowest=(), highest=())
    elif not recording.spread:
        raise DataError(f"the model {card['name']} looks at the spread of sources: give their values with --data")
    windows = cut(lessons.windows(recording, terms), detector.features, detector.spread)[::THINNED]
    if len(windows) < LEAST_THINNED:
        raise DataError(
            f"{learnt.source}: too few reports: {len(recording)}, and at least {LEAST_THINNED * THINNED + THINNED} are "
            "needed to compare them with the card"
        )
    found = ks_2samp(lessons.pressures(detector, windows), card["pressures"]["quantiles"], method="asymp")
    statistic, p_value = float(found.statistic), float(found.pvalue)
    holds = rate(learnt.held, len(recording), float(card["budget"]["confidence"]))
    budget = float(card["budget"]["false_holds_per_10k"])
    reasons = []
    if p_value < SIGNIFICANCE:
        reasons.append(
            f"the scores are distributed otherwise than the card's: Kolmogorov-Smirnov distance {statistic:.2f} over "
            f"{len(windows)} windows, p = {p_value:.1e}"
        )
    if holds["interval_per_10k"][0] > budget:
        low, high = holds["interval_per_10k"]
        reasons.append(
            f"false holds are {holds['per_10k']:.3g} per 10,000 reports ({low:.3g} to {high:.3g}), and the budget is "
            f"{budget:g}"
        )
    return Finding(
        model=card["name"],
        reports=len(recording),
        first=moment(recording.times[0]),
        last=moment(recording.times[-1]),
        windows=len(windows),
        statistic=round(statistic, 4),
        p_value=p_value,
        holds=holds,
        budget_per_10k=budget,
        dropped=learnt.dropped,
        reasons=tuple(reasons),
    )


def retrain(
    card: Mapping[str, Any], learnt: Learnt, data: TrainingDataConfig, progress: Progress = lambda step: None
) -> Trained:
    """Trains the card's kind of detector on recent reports, as a proposal under another name.

    Raises:
        DataError: The reports can't carry it, or the card does not have what it takes.
    """
    return train(_configuration(card, data), learnt, progress)


def proposed_name(name: str) -> str:
    """mine → mine-2 → mine-3."""
    stem, _, number = name.rpartition("-")
    if stem and number.isdecimal():
        return f"{stem}-{int(number) + 1}"
    return f"{name}-2"


def _configuration(card: Mapping[str, Any], data: TrainingDataConfig) -> TrainingConfig:
    from oracle.config import TrainingConfig

    chosen = dict(card["detector"])
    if chosen["type"] == "imported":
        raise DataError(
            "a network of one's own is not trained here: train it where it came from, and set its limits with "
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


def lines(finding: Finding) -> Sequence[str]:
    """The finding in words."""
    low, high = finding.holds["interval_per_10k"]
    verdict = "retrain it" if finding.retrain else "nothing says that it should be retrained"
    return (
        f"model {finding.model}: {finding.reports} reports, {finding.first} to {finding.last} (UTC): {verdict}",
        f"scores: Kolmogorov-Smirnov distance {finding.statistic:.3f} over {finding.windows} windows, p = "
        f"{finding.p_value:.2g} (below {SIGNIFICANCE:g} counts)",
        f"false holds: {finding.holds['per_10k']:.3g} per 10,000 ({low:.3g} to {high:.3g}), budget "
        f"{finding.budget_per_10k:g}; {finding.dropped} further holds look like faults that were caught",
        *(f"- {reason}" for reason in finding.reasons),
    )
