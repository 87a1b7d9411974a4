"""The results of an evaluation: rates of faults, real shocks, a curve, and the comparison of several detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.core.statistics import Rate, wilson
from oracle.detectors.evaluation.prepared import Prepared
from oracle.detectors.evaluation.replay import Replay
from oracle.detectors.evaluation.trials import Lie

PER = 10_000
"""Reports that rates of false holds are given for."""


@dataclass(frozen=True, slots=True)
class FaultRate:
    """The faults of one kind, and how they ended.

    Errors are relative to the true value; on absolute feeds they are in sigmas.

    Attributes:
        kind: The kind of fault.
        lie: Whom it happened to.
        group: The group of kinds that it belongs to.
        size: The size of the fault, as the catalogue has it.
        ticks: How long it lasts.
        real: True if the feed is right, or if it looks like the market, so that it must pass or clear.
        tried: Places that were not disturbed by a hold of the recording itself.
        disturbed: Places that were.
        recall: Held at least once, of tried; of a fault of one source, harmless. The interval covers Wilson's and that
            of a bootstrap over days.
        days: The interval of the bootstrap alone.
        reasons: How often the first hold had each reason.
        latency: Median of the ticks until the first hold, of those that were held.
        latency_p95: 95th percentile of the same.
        latency_s: Median, in seconds.
        wrong: Mean number of ticks at which the reported answer is wrong.
        written: Mean number of them that became rounds.
        error_written: Mean error of those.
        worst_written: The largest.
        error_held: Mean error of what a reader saw while reports were held.
        worst_held: The largest.
        held: Mean number of held reports.
        held_max: The largest number of them.
        held_s_max: The longest hold, in seconds.
        after: Mean number of true reports held afterwards.
        cleared: Share after which a true report was accepted within the bound.
        silent: Mean number of ticks without a report.
    """

    kind: str
    lie: Lie
    group: str
    size: float
    ticks: int
    real: bool
    tried: int
    disturbed: int
    recall: Rate
    days: tuple[float, float]
    reasons: dict[str, int]
    latency: float | None
    latency_p95: float | None
    latency_s: float | None
    wrong: float
    written: float
    error_written: float
    worst_written: float
    error_held: float
    worst_held: float
    held: float
    held_max: int
    held_s_max: int
    after: float
    cleared: Rate
    silent: float

    @property
    def stopped(self) -> float | None:
        """The share of wrong answers that were not written; None if there was none."""
        return 1 - self.written / self.wrong if self.wrong else None


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
        false_holds: The rate of held reports in it, without those of stretches that are known to be wrong. The
            interval covers that of episodes and that of a bootstrap over days.
        days: The interval of the bootstrap alone.
        episodes: Number of false holds, of one or more reports each.
        longest: Reports of the longest hold.
        longest_s: Seconds of the longest hold.
        reasons: Falsely held reports by reason; see `replay.HOLDS`.
        excused: Held reports in stretches that are known to be wrong, by reason.
        silent: Ticks without a report.
        error_held: Mean error of what a reader saw while reports were held falsely: how far the last round was from the
            truth; relative, on absolute feeds in sigmas.
        worst_held: The largest.
        shocks: The largest real moves.
        faults: What became of the faults, by kind.
        flips: Verdicts that the float formula gives otherwise; None where that is not known.
        curve: False holds and recall with scaled limits.
        severities: How near each report that counts was to its limit: above 1 the detector objects.
        warnings: What makes these figures mean less than they seem to.
        factor: The factor by which the detector's limits were scaled.
    """

    name: str
    matched: str | None
    clean: Replay
    false_holds: Rate
    days: tuple[float, float]
    episodes: int
    longest: int
    longest_s: int
    reasons: dict[str, int]
    excused: dict[str, int]
    silent: int
    error_held: float
    worst_held: float
    shocks: tuple[Shock, ...]
    faults: tuple[FaultRate, ...]
    flips: Rate | None
    curve: tuple[CurvePoint, ...]
    severities: Sequence[float]
    warnings: tuple[str, ...] = ()
    factor: float = 1.0

    def fault(self, kind: str, lie: Lie = Lie.OWN) -> FaultRate | None:
        """Return what became of the faults of a kind; None if it was not tried."""
        return next((fault for fault in self.faults if fault.kind == kind and fault.lie is lie), None)

    def shares(self, lie: Lie, group: str) -> dict[str, Rate]:
        """Return recall by kind of fault, of those that happened to `lie`."""
        return {fault.kind: fault.recall for fault in self.faults if fault.lie is lie and fault.group == group}

    @property
    def peer_lie_holds_own(self) -> dict[str, Rate]:
        """The share of the feed's honest rounds that a fault of its first peer alone holds, by kind of fault."""
        return self.shares(Lie.OWN, "peer")

    @property
    def shock_rounds_max(self) -> int:
        """The reports of the longest hold of one of the largest real moves."""
        return max((shock.held for shock in self.shocks), default=0)

    @property
    def shock_seconds_max(self) -> int:
        """The seconds of the longest hold of one of the largest real moves."""
        return max((shock.held_s for shock in self.shocks), default=0)

    def pooled(self, group: str) -> Rate:
        """Return the recall over all kinds of a group."""
        of = [fault.recall for fault in self.faults if fault.group == group and fault.lie is Lie.OWN]
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
        warnings: What makes the figures of all detectors mean less than they seem to.
        notes: Where the terms come from, and what was changed when the recording was read.
        scale_to: False holds per 10,000 that all were scaled to, with hindsight; None: they are as they were given.
    """

    prepared: Prepared
    seed: int
    evaluations: tuple[Evaluation, ...]
    caps: tuple[Evaluation, ...]
    skipped: dict[str, str]
    scale_to: float | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def cap_of(self, evaluation: Evaluation) -> Evaluation:
        """Return the cap that has as many false holds as a detector."""
        return next(cap for cap in self.caps if cap.matched == evaluation.name)

    @property
    def all(self) -> tuple[Evaluation, ...]:
        """The detectors, each followed by its cap."""
        return tuple(each for pair in zip(self.evaluations, self.caps, strict=True) for each in pair)
