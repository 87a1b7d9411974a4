"""The comparison of detectors on a recording: each is replayed, tried with faults, and set beside a static cap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from oracle.core.encoding import Feature
from oracle.core.errors import DataError
from oracle.core.statistics import block_bootstrap, clustered, percentile, widened, wilson
from oracle.detectors.evaluation.caps import matching_cap
from oracle.detectors.evaluation.flips import count_flips
from oracle.detectors.evaluation.outcomes import Outcomes, Trials, try_all
from oracle.detectors.evaluation.prepared import Prepared
from oracle.detectors.evaluation.replay import HOLDS, Judge, Replay, Scoring, replay
from oracle.detectors.evaluation.results import PER, Comparison, Evaluation, FaultRate
from oracle.detectors.evaluation.scaling import recall_curve, scaled_to, severities
from oracle.detectors.evaluation.shocks import episodes_of, error_of, shocks
from oracle.detectors.evaluation.trials import PEER_FAULTS, Lie, Trial, lying, place
from oracle.detectors.evaluation.warn import of_detector, of_recording
from oracle.detectors.interface import Detector
from oracle.sources.faults import Fault

__all__ = ["compare", "evaluate", "placed"]

BUDGET = 5.0
"""False holds of 10,000 that are allowed where nobody says otherwise."""

DAY = 86_400
"""A day is the block of the bootstrap: what happens on one hangs together."""

LIES = {"spike": (Lie.JOINT, Lie.BLIND), "drift": (Lie.JOINT,)}
"""Whom faults of a group happen to besides the feed alone, if it has a peer."""


def compare(
    detectors: Sequence[Detector],
    prepared: Prepared,
    faults: Sequence[Fault],
    *,
    count: int,
    seed: int,
    curve: bool = True,
    scale_to: float | None = None,
    budget: float = BUDGET,
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
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
        budget: False holds of 10,000 beyond which there is a warning.
        notes: What there is to say of the terms, in sentences.
        warnings: Likewise, loudly.
        progress: Called with each step before it begins.

    Raises:
        DataError: Two detectors have the same name, or one needs features that the recording does not have.
    """
    names = [detector.name for detector in detectors]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"two models are called {name!r}; give one of them another name")
    progress(f"{len(faults)} kinds of fault at {count} places each")
    trials, skipped = placed(prepared, faults, count, seed)
    evaluations, caps = [], []
    known: dict[int, Evaluation] = {}
    for detector in detectors:
        _check(detector, prepared)
        progress(f"{detector.name}: replay and faults")
        if scale_to is None:
            found = evaluate(detector, prepared, trials, curve=curve, flips=detector)
            holds = found.false_holds.hits
        else:
            holds = int(scale_to * _counted(prepared) / PER)
            scaled = scaled_to(detector, prepared, holds)
            found = replace(evaluate(scaled, prepared, trials, curve=curve), factor=scaled.factor)
        progress(f"{detector.name}: the cap with as many false holds")
        cap = matching_cap(prepared, holds)
        if cap.limit not in known:
            # All caps have one curve.
            known[cap.limit] = evaluate(cap, prepared, trials, curve=curve and not known)
        evaluations.append(replace(found, warnings=of_detector(found, prepared, budget)))
        caps.append(replace(known[cap.limit], matched=found.name))
    loud = (*warnings, *of_recording(prepared, budget))
    return Comparison(prepared, seed, tuple(evaluations), tuple(caps), skipped, scale_to, loud, tuple(notes))


def placed(prepared: Prepared, faults: Sequence[Fault], count: int, seed: int) -> tuple[Trials, dict[str, str]]:
    """Return faults at their places, and why others fit nowhere.

    Where the feed has a peer, spikes and drifts are tried again: the peer lies along, or isn't seen; and the peer lies
    while the feed is honest.
    """
    trials: list[Trial] = []
    skipped: dict[str, str] = {}
    for fault in faults:
        found = place(prepared, fault, count, seed)
        trials += found
        if not found:
            skipped[fault.kind] = _why_skipped(fault, prepared)
        if prepared.feed.peers:
            for lie in LIES.get(fault.group, ()):
                trials += [lying(prepared, trial, lie) for trial in found]
    if prepared.feed.peers:
        for fault in PEER_FAULTS.values():
            trials += place(prepared, fault, count, seed)
    return Trials(prepared, trials), skipped


def _counted(prepared: Prepared) -> int:
    """Return how many reports count, without those that are known to be wrong."""
    history = prepared.history
    return sum(index not in prepared.bad for index in history.indices[history.number(prepared.begin) :])


def _check(detector: Scoring, prepared: Prepared) -> None:
    if Feature.SPREAD in detector.features and len(prepared.recording.venues) < 2:
        raise DataError(
            f"model {detector.name} judges the spread between venues; {prepared.recording.name} has one only"
        )


