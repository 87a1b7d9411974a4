"""The figures of an evaluation as JSON, for machines: the same for the same data, models and seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from oracle.core.statistics import Rate
from oracle.core.times import utc
from oracle.detectors.evaluation import nab
from oracle.detectors.evaluation.results import PER, Comparison, Evaluation, FaultRate
from oracle.detectors.evaluation.trials import Lie

__all__ = ["document", "nab_document"]

FORMAT = "detector-evaluation-v2"


def document(comparison: Comparison) -> dict[str, Any]:
    """Return all figures of a comparison."""
    prepared = comparison.prepared
    recording, feed = prepared.recording, prepared.feed
    return {
        "format": FORMAT,
        "recording": {
            "name": recording.name,
            "venues": list(recording.venues),
            "ticks": len(recording),
            "evaluated": prepared.evaluated,
            "first": utc(recording.times[prepared.begin]),
            "last": utc(recording.times[-1]),
        },
        "feed": {
            "kind": feed.kind.name.lower(),
            "decimals": feed.decimals,
            "sigma": feed.sigma,
            "heartbeat": feed.heartbeat,
            **asdict(feed.policy),
            "min_sources": feed.aggregation.min_sources,
            "peers": [{"name": peer.name, "kind": peer.kind.name.lower(), "sigma": peer.sigma} for peer in feed.peers],
            "max_source_spread": None if feed.aggregation.max_spread is None else str(feed.aggregation.max_spread),
        },
        "seed": comparison.seed,
        "scaled_to": comparison.scale_to,
        "skipped": comparison.skipped,
        "notes": list(comparison.notes),
        "warnings": list(comparison.warnings),
        "detectors": [
            {**_figures(evaluation), "cap": _figures(comparison.cap_of(evaluation))}
            for evaluation in comparison.evaluations
        ],
    }


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    holds = evaluation.false_holds
    return {
        "name": evaluation.name,
        "factor": _rounded(evaluation.factor),
        "reports": holds.of,
        "false_holds": holds.hits,
        "false_holds_per_10000": _rounded((holds.share or 0.0) * PER),
        "false_holds_interval": [_rounded(holds.low * PER), _rounded(holds.high * PER)],
        "false_holds_days": [_rounded(end * PER) for end in evaluation.days],
        "episodes": evaluation.episodes,
        "longest_hold": {"reports": evaluation.longest, "seconds": evaluation.longest_s},
        "reasons": evaluation.reasons,
        "held_in_bad_stretches": evaluation.excused,
        "silent": evaluation.silent,
        "error_while_held": {"mean": _rounded(evaluation.error_held), "worst": _rounded(evaluation.worst_held)},
        "shock_rounds_max": evaluation.shock_rounds_max,
        "shock_seconds_max": evaluation.shock_seconds_max,
        "warnings": list(evaluation.warnings),
        "flips": None if evaluation.flips is None else {"flips": evaluation.flips.hits, "of": evaluation.flips.of},
        "shocks": [
            {**asdict(shock), "move": _rounded(shock.move), "sigmas": _rounded(shock.sigmas)}
            for shock in evaluation.shocks
        ],
        "faults": _faults(evaluation, Lie.OWN),
        "joint": _faults(evaluation, Lie.JOINT),
        "blind": _faults(evaluation, Lie.BLIND),
        "peer_lie_holds_own": {kind: _share(rate) for kind, rate in evaluation.peer_lie_holds_own.items()},
        "curve": [
            {
                "factor": point.factor,
                "false_holds_per_10000": _rounded(point.false_holds),
                "spike_recall": _rounded(point.recall),
            }
            for point in evaluation.curve
        ],
    }


def _faults(evaluation: Evaluation, lie: Lie) -> dict[str, Any]:
    return {fault.kind: _fault(fault) for fault in evaluation.faults if fault.lie is lie}


def _share(rate: Rate) -> float | None:
    return None if rate.share is None else _rounded(rate.share)


def _fault(fault: FaultRate) -> dict[str, Any]:
    return {
        "group": fault.group,
        "ticks": fault.ticks,
        "must_pass": fault.real,
        "tried": fault.tried,
        "disturbed": fault.disturbed,
        "held": fault.recall.hits,
        "recall": _share(fault.recall),
        "interval": [_rounded(fault.recall.low), _rounded(fault.recall.high)],
        "interval_days": [_rounded(end) for end in fault.days],
        "reasons": fault.reasons,
        "latency_ticks": fault.latency,
        "latency_ticks_p95": fault.latency_p95,
        "latency_seconds": fault.latency_s,
        "wrong_mean": _rounded(fault.wrong),
        "written_mean": _rounded(fault.written),
        "wrong_stopped": None if fault.stopped is None else _rounded(fault.stopped),
        "error_written": {"mean": _rounded(fault.error_written), "worst": _rounded(fault.worst_written)},
        "error_while_held": {"mean": _rounded(fault.error_held), "worst": _rounded(fault.worst_held)},
        "held_mean": _rounded(fault.held),
        "held_most": fault.held_max,
        "held_longest_seconds": fault.held_s_max,
        "true_held_after_mean": _rounded(fault.after),
        "cleared": _share(fault.cleared),
        "silent_mean": _rounded(fault.silent),
    }


def _rounded(value: float) -> float:
    """Return six significant digits: more would only differ between machines."""
    return float(f"{value:.6g}")


def nab_document(results: Mapping[str, Sequence[nab.Score]]) -> dict[str, Any]:
    """Return scores on Numenta's benchmark, with the published ones."""
    return {
        "format": "nab-scores-v1",
        "detectors": {
            name: {
                score.profile: {
                    "score": _rounded(score.score),
                    "threshold": None if math.isinf(score.threshold) else _rounded(score.threshold),
                    "windows_found": score.found,
                    "windows": score.windows,
                    "false_positives": score.false_positives,
                }
                for score in scores
            }
            for name, scores in results.items()
        },
        "published": {name: list(scores) for name, scores in nab.PUBLISHED.items()},
    }
