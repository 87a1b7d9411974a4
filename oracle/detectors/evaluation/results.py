"""The results of an evaluation: rates of faults, real shocks, a curve, and the comparison of several detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.core.statistics import Rate, wilson
from oracle.detectors.evaluation.prepared import Prepared
from oracle.detectors.evaluation.replay import Replay

PER = 10_000
"""Reports that rates of false holds are given for."""


@dataclass(frozen=True, slots=True)
class FaultRate:
    """The faults of one kind, and how they ended.

    Attributes:
        kind: The kind of fault.
        group: The group of kinds that it belongs to.
        size: The size of the fault, as the catalogue has it.
        ticks: How long it lasts.
        real: True if it looks like the market, so that it must pass or clear.
        tried: Places that were not disturbed by a hold of the recording itself.
        disturbed: Places that were.
        recall: Caught of tried; of faults that look real, held at all of tried.
        latency: Median of the ticks until the first hold, of those that were caught.
        latency_p95: 95th percentile of the same.
        latency_s: Median, in seconds.
        written: Mean of the faulty answers that became rounds.
        worst: 95th percentile of the largest written error; relative, on absolute feeds in sigmas.
        held: Mean number of held reports.
        held_max: The largest number of them.
        held_s_max: The longest hold, in seconds.
        after: Mean number of true reports held afterwards.
        cleared: Share after which a true report was accepted within the bound.
        silent: Mean number of ticks without a report.
    """

    kind: str
    group: str
    size: float
    ticks: int
    real: bool
    tried: int
    disturbed: int
    recall: Rate
    latency: float | None
    latency_p95: float | None
    latency_s: float | None
    written: float
    worst: float
    held: float
    held_max: int
    held_s_max: int
    after: float
    cleared: Rate
    silent: float


@dataclass(frozen=True, slots=True)
class Shock:
    """A real move, one of the largest.

    Attributes:
        index: The tick's index in the recording.
        time: Unix seconds.
        move: Relative, or on absolute feeds in sigmas.
        sigmas: The move against what the time gap allows.
        held: Reports held in a row from it on.
        held_s: Seconds from the first of them to the first accepted one.
    """

    index: int
    time: int
    move: float
    sigmas: float
    held: int
    held_s: int


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """False holds per 10,000 reports, and recall of spikes, with all limits scaled by a factor."""

    factor: float
    false_holds: float
    recall: float


@dataclass(frozen=True)
class Evaluation:
    """One detector on one recording.

    Attributes:
        name: The detector's name.
        matched: Name of the detector that this cap has as many false holds as; None if this is not a cap.
        clean: The recording's own replay.
        false_holds: The rate of held reports in it.
        episodes: Number of holds, of one or more reports each.
        longest: Reports of the longest hold.
        longest_s: Seconds of the longest hold.
        reasons: Held reports by reason.
        silent: Ticks without a report.
        shocks: The largest real moves.
        faults: What became of the faults, by kind.
        flips: Verdicts that the float formula gives otherwise; None where that is not known.
        curve: False holds and recall with scaled limits.
        severities: How near each report that counts was to its limit: above 1 the detector objects.
        factor: The factor by which the detector's limits were scaled.
    """

    name: str
    matched: str | None
    clean: Replay
    false_holds: Rate
    episodes: int
    longest: int
    longest_s: int
    reasons: dict[str, int]
    silent: int
    shocks: tuple[Shock, ...]
    faults: tuple[FaultRate, ...]
    flips: Rate | None
    curve: tuple[CurvePoint, ...]
    severities: Sequence[float]
    factor: float = 1.0

    def fault(self, kind: str) -> FaultRate | None:
        """Return what became of the faults of a kind; None if it was not tried."""
        return next((fault for fault in self.faults if fault.kind == kind), None)

    def pooled(self, group: str) -> Rate:
        """Return the recall over all kinds of a group."""
        of = [fault.recall for fault in self.faults if fault.group == group]
        return wilson(sum(rate.hits for rate in of), sum(rate.of for rate in of))


@dataclass(frozen=True)
class Comparison:
    """Detectors on one recording, each with the cap that has as many false holds.

    Attributes:
        prepared: The recording and its feed.
        seed: Seed of the places.
        evaluations: The detectors.
        caps: A cap for each detector, in the same order.
        skipped: Faults that could not be tried, and why.
        scale_to: False holds per 10,000 that all were scaled to, with hindsight; None: they are as they were given.
    """

    prepared: Prepared
    seed: int
    evaluations: tuple[Evaluation, ...]
    caps: tuple[Evaluation, ...]
    skipped: dict[str, str]
    scale_to: float | None = None

    def cap_of(self, evaluation: Evaluation) -> Evaluation:
        """Return the cap that has as many false holds as a detector."""
        return next(cap for cap in self.caps if cap.matched == evaluation.name)

    @property
    def all(self) -> tuple[Evaluation, ...]:
        """The detectors, each followed by its cap."""
        return tuple(each for pair in zip(self.evaluations, self.caps, strict=True) for each in pair)