def _why_skipped(fault: Fault, prepared: Prepared) -> str:
    if fault.needs_others and not prepared.recording.others:
        return "needs another asset's series (--other)"
    if fault.source and len(prepared.recording.venues) < 2:
        return "needs several venues (--value-column, more than once)"
    return f"fits nowhere: it lasts {fault.ticks} ticks, or changes nothing"


def evaluate(
    detector: Scoring,
    prepared: Prepared,
    trials: Trials,
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
    outcomes = try_all(judge, clean, trials)
    counted = [number for number in clean.numbers if number not in clean.excused]
    held = [clean.held(number) for number in counted]
    false = [number for number, is_held in zip(counted, held, strict=True) if is_held]
    days = block_bootstrap([clean.history.ticks[number].time // DAY for number in counted], held)
    errors = [error_of(prepared.feed, clean.state(number).answer, clean.history.answers[number]) for number in false]
    return Evaluation(
        name=detector.name,
        matched=None,
        clean=clean,
        false_holds=widened(clustered(len(false), len(episodes), len(counted)), days),
        days=days,
        episodes=len(episodes),
        longest=max((rounds for rounds, _ in episodes), default=0),
        longest_s=max((seconds for _, seconds in episodes), default=0),
        reasons=_reasons(clean, false),
        excused=_reasons(clean, [number for number in clean.excused if clean.held(number)]),
        silent=prepared.evaluated - len(clean.numbers),
        error_held=sum(errors) / len(errors) if errors else 0.0,
        worst_held=max(errors, default=0.0),
        shocks=shocks(prepared, clean),
        faults=tuple(_fault_rates(trials, outcomes)),
        flips=None if flips is None else count_flips(flips, clean, trials),
        curve=recall_curve(detector, prepared, clean, trials) if curve else (),
        severities=severities(detector, clean.table()[clean.begin :]).tolist(),
    )


def _reasons(clean: Replay, numbers: Iterable[int]) -> dict[str, int]:
    counts = Counter(clean.why(number) for number in numbers)
    return {why: counts[why] for why in HOLDS if counts[why]}


def _fault_rates(trials: Trials, outcomes: Outcomes) -> Iterable[FaultRate]:
    by_kind: dict[tuple[str, Lie], list[int]] = {}
    for index, trial in enumerate(trials):
        by_kind.setdefault((trial.fault.kind, trial.lie), []).append(index)
    for rows in by_kind.values():
        yield _fault_rate(trials, outcomes, np.array(rows))


def _fault_rate(trials: Trials, outcomes: Outcomes, rows: np.ndarray) -> FaultRate:
    first = trials[int(rows[0])]
    fault, good = first.fault, rows[outcomes.good[rows]]
    found = outcomes.of(good)
    noticed = found.latency > 0
    of, written, held = max(1, len(good)), int(found.written.sum()), int(found.held.sum())
    # A fault that looks real must not be held: its rate says how often it is held at all.
    hits = found.held > 0 if fault.real else found.caught
    # What holds an honest feed is the peer's lie itself, at its own tick.
    hits = found.latency == 1 if fault.group == "peer" else hits
    days = block_bootstrap([trials.prepared.ticks[index].time // DAY for index in trials.first[good].tolist()], hits)
    return FaultRate(
        kind=fault.kind,
        lie=first.lie,
        group=fault.group,
        size=fault.size,
        ticks=fault.ticks,
        real=fault.real,
        tried=len(good),
        disturbed=len(rows) - len(good),
        recall=widened(wilson(int(hits.sum()), len(good)), days),
        days=days,
        reasons={why: count for index, why in enumerate(HOLDS) if (count := int((found.why == index).sum()))},
        latency=_percentile(found.latency[noticed], 50),
        latency_p95=_percentile(found.latency[noticed], 95),
        latency_s=_percentile(found.latency_s[noticed], 50),
        wrong=int(found.wrong.sum()) / of,
        written=written / of,
        error_written=float(found.error_written.sum()) / max(1, written),
        worst_written=float(found.worst_written.max(initial=0.0)),
        error_held=float(found.error_held.sum()) / max(1, held),
        worst_held=float(found.worst_held.max(initial=0.0)),
        held=held / of,
        held_max=int(found.held.max(initial=0)),
        held_s_max=int(found.held_s.max(initial=0)),
        after=int(found.after.sum()) / of,
        cleared=wilson(int(found.cleared.sum()), len(good)),
        silent=int(found.silent.sum()) / of,
    )


def _percentile(values: np.ndarray, rank: int) -> float | None:
    return percentile(values.tolist(), rank) if len(values) else None
