"""The comparison of detectors on a recording: each is replayed, tried with faults, and set beside a static cap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from oracle.core.encoding import Feature
from oracle.core.errors import DataError
from oracle.core.statistics import clustered, percentile, wilson
from oracle.detectors.evaluation.caps import matching_cap
from oracle.detectors.evaluation.flips import count_flips
from oracle.detectors.evaluation.prepared import Prepared
from oracle.detectors.evaluation.replay import Judge, Scoring, replay
from oracle.detectors.evaluation.results import PER, Comparison, Evaluation, FaultRate
from oracle.detectors.evaluation.scaling import recall_curve, scaled_to, severity
from oracle.detectors.evaluation.shocks import episodes_of, shocks
from oracle.detectors.evaluation.trials import Trial, TrialResult, place, try_all
from oracle.detectors.interface import Detector
from oracle.sources.faults import Fault

__all__ = ["compare", "evaluate"]


def compare(
    detectors: Sequence[Detector],
    prepared: Prepared,
    faults: Sequence[Fault],
    *,
    count: int,
    seed: int,
    curve: bool = True,
    scale_to: float | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Comparison:
    """Evaluate detectors on a recording, and beside each the cap that has as many false holds.

    Args:
        detectors: Detectors of distinct names.
        prepared: The recording.
        faults: What to inject.
        count: Places for each fault.
        seed: Seed of the places, and of what a fault draws.
        curve: True to scale limits for the curve of recall against false holds, which takes longest.
        scale_to: Scale the limits of each detector, and choose the caps, so that on these very ticks at most this many
            of 10,000 reports are held: with hindsight, but the same for all.
        progress: Called with each step before it begins.

    Raises:
        DataError: Two detectors have the same name, or one needs features that the recording does not have.
    """
    names = [detector.name for detector in detectors]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"two models are called {name!r}; give one of them another name")
    progress(f"{len(faults)} kinds of fault at {count} places each")
    trials: list[Trial] = []
    skipped: dict[str, str] = {}
    for fault in faults:
        placed = place(prepared, fault, count, seed)
        trials += placed
        if not placed:
            skipped[fault.kind] = _why_skipped(fault, prepared)
    evaluations, caps = [], []
    known: dict[int, Evaluation] = {}
    for detector in detectors:
        if Feature.SPREAD in detector.features and len(prepared.recording.venues) < 2:
            raise DataError(
                f"model {detector.name} judges the spread between venues; {prepared.recording.name} has one only"
            )
        progress(f"{detector.name}: replay and faults")
        if scale_to is None:
            found = evaluate(detector, prepared, trials, curve=curve, flips=detector)
            holds = found.false_holds.hits
        else:
            holds = int(scale_to * (len(prepared.history) - prepared.history.number(prepared.begin)) / PER)
            scaled = scaled_to(detector, prepared, holds)
            found = replace(evaluate(scaled, prepared, trials, curve=curve), factor=scaled.factor)
        progress(f"{detector.name}: the cap with as many false holds")
        cap = matching_cap(prepared, holds)
        if cap.limit not in known:
            # All caps have one curve.
            known[cap.limit] = evaluate(cap, prepared, trials, curve=curve and not known)
        evaluations.append(found)
        caps.append(replace(known[cap.limit], matched=found.name))
    return Comparison(prepared, seed, tuple(evaluations), tuple(caps), skipped, scale_to)


def _why_skipped(fault: Fault, prepared: Prepared) -> str:
    if fault.needs_others and not prepared.recording.others:
        return "needs another asset's series (--other)"
    if fault.source and len(prepared.recording.venues) < 2:
        return "needs several venues (--value-column, more than once)"
    return f"fits nowhere: it lasts {fault.ticks} ticks, or changes nothing"


def evaluate(
    detector: Scoring,
    prepared: Prepared,
    trials: Sequence[Trial],
    *,
    curve: bool,
    flips: Detector | None = None,
) -> Evaluation:
    """Replay the recording and each trial.

    Args:
        detector: What to evaluate.
        prepared: The recording.
        trials: The faults at their places.
        curve: True to scale limits for the curve.
        flips: The detector whose integers and floats are compared; None: they are not.
    """
    judge = Judge(detector, prepared.feed)
    clean = replay(judge, prepared)
    episodes = episodes_of(clean)
    results = try_all(judge, prepared, clean, trials)
    severities = [severity(detector, clean.window(number)) for number in clean.numbers]
    return Evaluation(
        name=detector.name,
        matched=None,
        clean=clean,
        false_holds=clustered(clean.holds(), len(episodes), len(clean.numbers)),
        episodes=len(episodes),
        longest=max((rounds for rounds, _ in episodes), default=0),
        longest_s=max((seconds for _, seconds in episodes), default=0),
        reasons=dict(Counter(clean.reason(number).name.lower() for number in clean.numbers if clean.held(number))),
        silent=prepared.evaluated - len(clean.numbers),
        shocks=shocks(prepared, clean),
        faults=tuple(_fault_rates(trials, results)),
        flips=None if flips is None else count_flips(flips, clean, trials),
        curve=recall_curve(detector, prepared, clean, trials) if curve else (),
        severities=severities,
    )


def _fault_rates(trials: Sequence[Trial], results: Sequence[TrialResult | None]) -> Iterable[FaultRate]:
    by_kind: dict[str, list[tuple[Trial, TrialResult | None]]] = {}
    for trial, result in zip(trials, results, strict=True):
        by_kind.setdefault(trial.fault.kind, []).append((trial, result))
    for kind, found in by_kind.items():
        fault = found[0][0].fault
        good = [result for _, result in found if result is not None]
        latencies = [result.latency for result in good if result.latency is not None]
        seconds = [result.latency_s for result in good if result.latency_s is not None]
        of = max(1, len(good))
        # A fault that looks real must not be caught: its rate says how often it is held at all.
        caught = sum(result.held > 0 if fault.real else result.caught for result in good)
        yield FaultRate(
            kind=kind,
            group=fault.group,
            size=fault.size,
            ticks=fault.ticks,
            real=fault.real,
            tried=len(good),
            disturbed=len(found) - len(good),
            recall=wilson(caught, len(good)),
            latency=percentile(latencies, 50) if latencies else None,
            latency_p95=percentile(latencies, 95) if latencies else None,
            latency_s=percentile(seconds, 50) if seconds else None,
            written=sum(result.written for result in good) / of,
            worst=percentile([result.worst for result in good], 95) if good else 0.0,
            held=sum(result.held for result in good) / of,
            held_max=max((result.held for result in good), default=0),
            held_s_max=max((result.held_s for result in good), default=0),
            after=sum(result.after for result in good) / of,
            cleared=wilson(sum(result.cleared for result in good), len(good)),
            silent=sum(result.silent for result in good) / of,
        )
